/**
 * An entry of an x86 memory map, as the firmware, the boot protocol and Xen use it.
 *
 * [linux arch/x86/include/uapi/asm/bootparam.h struct boot_e820_entry]
 * [linux arch/x86/include/asm/e820/types.h]
 */

import { defineStruct, type StructValue, u32, u64 } from "../core/struct.ts";

/** Types of entries. */
export const E820_TYPE_RAM = 1;
export const E820_TYPE_RESERVED = 2;
export const E820_TYPE_ACPI = 3;
export const E820_TYPE_NVS = 4;
export const E820_TYPE_UNUSABLE = 5;
export const E820_TYPE_PMEM = 7;
export const E820_TYPE_PRAM = 12;
export const E820_TYPE_SOFT_RESERVED = 0xefffffff;

/** Packed: 20 bytes, and the next entry follows without a gap. */
export const E820Entry = defineStruct("boot_e820_entry", 20, {
  addr: u64(0),
  size: u64(8),
  type: u32(16),
});
export type E820Entry = StructValue<typeof E820Entry.fields>;
