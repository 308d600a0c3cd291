/**
 * Translates addresses by x86_64's page tables, of 4 or 5 levels, in a dump.
 * [linux arch/x86/include/asm/pgtable_types.h]
 */

import { Reader } from "../core/bytes.ts";

/** `length` bytes at a physical address, under Xen at a machine address; fewer where the dump has
 * fewer. */
export type ReadPhysical = (address: bigint, length: number) => Uint8Array;

/** The virtual address of the kernel image's mapping: the physical address of a symbol is its
 * virtual address less this, plus `phys_base`. [linux arch/x86/include/asm/page_64_types.h] */
export const START_KERNEL_MAP = 0xffffffff80000000n;
/** Bits of an entry that are an address. */
export const X86_FRAME_MASK = 0x000f_ffff_ffff_f000n;

const ENTRIES = 512n;
const LEVELS = [48n, 39n, 30n, 21n, 12n] as const;
const PRESENT = 1n;
const LARGE = 0x80n;

export interface X86PageTables {
  readonly read: ReadPhysical;
  /** The physical or machine address of the top-level table. */
  readonly top: bigint;
  readonly levels: 4 | 5;
  /** Bits of an entry that are an address, without the bit of memory encryption. */
  readonly frameMask: bigint;
}

/** The 8-byte number at `address`; null where it cannot be read. */
export function readEntry(read: ReadPhysical, address: bigint): bigint | null {
  const bytes = read(address, 8);
  return bytes.length < 8 ? null : new Reader(bytes, "page table").u64(0);
}

/** The physical address of a virtual one; null where it is not mapped, or a table cannot be
 * read. */
export function walkX86PageTables(tables: X86PageTables, address: bigint): bigint | null {
  const { read, frameMask } = tables;
  let table = tables.top;
  for (const shift of LEVELS.slice(-tables.levels)) {
    const entry = readEntry(read, table + ((address >> shift) % ENTRIES) * 8n);
    if (entry === null || (entry & PRESENT) === 0n) return null;
    const isLarge = shift < 39n && (entry & LARGE) !== 0n;
    if (shift === 12n || isLarge) {
      const size = 1n << shift;
      return (entry & frameMask & ~(size - 1n)) + (address % size);
    }
    table = entry & frameMask;
  }
  return null;
}
