/**
 * Segments without bytes. Linux maps all memory for the next kernel, Xen only what is in a segment;
 * the purgatory and the next kernel want the lowest MiB too: the VGA text screen is there, firmware
 * tables, and what a crash kernel saves.
 */

import { type Range, rangeOf, showRange, subtract } from "../core/range.ts";
import type { Segment } from "../model/load-plan.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * Segments for all of `mapped` that no segment of `segments` has, sorted by start. `segments` in
 * any order, disjoint, of whole pages; `mapped` of whole pages too.
 */
export function mappedSegments(segments: readonly Segment[], mapped: Range): Segment[] {
  return subtract([mapped], segments.map(rangeOf)).map(({ start, end }) => ({
    role: "mapped",
    start,
    size: end - start,
    bytes: NO_BYTES,
    sha256: null,
    reason: `the next kernel needs ${showRange(mapped)} mapped; nothing is loaded here`,
  }));
}
