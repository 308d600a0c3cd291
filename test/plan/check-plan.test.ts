/** Each rule of the kernel, on both sides of its limit. */

import { describe, expect, test } from "bun:test";
import { KexecError } from "../../src/core/error.ts";
import { range } from "../../src/core/range.ts";
import { LINUX_SEGMENT_RULES } from "../../src/facts/linux-rules.ts";
import type { HostFacts, SegmentRules } from "../../src/model/host-facts.ts";
import type { Segment, SegmentPlan } from "../../src/model/load-plan.ts";
import { checkPlan } from "../../src/plan/check-plan.ts";
import { orRefusal } from "../kexec-error.ts";

const MIB = 1n << 20n;
const USABLE = [range(MIB, 65n * MIB)];
const FACTS = {
  pageSize: 4096,
  memTotal: 64n * MIB,
  memoryMap: null,
  segmentRules: LINUX_SEGMENT_RULES,
} as HostFacts;

const segment = (start: bigint, size: bigint, changes: Partial<Segment> = {}): Segment => ({
  role: "kernel",
  start,
  size,
  bytes: new Uint8Array(16),
  digest: null,
  reason: "",
  ...changes,
});

function planOf(segments: readonly Segment[], entry?: bigint): SegmentPlan {
  return {
    kind: "segments",
    purpose: "normal",
    architecture: "x86_64",
    imageType: "bzImage64",
    entry: entry ?? segments[0]?.start ?? 0n,
    segments,
    commandLine: null,
    debug: false,
    hotplug: false,
    notes: [],
    warnings: [],
  };
}

/** Segments of one page each, with a page between. */
const pages = (count: number) =>
  Array.from({ length: count }, (_, i) => segment(MIB + BigInt(i) * 0x2000n, 0x1000n));

function refusal(plan: SegmentPlan, facts = FACTS): string {
  const error = orRefusal(() => checkPlan(plan, USABLE, facts));
  if (!(error instanceof KexecError)) return "";
  expect(error.exitStatus).toBe(255);
  return `${error.code}: ${[error.message, error.hint ?? ""].join(" ")}`;
}

describe("accepts", () => {
  test.each<[string, SegmentPlan]>([
    ["one page", planOf(pages(1))],
    ["as many segments as the kernel takes", planOf(pages(LINUX_SEGMENT_RULES.countMax))],
    ["neighbours", planOf([segment(MIB, 0x1000n), segment(MIB + 0x1000n, 0x1000n)])],
    ["bytes that fill their memory", planOf([segment(MIB, 0x1000n, { bytes: bytes(0x1000) })])],
    ["all of the RAM's end", planOf([segment(64n * MIB, MIB)])],
    ["half of the memory", planOf([segment(MIB, 32n * MIB)])],
    ["an entry at the last byte", planOf([segment(MIB, 0x1000n)], MIB + 15n)],
  ])("%s", (_, plan) => {
    expect(refusal(plan)).toBe("");
  });
});

function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

describe("refuses", () => {
  test.each<[string, SegmentPlan, string]>([
    [
      "no segment",
      planOf([]),
      "plan.segment-count: the plan has 0 segments, this host takes 1 to 16",
    ],
    ["17 segments", planOf(pages(17)), "plan.segment-count: the plan has 17 segments"],
    ["an empty segment", planOf([segment(MIB, 0n)]), "plan.segment-range: the kernel segment"],
    [
      "a segment beyond 64 bits",
      planOf([segment((1n << 64n) - 0x1000n, 0x2000n)]),
      "plan.segment-range: the kernel segment",
    ],
    [
      "an unaligned start",
      planOf([segment(MIB + 1n, 0x1000n)]),
      "plan.alignment: the kernel segment [0x100001, 0x101001) does not begin and end at",
    ],
    [
      "an unaligned end",
      planOf([segment(MIB, 0x1001n)]),
      "plan.alignment: the kernel segment [0x100000, 0x101001)",
    ],
    [
      "more bytes than memory",
      planOf([segment(MIB, 0x1000n, { bytes: bytes(0x1001) })]),
      "plan.segment-size: the kernel segment [0x100000, 0x101000) has 0x1000 bytes of memory",
    ],
    [
      "an overlap, whatever the order",
      planOf([segment(MIB + 0x1000n, 0x1000n, { role: "initrd" }), segment(MIB, 0x2000n)]),
      "plan.overlap: Overlapping memory segments at 0x101000 the kernel segment",
    ],
    [
      "a segment that reaches out of RAM",
      planOf([segment(64n * MIB, 2n * MIB)]),
      "plan.not-ram: Invalid memory segment 0x4000000 - 0x41fffff the kernel segment",
    ],
    [
      "a crash kernel's segment that reaches out of the crash region",
      { ...planOf([segment(64n * MIB, 2n * MIB)]), purpose: "crash" as const },
      "plan.not-ram: Invalid memory segment 0x4000000 - 0x41fffff the kernel segment " +
        "[0x4000000, 0x4200000) is not wholly inside the crash region [0x100000, 0x4100000).",
    ],
    [
      "a page more than half of the memory",
      planOf([segment(MIB, 32n * MIB), segment(40n * MIB, 0x1000n)]),
      "plan.too-large: the segments take 32.0 MiB (0x2001000 bytes), the kernel allows half",
    ],
    [
      "an entry behind the bytes",
      planOf([segment(MIB, 0x1000n)], MIB + 16n),
      "plan.entry: the entry point 0x100010 is in no segment",
    ],
  ])("%s", (_, plan, words) => {
    expect(refusal(plan)).toStartWith(words);
  });

  describe("under the rules of another host", () => {
    const settings = (changes: Partial<SegmentRules>): HostFacts => ({
      ...FACTS,
      segmentRules: { ...LINUX_SEGMENT_RULES, ...changes },
    });
    const mapped = range(0n, MIB);
    const hole = segment(0n, MIB, { role: "mapped", bytes: bytes(0) });

    test("fewer segments are accepted, and those without bytes count", () => {
      const plan = planOf([hole, ...pages(15)], MIB);
      expect(refusal(plan, settings({ countMax: 15 }))).toStartWith(
        "plan.segment-count: the plan has 16 segments, this host takes 1 to 15",
      );
      expect(refusal(planOf([hole, ...pages(14)], MIB), settings({ countMax: 15 }))).toBe("");
    });

    test("a mapped segment need not be RAM, but must not overlap another", () => {
      expect(refusal(planOf([hole, ...pages(1)], MIB), settings({ mapped }))).toBe("");
      const twice = planOf([hole, { ...hole, size: 0x1000n }, ...pages(1)], MIB);
      expect(refusal(twice, settings({ mapped }))).toStartWith("plan.overlap");
    });

    test("segments that do not cover all memory that must be mapped are refused", () => {
      const short = segment(0n, MIB - 0x1000n, { role: "mapped", bytes: bytes(0) });
      for (const plan of [planOf(pages(1)), planOf([short, ...pages(1)], MIB)]) {
        expect(refusal(plan, settings({ mapped }))).toStartWith(
          "plan.mapped: the next kernel needs all of [0x0, 0x100000) mapped",
        );
      }
    });

    test("the limit of half of the memory does not apply where the rules do not have it", () => {
      const plan = planOf([segment(MIB, 60n * MIB)]);
      expect(refusal(plan)).toStartWith("plan.too-large");
      expect(refusal(plan, settings({ halfOfMemory: false }))).toBe("");
    });
  });

  test("more than half of the memory map's RAM, where MemTotal is unknown", () => {
    const memoryMap = {
      source: "iomem" as const,
      ranges: [
        { ...range(0n, 16n * MIB), type: "ram" as const },
        { ...range(16n * MIB, 96n * MIB), type: "reserved" as const },
      ],
    };
    const plan = planOf([segment(MIB, 9n * MIB)]);
    expect(refusal(plan, { ...FACTS, memTotal: null, memoryMap })).toStartWith("plan.too-large");
  });
});
