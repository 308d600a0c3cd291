/** Takes memory for an ELF image: where its headers say, or elsewhere where it can be moved. */

import { alignDown, alignUp, hex } from "../core/address.ts";
import { NoRoom } from "../core/no-room.ts";
import type { PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";
import { type ElfImage, elfPieces, pieceBytes } from "./elf-image.ts";
import { refuseFixed } from "./refuse-fixed.ts";

/** How an image may be moved; in bytes and addresses, `max` being one past the highest. */
export interface ElfMove {
  readonly alignment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  /** What sets the two, for errors. */
  readonly minFrom?: string | undefined;
  readonly maxFrom?: string | undefined;
  readonly from: "top" | "bottom";
}

export interface PlacedElf {
  readonly segments: readonly Segment[];
  /** Physical. */
  readonly entry: bigint;
  /** Where the image's first page is. */
  readonly start: bigint;
}

export interface ElfPlacing {
  /** null: it runs only where its headers say. */
  readonly move: ElfMove | null;
  /** Whether it goes first where its headers say, and is moved only if that is not free. */
  readonly preferOwn: boolean;
  /** Whether what lies between its parts belongs to it. */
  readonly whole: boolean;
}

/** @param why it is not where its headers say */
function takeMoved(context: PlanContext, elf: ElfImage, move: ElfMove, why: string): PlacedElf {
  const page = BigInt(context.facts.pageSize);
  const alignment = move.alignment > page ? move.alignment : page;
  const [piece] = elfPieces(elf, page, true);
  if (piece === undefined) throw new RangeError("an ELF image without a piece");
  // What the image counts on is its distance from a multiple of the alignment.
  const base = alignDown(piece.start, alignment);
  const size = alignUp(piece.size + (piece.start - base), page);
  const { min, max, minFrom, maxFrom, from } = move;
  const which = from === "top" ? "highest" : "lowest";
  const segment = context.put({
    ...{ role: "kernel", size, alignment, min, minFrom, max, maxFrom, from },
    bytes: () => pieceBytes({ ...piece, start: base }),
    reason: `the ${which} free multiple of ${hex(alignment)}: ${why}`,
  });
  const { start } = segment;
  return { segments: [segment], entry: elf.entry - base + start, start };
}

/**
 * Segments for `elf`.
 * @throws KexecError `plan.not-ram` where it cannot be moved and its memory is not free,
 *   `plan.no-room` where it can, and there is none
 */
export function placeElf(context: PlanContext, elf: ElfImage, placing: ElfPlacing): PlacedElf {
  const { move, preferOwn, whole } = placing;
  if (move !== null && !preferOwn) return takeMoved(context, elf, move, "it can be moved");
  const pieces = elfPieces(elf, BigInt(context.facts.pageSize), whole);
  const fixed = pieces.map((piece) => ({
    ...({ role: "kernel", start: piece.start, size: piece.size } as const),
    bytes: () => pieceBytes(piece),
    reason: "where its headers say",
    // What can be moved need not take memory that the host may hand out.
    guestOwnedOnly: move !== null,
  }));
  const segments = context.tryPutFixed(fixed);
  if (!(segments instanceof NoRoom)) {
    return { segments, entry: elf.entry, start: segments[0]?.start ?? 0n };
  }
  if (move === null) return refuseFixed(pieces, "its ELF headers say", segments);
  const { guestOwned } = context.facts.segmentRules;
  const trouble =
    guestOwned === null ? "not free" : "not free, or the hypervisor may allocate some of it";
  return takeMoved(context, elf, move, `its own, ${hex(pieces[0]?.start ?? 0n)}, is ${trouble}`);
}
