/**
 * Xen's table from machine frames to guests' frames: which memory belongs to a guest.
 *
 * Why it matters: while Xen takes an image it puts the bytes into free pages of its own and copies
 * them to their destinations when the image is started. If such a free page is itself the
 * destination of bytes that were taken before, Xen means to swap the two, and instead notes machine
 * page 0 as their source: the new kernel gets garbage, and unloading such an image frees a page
 * that was never allocated. It cannot happen where every destination is in use by a guest.
 * [xen xen/common/kimage.c kimage_alloc_page]
 */

import type { Range } from "../../core/range.ts";

const PAGE_SIZE = 4096n;
/** Bytes of one entry, an unsigned long. */
export const MACHPHYS_ENTRY_SIZE = 8;
/** INVALID_M2P_ENTRY and SHARED_M2P_ENTRY have their highest bit set, as no frame's number has.
 * [xen xen/arch/x86/include/asm/mm.h VALID_M2P] */
const INVALID_IN_UPPER_HALF = 0x80000000;

/**
 * Runs of frames that belong to guests, of at least `pagesMin` pages each, sorted.
 *
 * @param table entries of the table, 8 bytes each, aligned to 8
 * @param firstFrame the machine frame of its first entry
 */
export function guestMemory(table: Uint8Array, firstFrame: bigint, pagesMin: number): Range[] {
  const words = new Uint32Array(
    table.buffer,
    table.byteOffset,
    Math.floor(table.byteLength / MACHPHYS_ENTRY_SIZE) * 2,
  );
  const frames = words.length / 2;
  const address = (frame: number): bigint => (firstFrame + BigInt(frame)) * PAGE_SIZE;
  const runs: Range[] = [];
  let begin = -1;
  for (let frame = 0; frame <= frames; frame += 1) {
    // Little endian: the upper half follows the lower one.
    const owned = frame < frames && (words[2 * frame + 1] ?? 0) < INVALID_IN_UPPER_HALF;
    if (owned && begin < 0) begin = frame;
    if (owned || begin < 0) continue;
    if (frame - begin >= pagesMin) runs.push({ start: address(begin), end: address(frame) });
    begin = -1;
  }
  return runs;
}
