/** The machine's memory map as Xen has it from the firmware. Pure. */

import { Reader } from "../core/bytes.ts";
import type { MemoryRange, MemoryType } from "../model/memory.ts";
import { fixMemoryRanges } from "./firmware-memmap.ts";

/** struct e820entry, packed. */
const ENTRY_SIZE = 20;

/** [linux arch/x86/include/asm/e820/types.h]; what is not here is not to be touched. */
const TYPES: ReadonlyMap<number, MemoryType> = new Map([
  [1, "ram"],
  [3, "acpi"],
  [4, "acpi-nvs"],
  [7, "pmem"],
  [12, "pram"],
]);

/**
 * The ranges, sorted by start.
 * @param entries 20 bytes each: u64 address, u64 size, u32 type; what is left over is ignored
 */
export function xenMemoryMap(entries: Uint8Array): MemoryRange[] {
  const reader = new Reader(entries, "the machine memory map");
  const ranges: MemoryRange[] = [];
  for (let at = 0; at + ENTRY_SIZE <= entries.length; at += ENTRY_SIZE) {
    const start = reader.u64(at);
    const size = reader.u64(at + 8);
    const end = start + size > 1n << 64n ? 1n << 64n : start + size;
    const type = TYPES.get(reader.u32(at + 16)) ?? "reserved";
    if (size > 0n) ranges.push({ start, end, type });
  }
  ranges.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  return fixMemoryRanges(ranges);
}
