/**
 * Finds the memory that belongs to guests, in Xen's table from machine frames to guest frames.
 *
 * Why it matters: during a load, Xen copies each page of the image into a page that it allocates,
 * and copies that to its destination when the image starts. If an allocated page is itself the
 * destination of a page loaded before, Xen should swap the two, but it records machine page 0 as
 * the source: the next kernel is corrupt, and an unload frees a page that Xen never allocated. This
 * cannot happen if guests own all destinations, because Xen does not allocate those.
 * [xen xen/common/kimage.c kimage_alloc_page]
 */

import type { Range } from "../../core/range.ts";

const PAGE_SIZE = 4096n;
/** Size in bytes of one entry, an unsigned long. */
export const MACHPHYS_ENTRY_SIZE = 8;
/** The upper half of an entry is at least this in INVALID_M2P_ENTRY and SHARED_M2P_ENTRY: both have
 * the highest bit set, which no frame number has.
 * [xen xen/arch/x86/include/asm/mm.h VALID_M2P] */
const INVALID_IN_UPPER_HALF = 0x80000000;

/**
 * The ranges of machine memory that belong to guests and have at least `pagesMin` pages, sorted.
 *
 * @param table entries of the table, 8 bytes each, at an address that is a multiple of 8
 * @param firstFrame the machine frame number of the first entry
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
