/** Parses the machine's memory map, which Xen has from the firmware. Pure. */

import { ADDRESS_END } from "../../core/address.ts";
import { byStart } from "../../core/range.ts";
import {
  E820_TYPE_ACPI,
  E820_TYPE_NVS,
  E820_TYPE_PMEM,
  E820_TYPE_PRAM,
  E820_TYPE_RAM,
  E820_TYPE_SOFT_RESERVED,
  E820_TYPE_UNUSABLE,
  E820Entry,
} from "../../facts/e820-entry.ts";
import { fixMemoryRanges } from "../../facts/firmware-memmap.ts";
import type { MemoryRange, MemoryType } from "../../model/memory.ts";

/** All other types count as reserved. */
const TYPES: ReadonlyMap<number, MemoryType> = new Map([
  [E820_TYPE_RAM, "ram"],
  [E820_TYPE_ACPI, "acpi"],
  [E820_TYPE_NVS, "acpi-nvs"],
  [E820_TYPE_UNUSABLE, "unusable"],
  [E820_TYPE_SOFT_RESERVED, "soft-reserved"],
  [E820_TYPE_PMEM, "pmem"],
  [E820_TYPE_PRAM, "pram"],
]);

/**
 * The ranges, sorted by start, without overlaps.
 * @param entries an array of `E820Entry`; an incomplete last entry is ignored
 */
export function xenMemoryMap(entries: Uint8Array): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (let at = 0; at + E820Entry.size <= entries.length; at += E820Entry.size) {
    const { addr: start, size, type } = E820Entry.read(entries, at);
    const end = start + size > ADDRESS_END ? ADDRESS_END : start + size;
    if (size > 0n) ranges.push({ start, end, type: TYPES.get(type) ?? "reserved" });
  }
  ranges.sort(byStart);
  return fixMemoryRanges(ranges);
}
