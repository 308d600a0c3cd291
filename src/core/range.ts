/**
 * Ranges of physical addresses, half-open: `[start, end)`. The kernel prints inclusive ends, which
 * the parsers in facts/ convert.
 */

import { hex } from "./address.ts";

export interface Range {
  readonly start: bigint;
  /** One past the last address; at most 2^64. */
  readonly end: bigint;
}

export const range = (start: bigint, end: bigint): Range => ({ start, end });
/** The range that begins at `start` and has `size` bytes. */
export const rangeOf = ({
  start,
  size,
}: {
  readonly start: bigint;
  readonly size: bigint;
}): Range => range(start, start + size);
export const rangeSize = (r: Range): bigint => r.end - r.start;
/** The total size of disjoint ranges, in bytes. */
export const totalSize = (ranges: readonly Range[]): bigint =>
  ranges.reduce((sum, r) => sum + rangeSize(r), 0n);
export const isEmpty = (r: Range): boolean => r.end <= r.start;
export const overlaps = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end;
/** Compares ranges for sorting, by their starts only. */
export const byStart = (a: { readonly start: bigint }, b: { readonly start: bigint }): number =>
  a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
export const contains = (outer: Range, inner: Range): boolean =>
  outer.start <= inner.start && inner.end <= outer.end;

/** `[0x1000, 0x2000)` */
export function showRange(r: Range): string {
  return `[${hex(r.start)}, ${hex(r.end)})`;
}

/** The intersection of two ranges, which may be empty. */
export function intersect(a: Range, b: Range): Range {
  const start = a.start > b.start ? a.start : b.start;
  const end = a.end < b.end ? a.end : b.end;
  return end > start ? { start, end } : { start, end: start };
}

/** `ranges` in the order of their starts, those with the same start in the given order. Most are
 * sorted as the kernel lists them, which one pass finds out, so that nothing is sorted again. */
export function sortedByStart<R extends Range>(ranges: readonly R[]): readonly R[] {
  const isSorted = ranges.every((r, i) => i === 0 || (ranges[i - 1]?.start ?? 0n) <= r.start);
  return isSorted ? ranges : ranges.toSorted(byStart);
}

/**
 * The same addresses as a canonical set: sorted, without empty ranges, neighbours and overlaps
 * merged.
 */
export function normalize(ranges: readonly Range[]): Range[] {
  const sorted = sortedByStart(ranges.filter((r) => !isEmpty(r)));
  const merged: Range[] = [];
  for (const r of sorted) {
    const last = merged.at(-1);
    if (last === undefined || r.start > last.end) merged.push({ start: r.start, end: r.end });
    else if (r.end > last.end) merged[merged.length - 1] = { start: last.start, end: r.end };
  }
  return merged;
}

/** The addresses of `ranges` that are in none of `holes`, as a canonical set. */
export function subtract(ranges: readonly Range[], holes: readonly Range[]): Range[] {
  const cut = normalize(holes);
  const rest: Range[] = [];
  let first = 0;
  for (const r of normalize(ranges)) {
    let start = r.start;
    while ((cut[first]?.end ?? r.end) <= start) first += 1;
    for (let at = first; start < r.end; at += 1) {
      const hole = cut[at];
      if (hole === undefined || hole.start >= r.end) break;
      if (hole.start > start) rest.push({ start, end: hole.start });
      start = hole.end;
    }
    if (start < r.end) rest.push({ start, end: r.end });
  }
  return rest;
}

/** The addresses that are in both sets, as a canonical set. */
export function common(ranges: readonly Range[], others: readonly Range[]): Range[] {
  return subtract(ranges, subtract(ranges, others));
}

/** The index of the first range of the canonical set `set` that ends above `address`; the set's
 * length where none does. */
function firstEndingAbove(set: readonly Range[], address: bigint): number {
  let [low, high] = [0, set.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((set[middle]?.end ?? 0n) > address) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The ranges of the canonical set `set` that have an address in `window`, in their order. Takes
 * time for these and not for the whole set. */
export function overlapping(set: readonly Range[], window: Range): readonly Range[] {
  if (isEmpty(window)) return [];
  const first = firstEndingAbove(set, window.start);
  let end = first;
  while ((set[end]?.start ?? window.end) < window.end) end += 1;
  return set.slice(first, end);
}

/** True if one range of the canonical set `set` holds all of `inner`. */
export function covers(set: readonly Range[], inner: Range): boolean {
  const first = set[firstEndingAbove(set, inner.start)];
  return first !== undefined && contains(first, inner);
}

/**
 * A function that returns the parts of one range that are in none of `holes`, sorted. The holes are
 * sorted once: for many ranges apart, where `subtract` would merge those that touch.
 */
export function outsideOf(holes: readonly Range[]): (r: Range) => Range[] {
  const set = normalize(holes);
  return (r) => subtract([r], overlapping(set, r));
}

/** A function that returns the parts of one range that are in `ranges`, sorted; as `outsideOf`. */
export function insideOf(ranges: readonly Range[]): (r: Range) => Range[] {
  const set = normalize(ranges);
  return (r) => overlapping(set, r).map((one) => intersect(one, r));
}

/** The canonical set `set` without the addresses of `hole`; the ranges that do not overlap it are
 * neither looked at nor copied. */
export function without(set: readonly Range[], hole: Range): Range[] {
  if (isEmpty(hole)) return [...set];
  const first = firstEndingAbove(set, hole.start);
  const cut = overlapping(set, hole);
  return set.toSpliced(first, cut.length, ...subtract(cut, [hole]));
}

/** The largest range; undefined where there is none. */
export function largest(ranges: readonly Range[]): Range | undefined {
  return ranges.reduce<Range | undefined>(
    (best, r) => (best === undefined || rangeSize(r) > rangeSize(best) ? r : best),
    undefined,
  );
}
