/** What physical memory is used for, as the firmware or the hypervisor says. */

import type { Range } from "../core/range.ts";

/** The kinds that kexec-tools knows; an unknown one is "reserved". */
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
