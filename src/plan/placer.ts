/**
 * Finds memory for each piece. The placer owns the free memory of one plan: it hands out ranges
 * that are inside usable RAM, aligned, within the piece's own limits, and disjoint from all before.
 *
 * It has two rules, as in kexec-tools: the highest place that fits (from the top), so that pieces
 * stay out of the way of the next kernel's early allocations, or the lowest (from the bottom). An
 * unpacked kernel gets a random place, as it would take itself (KASLR).
 *
 * Where the host reports which memory guests own (`SegmentRules.guestOwned`), pieces go there. A
 * piece that does not fit there gets the lowest place that fits: that memory may be free memory of
 * Xen, whose allocator takes the highest first.
 */

import { ADDRESS_END, alignDown, alignUp, hex, humanSize, isPowerOfTwo } from "../core/address.ts";
import { NoRoom } from "../core/no-room.ts";
import {
  common,
  intersect,
  isEmpty,
  largest,
  normalize,
  overlapping,
  type Range,
  rangeSize,
  showRange,
  without,
} from "../core/range.ts";
import type { FixedPiece, Piece, Placement } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";

/** Memory below it has data of the firmware: a piece that fits elsewhere does not go there. */
const ONE_MIB = 1n << 20n;

/** Whole pages of a canonical set. */
function wholePages(ranges: readonly Range[], pageSize: bigint): Range[] {
  return ranges
    .map((r) => ({ start: alignUp(r.start, pageSize), end: alignDown(r.end, pageSize) }))
    .filter((r) => !isEmpty(r));
}

/** A bound of memory, and what sets it: `--mem-max=0xffffff`. */
export interface Bound {
  readonly at: bigint;
  readonly from: string;
}

/** The lowest starts, and one past the highest ends. */
export interface Bounds {
  readonly min: readonly Bound[];
  readonly max: readonly Bound[];
}

const NO_BOUNDS: Bounds = { min: [], max: [] };

export class Placer {
  readonly #pageSize: bigint;
  readonly #notes: string[] = [];
  readonly #remark: string;
  readonly #bounds: Bounds;
  #free: readonly Range[];
  /** The part of `#free` that is guest-owned; null: the placer prefers no memory. */
  #best: readonly Range[] | null;

  /**
   * @param usable memory that segments may go to; only its whole pages are used
   * @param pageSize in bytes, a power of two
   * @param guestOwned memory that is better than the rest of `usable`; null: none is
   * @param remark a sentence for the error of a piece that does not fit; may be empty
   * @param bounds the reasons for the bounds of `usable`
   */
  constructor(
    usable: readonly Range[],
    pageSize: bigint,
    guestOwned: readonly Range[] | null = null,
    remark = "",
    bounds: Bounds = NO_BOUNDS,
  ) {
    this.#bounds = bounds;
    this.#pageSize = pageSize;
    this.#remark = remark;
    this.#free = wholePages(normalize(usable), pageSize);
    this.#best =
      guestOwned === null ? null : common(this.#free, wholePages(normalize(guestOwned), pageSize));
  }

  /** Whether the pieces lie in guest-owned memory, where the placer prefers such: one sentence for
   * each piece that does not, or one for all pieces. */
  get notes(): readonly string[] {
    if (this.#best === null || this.#notes.length > 0) return this.#notes;
    return ["all segments lie in memory that the hypervisor does not allocate during the load"];
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
    const start = this.#take(placement);
    return start instanceof NoRoom ? start.throw() : start;
  }

  /** Takes memory for a piece and makes its segment. @throws KexecError `plan.no-room` */
  put(piece: Piece): Segment {
    const segment = this.tryPut(piece);
    return segment instanceof NoRoom ? segment.throw() : segment;
  }

  /** As `put`, but where no memory fits it takes none and returns `NoRoom`. */
  tryPut({ role, bytes, reason, ...where }: Piece): Segment | NoRoom {
    if (typeof bytes === "function" && where.size === undefined) {
      throw new RangeError(`the ${role} does not say how many bytes it will have`);
    }
    const length = typeof bytes === "function" ? 0 : bytes.length;
    const { size = BigInt(length), alignment = 1n, min = 0n, max = ADDRESS_END } = where;
    const { from = "top", guestOwnedOnly = false, minFrom, maxFrom } = where;
    const limits = { alignment, min, minFrom, max, maxFrom, from, guestOwnedOnly };
    const start = this.#take({ role, size, ...limits });
    if (start instanceof NoRoom) return start;
    return {
      role,
      start,
      size: alignUp(size, this.#pageSize),
      bytes: typeof bytes === "function" ? bytes(start) : bytes,
      digest: null,
      reason: typeof reason === "function" ? reason(start) : reason,
    };
  }

  /** Takes the memory that the pieces name, and makes their segments. Where some of it is not free,
   * it takes none and returns `NoRoom` for the first piece that does not fit. */
  tryPutFixed(pieces: readonly FixedPiece[]): Segment[] | NoRoom {
    const [free, best, notes] = [this.#free, this.#best, this.#notes.length];
    for (const { role, start: min, size, guestOwnedOnly = false } of pieces) {
      const only = { minFrom: "its only place", maxFrom: "its only place" } as const;
      const limits = { alignment: 1n, min, max: min + size, from: "top", guestOwnedOnly } as const;
      const start = this.#take({ role, size, ...limits, ...only });
      if (!(start instanceof NoRoom)) continue;
      [this.#free, this.#best] = [free, best];
      this.#notes.length = notes;
      return start;
    }
    return pieces.map(({ role, start, size, bytes, reason }) => ({
      ...{ role, start, size, reason },
      bytes: bytes(),
      digest: null,
    }));
  }

  #take(placement: Placement): bigint | NoRoom {
    if (!isPowerOfTwo(placement.alignment)) {
      throw new RangeError(`alignment ${placement.alignment} is not a power of two`);
    }
    const size = alignUp(placement.size, this.#pageSize);
    const alignment = placement.alignment > this.#pageSize ? placement.alignment : this.#pageSize;
    const window = { start: placement.min, end: placement.max };
    const start = this.#find(placement, size, alignment, window);
    if (start === undefined) return this.#noRoom(placement, size, alignment, window);
    const taken = { start, end: start + size };
    this.#free = without(this.#free, taken);
    if (this.#best !== null) this.#best = without(this.#best, taken);
    return start;
  }

  #find(
    { role, from, guestOwnedOnly }: Placement,
    size: bigint,
    alignment: bigint,
    window: Range,
  ): bigint | undefined {
    const among = (set: readonly Range[], end: Placement["from"]): bigint | undefined => {
      const gaps = overlapping(set, window);
      if (typeof end === "object") {
        const fits = gaps.flatMap((gap) => placesIn(intersect(gap, window), size, alignment));
        return placeAt(fits, alignment, end.random);
      }
      for (const gap of end === "top" ? gaps.toReversed() : gaps) {
        const [fits] = placesIn(intersect(gap, window), size, alignment);
        if (fits !== undefined) return end === "top" ? fits.highest : fits.lowest;
      }
      return undefined;
    };
    if (this.#best === null) return among(this.#free, from);
    const best = among(this.#best, from);
    if (best !== undefined || guestOwnedOnly) return best;
    const aboveOneMib = without(this.#free, { start: 0n, end: ONE_MIB });
    const lowest = among(aboveOneMib, "bottom") ?? among(this.#free, "bottom");
    if (lowest !== undefined) {
      this.#notes.push(
        `the ${role} lies at ${hex(lowest)}, the lowest that fits: no memory is known that the ` +
          "hypervisor will not allocate during the load",
      );
    }
    return lowest;
  }

  #noRoom(placement: Placement, size: bigint, alignment: bigint, window: Range): NoRoom {
    const { min, max } = this.#bounds;
    const lowest = strictest(window.start, placement.minFrom, min, (a, b) => a > b);
    const highest = strictest(window.end, placement.maxFrom, max, (a, b) => a < b);
    const bounds = { start: lowest.at, end: highest.at };
    const where = isEmpty(bounds)
      ? `must lie at or above ${hex(lowest.at)} and below ${hex(highest.at)}, which is nowhere`
      : `must lie within ${showRange(bounds)}, but ${this.#largestIn(bounds)}`;
    const set = [
      lowest.from === undefined ? "" : `Lower bound: ${lowest.from}.`,
      highest.from === undefined ? "" : `Upper bound: ${highest.from}.`,
    ];
    const hint = [
      `Cannot place the ${placement.role}: ${humanSize(size)} (${hex(size)} bytes, aligned to ` +
        `${hex(alignment)}) ${where}.`,
      set.filter((sentence) => sentence !== "").join(" "),
      this.#remark,
    ];
    return new NoRoom({
      code: "plan.no-room",
      message: `Could not find a free area of memory of ${hex(size)} bytes...\nlocate_hole failed`,
      hint: hint.filter((line) => line !== "").join("\n"),
    });
  }

  #largestIn(window: Range): string {
    const gap = largest(this.#free.map((r) => intersect(r, window)).filter((r) => !isEmpty(r)));
    return gap === undefined
      ? "no memory is free there"
      : `the largest free range there is ${humanSize(rangeSize(gap))} at ${showRange(gap)}`;
  }
}

interface SetBound {
  readonly at: bigint;
  /** undefined: nothing but the width of addresses. */
  readonly from: string | undefined;
}

/** The bound that leaves the least: the piece's own, or one of all pieces. */
function strictest(
  at: bigint,
  from: string | undefined,
  others: readonly Bound[],
  isStricter: (a: bigint, b: bigint) => boolean,
): SetBound {
  const own: SetBound = { at, from };
  return others.reduce((best, one) => (isStricter(one.at, best.at) ? one : best), own);
}

/** The starts that fit into a gap: from `lowest` to `highest`, all multiples of the alignment. */
interface Places {
  readonly lowest: bigint;
  readonly highest: bigint;
}

/** The aligned starts in `gap`, as one run; none where `size` does not fit. */
function placesIn(gap: Range, size: bigint, alignment: bigint): Places[] {
  const lowest = alignUp(gap.start, alignment);
  if (gap.end < size) return [];
  const highest = alignDown(gap.end - size, alignment);
  return highest < lowest ? [] : [{ lowest, highest }];
}

/** One of all starts, by a random number; undefined where there is none. */
function placeAt(places: readonly Places[], alignment: bigint, random: bigint): bigint | undefined {
  const counts = places.map(({ lowest, highest }) => (highest - lowest) / alignment + 1n);
  const total = counts.reduce((sum, count) => sum + count, 0n);
  let left = total === 0n ? 0n : random % total;
  for (const [i, { lowest }] of places.entries()) {
    const count = counts[i] ?? 0n;
    if (left < count) return lowest + left * alignment;
    left -= count;
  }
  return undefined;
}
