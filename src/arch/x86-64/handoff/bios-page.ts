/**
 * The first page of memory with the structures that a BIOS leaves there. After EFI it has none, but
 * an image made for a BIOS uses them: Xen calls BIOS interrupts, reads the size of lower memory,
 * and finds ACPI's tables only through the extended BIOS data area (EBDA). This page has interrupt
 * vectors whose calls fail, and an EBDA with room for a copy of the root pointer. [acpi §5.2.5.1]
 * [xen xen/arch/x86/boot/head.S, trampoline.S; xen/drivers/acpi/tables/tbxfroot.c]
 */

import { Writer } from "../../../core/bytes.ts";
import type { Range } from "../../../core/range.ts";

export const BIOS_PAGE: Range = { start: 0n, end: 0x1000n };
/** The end of the interrupt vectors. Memory maps do not list the memory below as RAM. */
export const VECTORS_END = 0x400n;

const EBDA_SEGMENT_AT = 0x40e;
const LOWER_MEMORY_AT = 0x413;
const IGNORE_AT = 0x500;
const FAIL_AT = 0x510;
const EBDA_AT = 0x600;
const EBDA_KIB = 1;
/** The root pointer must lie at a multiple of 16; the first byte of the EBDA is its size in KiB. */
export const ROOT_POINTER_AT = EBDA_AT + 0x10;

/** iret */
const IGNORE = [0xcf];
/** push bp; mov bp, sp; or byte [bp + 6], 1: the carry flag that iret restores; pop bp; iret */
const FAIL = [0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xcf];
const VECTORS = 256;
/** Vectors that programs call: screen, disks, memory, keyboard. The others are exceptions of the
 * CPU and interrupts of devices: their handler must not change the flags of the interrupted
 * code. */
const isCall = (vector: number): boolean => vector >= 0x10 && vector < 0x20;

/**
 * The page, 4096 bytes, with room for the root pointer at `ROOT_POINTER_AT`.
 * @param lowerKib size of the contiguous RAM from address 0, in KiB, at most 1024
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
