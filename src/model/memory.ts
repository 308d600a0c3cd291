/** The types of physical memory in the firmware's or the hypervisor's memory map. */

import type { Range } from "../core/range.ts";

/** The types that kexec-tools knows; an unknown type is "reserved". */
export const MEMORY_TYPES = [
  "ram",
  "reserved",
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
