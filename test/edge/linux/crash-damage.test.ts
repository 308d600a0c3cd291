/**
 * The facts for a crash kernel come from files that may be damaged. With any contents of them,
 * planning ends with a plan or with a KexecError that has a reason; never with another error.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { KexecError } from "../../../src/core/error.ts";
import { readFacts } from "../../../src/edge/linux/read-facts.ts";
import type { HostFacts } from "../../../src/model/host-facts.ts";
import { buildFilePlan, buildSegmentPlan } from "../../../src/plan/build-plan.ts";
import { filesOf, recorded } from "../../conformance/crash-machine.ts";
import { makeBzImage } from "../../images/make-bzimage.ts";
import { orRefusal } from "../../kexec-error.ts";
import { loadRequest, NO_FILES } from "../../plan/requests.ts";
import { fakeRoot, LINUX, quiet, removeFakeRoots } from "./fake-machine.ts";

afterAll(removeFakeRoots);

const MACHINE = recorded("qemu-6g-crash-high");
const relative = Object.entries(filesOf(MACHINE)).map(([path, data]) => [path.slice(1), data]);
const root = fakeRoot(LINUX, Object.fromEntries(relative));
const KERNEL = { path: "/boot/vmlinuz", bytes: makeBzImage() };
const REQUEST = loadRequest({ purpose: "crash" });
const RUNS = { seed: 20_260_401, numRuns: 300 };

/** Replaces, inserts or removes some bytes of a file, or repeats a part of it. */
interface Edit {
  readonly at: number;
  readonly removed: number;
  readonly added: Uint8Array | "again";
}

const digits = fc.stringMatching(/^[0-9a-f -]{1,16}$/).map((text) => Buffer.from(text));
const edit = (length: number): fc.Arbitrary<Edit> =>
  fc.record({
    at: fc.nat(length),
    removed: fc.oneof(fc.nat(4), fc.nat(length)),
    added: fc.oneof(fc.uint8Array({ maxLength: 8 }), digits, fc.constant("again" as const)),
  });

function edited(sample: Uint8Array, edits: readonly Edit[]): Uint8Array {
  return edits.reduce((bytes, { at, removed, added }) => {
    const part = bytes.subarray(at, at + removed);
    const parts = added === "again" ? [part, part] : [added];
    return new Uint8Array(
      Buffer.concat([bytes.subarray(0, at), ...parts, bytes.subarray(at + removed)]),
    );
  }, sample);
}

const damaged = (sample: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    {
      weight: 4,
      arbitrary: fc
        .array(edit(sample.length), { minLength: 1, maxLength: 4 })
        .map((edits) => edited(sample, edits)),
    },
  );

/** "planned", or the code of the error. */
function outcome(facts: HostFacts, plan: (facts: HostFacts) => unknown): string {
  const error = orRefusal(() => plan(facts));
  if (!(error instanceof KexecError)) return "planned";
  expect(error.message).toMatch(/^[A-Z`].{10}|^the core header has /);
  const said = `${error.message}\n${error.hint ?? ""}`;
  expect(said).not.toMatch(/undefined|NaN|\[object|null/);
  expect(said.length).toBeLessThan(1500);
  return error.code;
}

const segments = (facts: HostFacts) =>
  buildSegmentPlan(REQUEST, facts, { ...NO_FILES, kernel: KERNEL });
const files = (facts: HostFacts) =>
  buildFilePlan(REQUEST, facts, KERNEL, () => ({
    kernel: { path: KERNEL.path, fd: 3, size: BigInt(KERNEL.bytes.length) },
    initrd: null,
  }));
const factsNow = () => readFacts({ ...quiet, root, crash: true });

test("with undamaged files there is a plan", () => {
  expect(outcome(factsNow(), segments)).toBe("planned");
  expect(outcome(factsNow(), files)).toBe("planned");
});

describe("a damaged file", () => {
  test.each([
    "proc/iomem",
    "proc/kcore",
    "proc/kallsyms",
    "sys/kernel/vmcoreinfo",
    "sys/devices/system/cpu/cpu0/crash_notes",
    "sys/devices/system/cpu/cpu0/crash_notes_size",
  ])("%s", (file) => {
    const path = join(root, file);
    const sample = new Uint8Array(readFileSync(path));
    const found = new Set<string>();
    try {
      fc.assert(
        fc.property(damaged(sample), (bytes) => {
          writeFileSync(path, bytes);
          const facts = factsNow();
          found.add(outcome(facts, segments));
          found.add(outcome(facts, files));
        }),
        RUNS,
      );
    } finally {
      writeFileSync(path, sample);
    }
    // Some damage does no harm, so both results must occur.
    expect(found).toContain("planned");
    expect(found.size).toBeGreaterThan(file === "proc/kallsyms" ? 0 : 1);
    for (const code of found) {
      expect(code).toMatch(
        /^(planned|facts\.crash|plan\.(no-crash-region|bad-crash-region|no-room))$/,
      );
    }
  });
});
