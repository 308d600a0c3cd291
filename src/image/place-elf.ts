/** Places an ELF image: at the addresses in its program headers, or elsewhere if it is movable. */

import { alignDown, alignUp, hex } from "../core/address.ts";
import { NoRoom } from "../core/no-room.ts";
import type { PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";
import { type ElfImage, elfPieces, pieceBytes } from "./elf-image.ts";
import { refuseFixed } from "./refuse-fixed.ts";

/** How an image may be moved: alignment in bytes, lowest address, one past the highest address. */
export interface ElfMove {
  readonly alignment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  /** What sets the two, for errors. */
  readonly minFrom?: string | undefined;
  readonly maxFrom?: string | undefined;
  readonly from: "top" | "bottom";
  /** "start": the image's first page lies at a multiple of `alignment`. "offset": the image keeps
   * its offset from such a multiple, on which code may depend that is linked for that address. */
  readonly aligned: "start" | "offset";
}

export interface PlacedElf {
  readonly segments: readonly Segment[];
  /** Physical. */
  readonly entry: bigint;
  /** Physical address of the image's first page. */
  readonly start: bigint;
}

export interface ElfPlacing {
  /** null: it runs only at the addresses in its program headers. */
  readonly move: ElfMove | null;
  /** Whether it is moved only if the memory at the addresses in its headers is not free. */
  readonly preferOwn: boolean;
  /** Whether the gaps between its segments belong to it. */
  readonly whole: boolean;
}

/** Places the image as one segment at another address. @param why it is moved, for the reason */
function takeMoved(context: PlanContext, elf: ElfImage, move: ElfMove, why: string): PlacedElf {
  const page = BigInt(context.facts.pageSize);
  const alignment = move.alignment > page ? move.alignment : page;
  const [piece] = elfPieces(elf, page, true);
  if (piece === undefined) throw new RangeError("an ELF image without a piece");
  const base = move.aligned === "start" ? piece.start : alignDown(piece.start, alignment);
  const size = alignUp(piece.size + (piece.start - base), page);
  const { min, max, minFrom, maxFrom, from } = move;
  const which = from === "top" ? "highest" : "lowest";
  const segment = context.put({
    ...{ role: "kernel", size, alignment, min, minFrom, max, maxFrom, from },
    bytes: () => pieceBytes({ ...piece, start: base }),
    reason: `the ${which} free multiple of ${hex(alignment)}: ${why}`,
  });
  const moved = segment.start - base;
  return { segments: [segment], entry: elf.entry + moved, start: piece.start + moved };
}

/**
 * Takes memory for `elf` and makes its segments.
 * @throws KexecError `plan.not-ram` where it cannot be moved and its memory is not free,
 *   `plan.no-room` where it can be moved and does not fit anywhere
 */
export function placeElf(context: PlanContext, elf: ElfImage, placing: ElfPlacing): PlacedElf {
  const { move, preferOwn, whole } = placing;
  if (move !== null && !preferOwn) return takeMoved(context, elf, move, "the image is relocatable");
  const pieces = elfPieces(elf, BigInt(context.facts.pageSize), whole);
  const fixed = pieces.map((piece) => ({
    ...({ role: "kernel", start: piece.start, size: piece.size } as const),
    bytes: () => pieceBytes(piece),
    reason: "the physical address in its program headers",
    // An image that can be moved does not need memory that the host may allocate during the load.
    guestOwnedOnly: move !== null,
  }));
  const segments = context.tryPutFixed(fixed);
  if (!(segments instanceof NoRoom)) {
    return { segments, entry: elf.entry, start: segments[0]?.start ?? 0n };
  }
  if (move === null) return refuseFixed(pieces, "its ELF headers say", segments);
  const { guestOwned } = context.facts.segmentRules;
  const why =
    guestOwned === null ? "not free" : "not free, or the hypervisor may allocate some of it";
  return takeMoved(
    context,
    elf,
    move,
    `its own address, ${hex(pieces[0]?.start ?? 0n)}, is ${why}`,
  );
}
