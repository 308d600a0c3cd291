/** Plans under Xen's rules, for any guest-owned memory. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { covers, intersect, isEmpty, normalize, type Range, range } from "../../src/core/range.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { HostFacts, SegmentRules } from "../../src/model/host-facts.ts";
import type { SegmentPlan } from "../../src/model/load-plan.ts";
import { buildSegmentPlan } from "../../src/plan/build-plan.ts";
import { makeBzImage } from "../images/make-bzimage.ts";
import { refusal } from "../kexec-error.ts";
import { loadRequest, NO_FILES } from "./requests.ts";

const MACHINE = join(import.meta.dir, "../facts/machines/qemu-2g-xen.json");
const FACTS = factsFromJson(readFileSync(MACHINE, "utf8"));
const RAM = (FACTS.memoryMap?.ranges ?? []).filter(({ type }) => type === "ram");
const MIB = 1n << 20n;
const KERNEL = { path: "/boot/vmlinuz", bytes: makeBzImage() };
const INITRD = { path: "/boot/initrd", bytes: new Uint8Array(0x12345) };

const withRules = (changes: Partial<SegmentRules>): HostFacts => ({
  ...FACTS,
  segmentRules: { ...FACTS.segmentRules, ...changes },
});

function planOf(facts: HostFacts, changes: Parameters<typeof loadRequest>[0] = {}): SegmentPlan {
  return buildSegmentPlan(loadRequest(changes), facts, {
    ...NO_FILES,
    kernel: KERNEL,
    initrd: INITRD,
  });
}

const rangesOf = (plan: SegmentPlan): Range[] =>
  plan.segments.map(({ start, size }) => range(start, start + size));

/** Xen's own checks, written independently of check-plan.ts. [xen xen/common/kimage.c] */
function expectXenTakes(plan: SegmentPlan): void {
  const all = rangesOf(plan);
  expect(all.length).toBeLessThanOrEqual(15);
  for (const { start, end } of all) expect([start % 4096n, end % 4096n]).toEqual([0n, 0n]);
  const bytes = (ranges: readonly Range[]) => ranges.reduce((sum, r) => sum + r.end - r.start, 0n);
  expect(bytes(normalize(all))).toBe(bytes(all));
  expect(covers(normalize(all), range(0n, MIB))).toBe(true);
  for (const { bytes, start, size, role } of plan.segments) {
    expect(BigInt(bytes.length) <= size).toBe(true);
    expect(bytes.length === 0).toBe(role === "mapped");
    if (role === "mapped") expect(start + size <= MIB).toBe(true);
    else expect(covers(normalize(RAM), range(start, start + size))).toBe(true);
  }
}

const guestOwnedMemory = fc
  .array(fc.tuple(fc.bigInt(0n, 0x800n), fc.bigInt(1n, 0x40n)), { maxLength: 8 })
  .map((rows) => rows.map(([at, pages]) => range(at * 0x1000n, (at + pages) * 0x1000n)));

test("Xen accepts every plan", () => {
  fc.assert(
    fc.property(guestOwnedMemory, fc.bigInt(0n, 2n * MIB), (guestOwned, memMin) => {
      expectXenTakes(planOf(withRules({ guestOwned }), { memMin }));
    }),
    { numRuns: 200 },
  );
});

test("around segments below 1 MiB the rest of that MiB is mapped", () => {
  const plan = planOf(withRules({ guestOwned: [range(0x10000n, 0x90000n)] }));
  expectXenTakes(plan);
  const low = plan.segments.filter(({ start }) => start < MIB);
  expect(low.filter(({ role }) => role !== "mapped").length).toBeGreaterThan(0);
  const ends = low.map(({ start, size }) => start + size);
  expect(low.map(({ start }) => start)).toEqual([0n, ...ends.slice(0, -1)]);
  expect(ends.at(-1)).toBe(MIB);
});

test("only mapped segments and the purgatory have no digest", () => {
  const plan = planOf(FACTS);
  for (const { role, digest } of plan.segments) {
    expect(digest === null).toBe(role === "mapped" || role === "purgatory");
  }
});

test("too many segments are refused before Xen is asked", () => {
  expect(refusal(() => planOf(withRules({ countMax: 4 })))).toMatchObject({
    code: "plan.segment-count",
    message: "the plan has 5 segments, this host takes 1 to 4",
    exitStatus: 255,
  });
});

test("no segment lies in the hypervisor's memory of a recorded machine", () => {
  const { hypervisor } = FACTS.xen ?? {};
  expect(hypervisor).not.toBeNull();
  if (hypervisor === null || hypervisor === undefined) return;
  for (const one of rangesOf(planOf(FACTS))) {
    expect(isEmpty(intersect(one, hypervisor))).toBe(true);
  }
});
