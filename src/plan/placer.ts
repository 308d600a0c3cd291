/**
 * Where each piece goes. The placer owns the free memory of one plan: it hands out ranges that are
 * inside usable RAM, aligned, within the piece's own limits, and disjoint from all before.
 *
 * Two rules, as in kexec-tools: from the top (the highest place that fits), so that pieces stay out
 * of the way of the next kernel's early allocations, or from the bottom.
 */

import { alignDown, alignUp, hex, humanSize, isPowerOfTwo } from "../core/address.ts";
import { fail } from "../core/error.ts";
import {
  intersect,
  isEmpty,
  largest,
  normalize,
  type Range,
  rangeSize,
  showRange,
  subtract,
} from "../core/range.ts";
import type { Placement } from "../model/image-type.ts";

export class Placer {
  readonly #pageSize: bigint;
  #free: Range[];

  /**
   * @param usable memory that may be used; whole pages of it are
   * @param pageSize in bytes, a power of two
   */
  constructor(usable: readonly Range[], pageSize: bigint) {
    this.#pageSize = pageSize;
    this.#free = normalize(usable)
      .map((r) => ({ start: alignUp(r.start, pageSize), end: alignDown(r.end, pageSize) }))
      .filter((r) => !isEmpty(r));
  }

  /** What is still free, as a canonical set of whole pages. */
  get free(): readonly Range[] {
    return this.#free;
  }

  /**
   * Takes memory for a piece and returns its start.
   * @throws KexecError `plan.no-room`, with the size needed and the largest gap there is
   */
  place(placement: Placement): bigint {
    if (!isPowerOfTwo(placement.alignment)) {
      throw new RangeError(`alignment ${placement.alignment} is not a power of two`);
    }
    const size = alignUp(placement.size, this.#pageSize);
    const alignment = placement.alignment > this.#pageSize ? placement.alignment : this.#pageSize;
    const window = { start: placement.min, end: placement.max };
    const candidates = placement.from === "top" ? this.#free.toReversed() : this.#free;
    for (const gap of candidates) {
      const start = startWithin(intersect(gap, window), size, alignment, placement.from);
      if (start === undefined) continue;
      this.#free = subtract(this.#free, [{ start, end: start + size }]);
      return start;
    }
    return this.#noRoom(placement, size, alignment, window);
  }

  #noRoom(placement: Placement, size: bigint, alignment: bigint, window: Range): never {
    const gap = largest(this.#free.map((r) => intersect(r, window)).filter((r) => !isEmpty(r)));
    const found =
      gap === undefined
        ? "no memory is free there"
        : `the largest free range there is ${humanSize(rangeSize(gap))} at ${showRange(gap)}`;
    return fail({
      code: "plan.no-room",
      message: `Could not find a free area of memory of ${hex(size)} bytes...\nlocate_hole failed`,
      hint:
        `Cannot place the ${placement.role}: ${humanSize(size)} (${hex(size)} bytes, aligned to ` +
        `${hex(alignment)}) must lie within ${showRange(window)}, but ${found}.`,
    });
  }
}

/** The highest or lowest aligned start in `gap`, or undefined where `size` does not fit. */
function startWithin(
  gap: Range,
  size: bigint,
  alignment: bigint,
  from: Placement["from"],
): bigint | undefined {
  const lowest = alignUp(gap.start, alignment);
  if (gap.end < size) return undefined;
  const highest = alignDown(gap.end - size, alignment);
  if (highest < lowest) return undefined;
  return from === "top" ? highest : lowest;
}
