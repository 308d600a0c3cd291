import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  common,
  contains,
  covers,
  insideOf,
  intersect,
  isEmpty,
  largest,
  normalize,
  outsideOf,
  overlapping,
  overlaps,
  type Range,
  rangeSize,
  sortedByStart,
  subtract,
  without,
} from "../../src/core/range.ts";

const r = (start: number, end: number): Range => ({ start: BigInt(start), end: BigInt(end) });
const anyRange = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 20 }))
  .map(([start, size]) => r(start, start + size));
const anyRanges = fc.array(anyRange, { maxLength: 8 });
/** All addresses of a set, with which the results of the range functions are compared. */
const members = (ranges: readonly Range[]): Set<bigint> => {
  const set = new Set<bigint>();
  for (const { start, end } of ranges) for (let a = start; a < end; a += 1n) set.add(a);
  return set;
};

describe("normalize", () => {
  test("keeps the addresses; sorts, merges neighbours, drops empty ranges", () => {
    fc.assert(
      fc.property(anyRanges, (ranges) => {
        const result = normalize(ranges);
        expect(members(result)).toEqual(members(ranges));
        expect(result.some(isEmpty)).toBe(false);
        result.slice(1).forEach((next, i) => {
          expect(next.start > (result[i]?.end ?? 0n)).toBe(true);
        });
      }),
    );
  });
});

describe("subtract", () => {
  test("leaves exactly the addresses that are in no hole", () => {
    fc.assert(
      fc.property(anyRanges, anyRanges, (ranges, holes) => {
        const hole = members(holes);
        const want = [...members(ranges)].filter((a) => !hole.has(a)).sort();
        expect([...members(subtract(ranges, holes))].sort()).toEqual(want);
      }),
    );
  });

  test("the removed and the remaining addresses are together all addresses", () => {
    fc.assert(
      fc.property(anyRanges, anyRanges, (ranges, holes) => {
        const rest = subtract(ranges, holes);
        const cut = subtract(ranges, rest);
        expect(normalize([...rest, ...cut])).toEqual(normalize(ranges));
      }),
    );
  });
});

test("common has exactly the addresses of both, as a canonical set", () => {
  fc.assert(
    fc.property(anyRanges, anyRanges, (a, b) => {
      const result = common(a, b);
      const other = members(b);
      expect(members(result)).toEqual(new Set([...members(a)].filter((x) => other.has(x))));
      expect(result).toEqual(normalize(result));
    }),
  );
});

test("sets of 65,535 ranges are subtracted and intersected in little time", () => {
  const many = (offset: number) =>
    Array.from({ length: 65535 }, (_, i) => r(i * 16 + offset, i * 16 + offset + 8));
  const begin = process.cpuUsage();
  expect(subtract(many(0), many(4))).toHaveLength(65535);
  expect(common(many(0), many(4))).toHaveLength(65535);
  const { user, system } = process.cpuUsage(begin);
  expect(user + system).toBeLessThan(2_000_000);
});

test("intersect and overlaps agree", () => {
  fc.assert(
    fc.property(anyRange, anyRange, (a, b) => {
      if (isEmpty(a) || isEmpty(b)) return;
      expect(overlaps(a, b)).toBe(!isEmpty(intersect(a, b)));
      expect(members([intersect(a, b)])).toEqual(
        new Set([...members([a])].filter((x) => members([b]).has(x))),
      );
    }),
  );
});

test("largest finds the largest range, covers needs one range that contains all", () => {
  expect(largest([])).toBeUndefined();
  expect(rangeSize(largest([r(0, 3), r(10, 20), r(30, 35)]) ?? r(0, 0))).toBe(10n);
  expect(covers([r(0, 10), r(20, 30)], r(2, 10))).toBe(true);
  expect(covers([r(0, 10), r(20, 30)], r(5, 25))).toBe(false);
});

describe("a canonical set and one range", () => {
  const both = fc.property(anyRanges, anyRange, (ranges, one) => {
    const set = normalize(ranges);
    const own = members(set);
    const inside = [...members([one])].filter((address) => own.has(address));
    const parts = insideOf(ranges)(one);
    expect(parts).toEqual(normalize(parts));
    expect([...members(parts)]).toEqual(inside);
    expect(outsideOf(ranges)(one)).toEqual(subtract([one], ranges));
    expect(without(set, one)).toEqual(subtract(set, [one]));
    expect(overlapping(set, one)).toEqual(set.filter((r) => !isEmpty(intersect(r, one))));
    if (isEmpty(one)) return;
    expect(covers(set, one)).toBe(set.some((outer) => contains(outer, one)));
  });

  test("are compared by the range's place in the set", () => {
    fc.assert(both, { numRuns: 1000 });
  });
});

test("sorted ranges stay the same list; others are sorted, equal starts in their order", () => {
  const sorted = [r(0, 3), r(1, 2), r(1, 1)];
  expect(sortedByStart(sorted)).toBe(sorted);
  expect(sortedByStart([r(5, 6), r(1, 9), r(1, 2)])).toEqual([r(1, 9), r(1, 2), r(5, 6)]);
});
