import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { normalize } from "../../src/core/range.ts";
import type { Segment } from "../../src/model/load-plan.ts";
import { mappedSegments } from "../../src/plan/mapped-segments.ts";

const MIB = 1n << 20n;
const LOWEST_MIB = { start: 0n, end: MIB };
const at = (start: bigint, size: bigint): Segment => ({
  role: "kernel",
  start,
  size,
  bytes: Uint8Array.of(1),
  digest: null,
  reason: "",
});

test.each<[string, readonly Segment[], readonly (readonly [bigint, bigint])[]]>([
  ["nothing low", [at(MIB, 0x1000n)], [[0n, MIB]]],
  [
    "one piece in the middle",
    [at(0x9000n, 0x2000n)],
    [
      [0n, 0x9000n],
      [0xb000n, 0xf5000n],
    ],
  ],
  ["one at the start", [at(0n, 0x1000n)], [[0x1000n, 0xff000n]]],
  ["one across the end", [at(0xff000n, 0x2000n)], [[0n, 0xff000n]]],
  ["one that begins at the end", [at(MIB, MIB)], [[0n, MIB]]],
  [
    "neighbours, out of order",
    [at(0x2000n, 0x1000n), at(0x1000n, 0x1000n)],
    [
      [0n, 0x1000n],
      [0x3000n, 0xfd000n],
    ],
  ],
  ["all of it", [at(0n, 2n * MIB)], []],
])("%s", (_name, segments, expected) => {
  const mapped = mappedSegments(segments, LOWEST_MIB);
  expect(mapped.map(({ start, size }) => [start, size] as const)).toEqual([...expected]);
  for (const one of mapped) {
    expect(one).toMatchObject({ role: "mapped", digest: null });
    expect(one.bytes.length).toBe(0);
  }
});

describe("with any segments in the lowest MiB", () => {
  const page = fc.integer({ min: 0, max: 300 });
  test("each page of it is in exactly one segment", () => {
    fc.assert(
      fc.property(fc.uniqueArray(page, { maxLength: 40 }), (pages) => {
        const segments = pages.map((n) => at(BigInt(n) * 0x1000n, 0x1000n));
        const all = [...segments, ...mappedSegments(segments, LOWEST_MIB)].map((s) => ({
          start: s.start,
          end: s.start + s.size,
        }));
        const total = all.reduce((sum, r) => sum + r.end - r.start, 0n);
        const union = normalize(all);
        expect(union[0]).toMatchObject({ start: 0n });
        expect(union[0]?.end).toBeGreaterThanOrEqual(MIB);
        expect(union.reduce((sum, r) => sum + r.end - r.start, 0n)).toBe(total);
      }),
    );
  });
});
