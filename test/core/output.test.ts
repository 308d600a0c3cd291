/** The output buffer of decompressors: its contents, its limit, and the memory that it takes. */

import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Output } from "../../src/core/output.ts";
import { packedBy } from "../wrapper/make-wrapped.ts";

const ROOT = join(import.meta.dir, "../..");

describe("repetitions, short and long, of every distance", () => {
  test.each([1, 2, 3, 7, 47, 48, 49, 200])("a distance of %d bytes", (distance) => {
    for (const length of [1, 47, 48, 49, 95, 96, 1000]) {
      const output = new Output("test", 1 << 12);
      const wanted = Array.from({ length: distance }, (_, i) => (i * 7 + 1) & 0xff);
      output.add(Uint8Array.from(wanted));
      output.repeat(distance, length);
      for (let i = 0; i < length; i += 1) wanted.push(wanted[wanted.length - distance] ?? 0);
      expect([...output.done()]).toEqual(wanted);
    }
  });
});

describe.each([0, 1, 1 << 16, (1 << 16) + 1, 300_001])("a limit of %d bytes", (limit) => {
  const filled = () => {
    const output = new Output("test", limit);
    for (let i = 0; i < limit; i += 1) output.push(i & 0xff);
    return output;
  };
  const beyond = `test: expands to more than ${limit} bytes, the limit`;

  test("can be reached, and the output is kept", () => {
    const output = filled();
    expect(output.room).toBe(0);
    const bytes = output.done();
    expect(bytes.length).toBe(limit);
    expect(bytes.every((byte, i) => byte === (i & 0xff))).toBe(true);
  });

  test("cannot be exceeded by any method", () => {
    expect(() => filled().push(1)).toThrow(beyond);
    expect(() => filled().add(Uint8Array.of(1))).toThrow(beyond);
    expect(() => filled().repeat(1, 1)).toThrow(beyond);
    const output = filled();
    expect(output.space(100).length).toBe(1);
    expect(() => output.wrote(1)).toThrow(beyond);
    output.wrote(0);
    expect(output.done().length).toBe(limit);
  });
});

test("space is the place of the next bytes", () => {
  const output = new Output("test", 1 << 20);
  output.add(Uint8Array.of(1, 2));
  output.space(3).set([3, 4, 5]);
  output.wrote(2);
  expect([...output.done()]).toEqual([1, 2, 3, 4]);
  expect(output.space(1 << 20).length).toBeGreaterThan(0);
});

/** Prints the peak memory of a process, in MiB, before it expands stdin and afterwards. */
const PEAK = `
  const { readFileSync } = require("node:fs");
  const { unwrap } = await import("./src/wrapper/unwrap.ts");
  const { expandLzma } = await import("./src/edge/ffi/lzma.ts");
  const peak = () =>
    Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]) >> 10;
  const packed = new Uint8Array(readFileSync(0));
  unwrap(Bun.gzipSync(new Uint8Array(10)), expandLzma);
  const before = peak();
  let made = 0;
  const [limit, own] = JSON.parse(process.argv[1]);
  try {
    made = unwrap(packed, own ? () => null : expandLzma, limit).bytes.length;
  } catch (error) {
    if (!error.message.includes("expands to more than")) throw error;
  }
  console.log(JSON.stringify({ before, after: peak(), made }));
`;

function peakOf(packed: Uint8Array, limit: number, own: boolean) {
  const words = ["-e", PEAK, JSON.stringify([limit, own])];
  const printed = execFileSync(process.execPath, words, { cwd: ROOT, input: packed });
  const found: { before: number; after: number; made: number } = JSON.parse(printed.toString());
  return { more: found.after - found.before, made: found.made };
}

describe("memory has one copy of the output, and never more than the limit", () => {
  const MIB = 1 << 20;
  const SIZE = 64;
  const ZEROS = new Uint8Array(SIZE * MIB);
  /** In MiB: the decoders' own memory, and memory that is not yet garbage-collected. */
  const BESIDES = 56;

  test.each([
    ["gzip", ["gzip", "-c"], false],
    ["zstd", ["zstd", "-q", "-c"], false],
    ["xz by liblzma", ["xz", "-c", "-0"], false],
    ["xz by our own code", ["xz", "-c", "-0"], true],
    ["lz4", ["lz4", "-q", "-c"], false],
    ["lz4 (legacy)", ["lz4", "-q", "-c", "-l"], false],
    ["bzip2", ["bzip2", "-c"], false],
  ] as const)(
    "%s",
    (_, command, own) => {
      const packed = packedBy(command, ZEROS);
      const whole = peakOf(packed, SIZE * MIB, own);
      expect(whole.made).toBe(SIZE * MIB);
      expect(whole.more).toBeLessThan(SIZE + BESIDES);
      const refused = peakOf(packed, 16 * MIB, own);
      expect(refused.made).toBe(0);
      expect(refused.more).toBeLessThan(16 + BESIDES);
    },
    60_000,
  );
});

describe("what it begins with", () => {
  const seen = (write: (output: Output) => void) => {
    const sizes: number[] = [];
    const output = new Output("test", 1 << 20, ({ length }) => sizes.push(length));
    write(output);
    return sizes;
  };
  const START = 1 << 16;

  test("is looked at once, before more is made than 64 KiB", () => {
    expect(seen((output) => output.add(new Uint8Array(START)))).toEqual([]);
    for (const more of [
      (output: Output) => output.push(1),
      (output: Output) => output.add(new Uint8Array(9)),
      (output: Output) => output.repeat(1, 9),
      (output: Output) => void output.space(9),
    ]) {
      const twice = (output: Output) => {
        output.add(new Uint8Array(START));
        more(output);
        more(output);
      };
      expect(seen(twice)).toEqual([START]);
    }
  });

  test("comes in larger pieces where the format has such", () => {
    const pieces = (output: Output) => {
      for (let i = 0; i < 3; i += 1) output.add(new Uint8Array(3 * START));
    };
    expect(seen(pieces)).toEqual([3 * START]);
  });

  test("ends it by an error", () => {
    const output = new Output("test", 1 << 20, () => {
      throw new Error("no");
    });
    output.add(new Uint8Array(START));
    expect(() => output.push(1)).toThrow("no");
  });
});
