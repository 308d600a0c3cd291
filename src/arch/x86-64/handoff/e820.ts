/**
 * The memory map in the form of the x86 boot protocol: E820 entries, the first 128 in the zero
 * page, the rest in a setup_data node. The caller chooses the ranges. [zero-page] e820_table
 */

import { ADDRESS_END } from "../../../core/address.ts";
import { fail } from "../../../core/error.ts";
import { isEmpty, rangeSize, showRange } from "../../../core/range.ts";
import {
  E820_TYPE_ACPI,
  E820_TYPE_NVS,
  E820_TYPE_PMEM,
  E820_TYPE_PRAM,
  E820_TYPE_RAM,
  E820_TYPE_RESERVED,
  E820_TYPE_SOFT_RESERVED,
  E820_TYPE_UNUSABLE,
  E820Entry,
} from "../../../facts/e820-entry.ts";
import type { MemoryRange, MemoryType } from "../../../model/memory.ts";
import { SETUP_E820_EXT, type SetupDataNode } from "./setup-data.ts";

/** Entries that the zero page has room for. */
export const E820_MAX_ENTRIES_ZEROPAGE = 128;

/** E820 has no type for uncached memory; it becomes reserved, so that Linux does not use it as
 * RAM. */
const TYPES: Readonly<Record<MemoryType, number>> = {
  ram: E820_TYPE_RAM,
  reserved: E820_TYPE_RESERVED,
  unusable: E820_TYPE_UNUSABLE,
  "soft-reserved": E820_TYPE_SOFT_RESERVED,
  acpi: E820_TYPE_ACPI,
  "acpi-nvs": E820_TYPE_NVS,
  uncached: E820_TYPE_RESERVED,
  pmem: E820_TYPE_PMEM,
  pram: E820_TYPE_PRAM,
};

export interface E820Map {
  /** At most 128, for `e820_table`. */
  readonly table: readonly E820Entry[];
  /** The entries after the 128th; null if there are none. */
  readonly extended: SetupDataNode | null;
}

/**
 * The entries for `ranges`, in their order; empty ranges are left out.
 *
 * Entries after the 128th go into a SETUP_E820_EXT node, as in kexec-tools. Linux's own loader
 * drops them: the next kernel then lacks that RAM, or takes a reserved range for free address
 * space.
 *
 * @throws KexecError `plan.memory-map` for a range whose start or size an entry cannot hold
 */
export function buildE820(ranges: readonly MemoryRange[]): E820Map {
  const entries = ranges.filter((r) => !isEmpty(r)).map(entryOf);
  const rest = entries.slice(E820_MAX_ENTRIES_ZEROPAGE);
  return {
    table: entries.slice(0, E820_MAX_ENTRIES_ZEROPAGE),
    extended: rest.length > 0 ? { type: SETUP_E820_EXT, data: packE820(rest) } : null,
  };
}

/** The entries as bytes, 20 each, without gaps. */
export function packE820(entries: readonly E820Entry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * E820Entry.size);
  for (const [index, entry] of entries.entries()) {
    E820Entry.write(bytes, entry, index * E820Entry.size);
  }
  return bytes;
}

function entryOf(range: MemoryRange): E820Entry {
  const size = rangeSize(range);
  if (range.start < 0n || range.end > ADDRESS_END || size === ADDRESS_END) {
    fail({
      code: "plan.memory-map",
      message:
        `The memory range ${showRange(range)} cannot be passed to the next kernel: an E820 entry ` +
        "cannot hold its start or its size",
    });
  }
  return { addr: range.start, size, type: TYPES[range.type] };
}
