/**
 * Segments without bytes, for memory that the host must map. Linux maps all memory for the next
 * kernel, Xen only what is in a segment. The purgatory and the next kernel also access the lowest
 * MiB: the VGA text buffer, firmware tables, and the RAM that the purgatory saves for a dump.
 */

import { type Range, rangeOf, showRange, subtract } from "../core/range.ts";
import type { Segment } from "../model/load-plan.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * Segments for the parts of `mapped` that `segments` do not cover, sorted by start.
 * @param segments in any order, disjoint, of whole pages
 * @param mapped whole pages
 */
export function mappedSegments(segments: readonly Segment[], mapped: Range): Segment[] {
  return subtract([mapped], segments.map(rangeOf)).map(({ start, end }) => ({
    role: "mapped",
    start,
    size: end - start,
    bytes: NO_BYTES,
    digest: null,
    reason: `the next kernel needs ${showRange(mapped)} mapped; nothing is loaded here`,
  }));
}
