/**
 * The first page of memory, as a BIOS leaves it. After EFI it has no meaning, but an image that is
 * entered as after a BIOS looks there: Xen calls interrupts, reads how much lower memory there is,
 * and knows no other way to ACPI's tables than to look in the extended BIOS data area. It is given
 * calls that fail, and an area with room for a copy of the root pointer. [acpi §5.2.5.1]
 * [xen xen/arch/x86/boot/head.S, trampoline.S; xen/drivers/acpi/tables/tbxfroot.c]
 */

import { Writer } from "../../../core/bytes.ts";
import type { Range } from "../../../core/range.ts";

export const BIOS_PAGE: Range = { start: 0n, end: 0x1000n };
/** Interrupt vectors lie below it, in memory that is nobody's. */
export const VECTORS_END = 0x400n;

const EBDA_SEGMENT_AT = 0x40e;
const LOWER_MEMORY_AT = 0x413;
const IGNORE_AT = 0x500;
const FAIL_AT = 0x510;
const EBDA_AT = 0x600;
const EBDA_KIB = 1;
/** Root pointers lie at multiples of 16; the first byte of the area is its size. */
export const ROOT_POINTER_AT = EBDA_AT + 0x10;

/** iret */
const IGNORE = [0xcf];
/** push bp; mov bp, sp; or byte [bp + 6], 1: the carry flag that iret restores; pop bp; iret */
const FAIL = [0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xcf];
const VECTORS = 256;
/** What programs call: screen, disks, memory, keyboard. All others are the processor's or devices',
 * and what they interrupt must find its flags as they were. */
const isCall = (vector: number): boolean => vector >= 0x10 && vector < 0x20;

/**
 * The page's bytes; at `ROOT_POINTER_AT` there is room.
 * @param lowerKib memory below 1 MiB, without a gap
 */
export function biosPage(lowerKib: number): Uint8Array {
  const bytes = new Uint8Array(Number(BIOS_PAGE.end));
  const writer = new Writer(bytes);
  for (let vector = 0; vector < VECTORS; vector += 1) {
    writer.u16(vector * 4, isCall(vector) ? FAIL_AT : IGNORE_AT);
  }
  bytes.set(IGNORE, IGNORE_AT);
  bytes.set(FAIL, FAIL_AT);
  writer.u16(LOWER_MEMORY_AT, lowerKib);
  writer.u16(EBDA_SEGMENT_AT, EBDA_AT >> 4);
  writer.u8(EBDA_AT, EBDA_KIB);
  return bytes;
}
