/** The types of physical memory in the firmware's or the hypervisor's memory map. */

import type { Range } from "../core/range.ts";

/** The types that kexec-tools knows, and two that it treats as reserved: "unusable" is damaged
 * memory, "soft-reserved" memory for a special purpose, which a driver may release as RAM. An
 * unknown type is "reserved". */
export const MEMORY_TYPES = [
  "ram",
  "reserved",
  "unusable",
  "soft-reserved",
  "acpi",
  "acpi-nvs",
  "uncached",
  "pram",
  "pmem",
] as const;

export type MemoryType = (typeof MEMORY_TYPES)[number];

export interface MemoryRange extends Range {
  readonly type: MemoryType;
}
