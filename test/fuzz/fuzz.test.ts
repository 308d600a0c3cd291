/** The fuzzer itself: it sees each kind of fault, and comes back to the same inputs. */

import { describe, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import { caseSeed, Random } from "./random.ts";
import { runCase } from "./run-case.ts";
import { bytesTarget, type Target, textTarget } from "./target.ts";
import { TARGETS } from "./targets/index.ts";

const SEED = new Uint8Array(64).fill(7);
const targetThat = (run: (bytes: Uint8Array) => unknown): Target =>
  bytesTarget("test/own", () => [SEED], run);

describe("an input that is handled well", () => {
  test("gives a result", () => {
    expect(
      runCase(
        targetThat(() => 1),
        1,
        1,
      ),
    ).toBeNull();
  });

  test("or a KexecError", () => {
    const refuses = targetThat(() => {
      throw new KexecError({ code: "image.header", message: "no" });
    });
    expect(runCase(refuses, 1, 1)).toBeNull();
  });
});

describe("a fault is", () => {
  test("any other error, with its stack", () => {
    const breaks = targetThat(() => {
      throw new RangeError("Out of bounds");
    });
    expect(runCase(breaks, 1, 1)?.what).toStartWith("RangeError: Out of bounds\n");
  });

  test("more than 2 s of processor time", () => {
    const spins = targetThat(() => {
      const before = process.cpuUsage();
      while (process.cpuUsage(before).user + process.cpuUsage(before).system < 2_100_000);
    });
    expect(runCase(spins, 1, 1)?.what).toEndWith("s of processor time");
  });

  test("more than 256 MiB of memory, though it is given back", () => {
    const allocates = targetThat(() => {
      new Uint8Array(300 << 20).fill(1);
    });
    expect(runCase(allocates, 1, 1)?.what).toEndWith("MiB of memory");
  });
});

describe("a case", () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))("of %s repeats", (_, one) => {
    const inputs = [3, 3, 4].map((index) =>
      Buffer.from(one.input(new Random(caseSeed(1, one.name, index)))).toString("base64"),
    );
    expect(inputs[0]).toBe(inputs[1] ?? "");
  });

  test("differs from the next one, mostly", () => {
    const texts = textTarget("test/texts", ["a=1 b=2 c=3"], () => {});
    const inputs = Array.from({ length: 100 }, (_, i) =>
      Buffer.from(texts.input(new Random(caseSeed(1, "test/texts", i)))).toString("latin1"),
    );
    expect(new Set(inputs).size).toBeGreaterThan(60);
  });

  test("of every target runs without a fault", () => {
    for (const target of TARGETS) expect(runCase(target, 1, 0)).toBeNull();
  });
});
