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

/**
 * The same addresses as a canonical set: sorted, without empty ranges, neighbours and overlaps
 * merged.
 */
export function normalize(ranges: readonly Range[]): Range[] {
  const sorted = ranges.filter((r) => !isEmpty(r)).sort(byStart);
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

/** True if one range of the canonical set `ranges` holds all of `inner`. */
export function covers(ranges: readonly Range[], inner: Range): boolean {
  return ranges.some((r) => contains(r, inner));
}

/** The largest range; undefined where there is none. */
export function largest(ranges: readonly Range[]): Range | undefined {
  return ranges.reduce<Range | undefined>(
    (best, r) => (best === undefined || rangeSize(r) > rangeSize(best) ? r : best),
    undefined,
  );
}
