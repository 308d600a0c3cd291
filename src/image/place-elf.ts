/** Places an ELF image: at the addresses in its program headers, or elsewhere if it is movable. */

import { alignDown, alignUp, hex } from "../core/address.ts";
import { failImage } from "../core/error.ts";
import { NoRoom } from "../core/no-room.ts";
import type { PlanContext } from "../model/image-type.ts";
import type { Segment } from "../model/load-plan.ts";
import { type ElfImage, type ElfPiece, elfPieces, loadedParts, pieceBytes } from "./elf-image.ts";
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

/** @throws ImageError `plan.segment-count` for more parts than the host accepts segments */
function checkCount(context: PlanContext, parts: readonly ElfPiece[]): void {
  const { countMax } = context.facts.segmentRules;
  if (parts.length <= countMax) return;
  failImage({
    code: "plan.segment-count",
    message:
      `the image has ${parts.length} parts that lie apart in memory, ` +
      `and this host accepts at most ${countMax} segments`,
  });
}

const NO_BYTES = new Uint8Array(0);

/** The segments of `parts` in the memory of `segment`, `moved` by so many bytes. */
function segmentsOf(segment: Segment, parts: readonly ElfPiece[], moved: bigint): Segment[] {
  if (parts.length === 1) return [segment];
  return parts.map((part) => ({
    ...segment,
    ...{ start: part.start + moved, size: part.size, bytes: pieceBytes(part) },
  }));
}

/** Places the image at another address. @param why it is moved, for the reason */
function takeMoved(context: PlanContext, elf: ElfImage, move: ElfMove, why: string): PlacedElf {
  const page = BigInt(context.facts.pageSize);
  const alignment = move.alignment > page ? move.alignment : page;
  const [piece] = elfPieces(elf, page, true);
  if (piece === undefined) throw new RangeError("an ELF image without a piece");
  const base = move.aligned === "start" ? piece.start : alignDown(piece.start, alignment);
  const size = alignUp(piece.size + (piece.start - base), page);
  const whole = { ...piece, start: base };
  const parts = loadedParts(whole, page);
  checkCount(context, parts);
  const { min, max, minFrom, maxFrom, from } = move;
  const which = from === "top" ? "highest" : "lowest";
  const segment = context.put({
    ...{ role: "kernel", size, alignment, min, minFrom, max, maxFrom, from },
    bytes: () => (parts.length === 1 ? pieceBytes(whole) : NO_BYTES),
    reason: `the ${which} free multiple of ${hex(alignment)}: ${why}`,
  });
  const moved = segment.start - base;
  const segments = segmentsOf(segment, parts, moved);
  return { segments, entry: elf.entry + moved, start: piece.start + moved };
}

/**
 * Takes memory for `elf` and makes its segments.
 * @throws KexecError `plan.not-ram` where it cannot be moved and its memory is not free,
 *   `plan.no-room` where it can be moved and does not fit anywhere
 */
export function placeElf(context: PlanContext, elf: ElfImage, placing: ElfPlacing): PlacedElf {
  const { move, preferOwn, whole } = placing;
  if (move !== null && !preferOwn) return takeMoved(context, elf, move, "the image is relocatable");
  const page = BigInt(context.facts.pageSize);
  const pieces = elfPieces(elf, page, whole);
  const parts = pieces.map((piece) => loadedParts(piece, page));
  checkCount(context, parts.flat());
  const fixed = pieces.map((piece, i) => ({
    ...({ role: "kernel", start: piece.start, size: piece.size } as const),
    bytes: () => (parts[i]?.length === 1 ? pieceBytes(piece) : NO_BYTES),
    reason: "the physical address in its program headers",
    // An image that can be moved does not need memory that the host may allocate during the load.
    guestOwnedOnly: move !== null,
  }));
  const placed = context.tryPutFixed(fixed);
  if (!(placed instanceof NoRoom)) {
    const segments = placed.flatMap((segment, i) => segmentsOf(segment, parts[i] ?? [], 0n));
    return { segments, entry: elf.entry, start: placed[0]?.start ?? 0n };
  }
  if (move === null) return refuseFixed(pieces, "its ELF headers say", placed);
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
