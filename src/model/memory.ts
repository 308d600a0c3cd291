/** What physical memory is used for, as the firmware or the hypervisor says. */

import type { Range } from "../core/range.ts";

/** The kinds that kexec-tools knows, and two that it takes for reserved: "unusable" is damaged
 * memory, "soft-reserved" memory of a special purpose, which a driver may hand out as RAM. An
 * unknown one is "reserved". */
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
