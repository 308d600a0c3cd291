/** Fixed addresses of the PC and of Linux that no kernel image states. They are physical unless the
 * comment says virtual. */

import { ADDRESS_END, GIB, KIB, MIB } from "../../core/address.ts";
import type { EntryMode } from "../../model/entry-state.ts";
import type { PurgatoryPlace } from "../../model/image-type.ts";

/** One past the highest physical address: page tables have 52 bits for it.
 * [linux arch/x86/include/asm/page_64_types.h __PHYSICAL_MASK_SHIFT] */
export const PHYSICAL_END = 1n << 52n;
/** The lowest address for segments. Firmware keeps data in the pages below.
 * [linux arch/x86/kernel/kexec-bzimage64.c MIN_BOOTPARAM_ADDR] */
export const LOWEST_ADDRESS = 0x3000n;
/** The highest end of RAM below 1 MiB: video memory and firmware follow. */
export const LOW_MEMORY_END = 640n * KIB;
/** One past the highest address that real mode reaches. */
export const REAL_MODE_END = MIB;
/** One past the highest address that 32-bit code reaches. */
export const PROTECTED_MODE_END = 4n * GIB;
/** The end of the memory that 32-bit Linux maps, unless its setup header has another limit.
 * [x86-boot] 0x22c initrd_addr_max */
export const LINUX_32_END = 0x3800_0000n;
/** The load address of a bzImage that is not relocatable.
 * [x86-boot] "Loading The Rest of The Kernel" */
export const FIXED_KERNEL = MIB;
/** The load address of a zImage's kernel. [x86-boot] "Loading The Rest of The Kernel" */
export const ZIMAGE_KERNEL = 64n * KIB;
/** The load address of the real-mode code of zImages, and of kernels before boot protocol 2.02. */
export const OLD_REAL_MODE_CODE = 0x90000n;
/** The virtual address that 64-bit Linux maps physical address 0 of its image to.
 * [linux arch/x86/include/asm/page_64_types.h __START_KERNEL_map] */
export const START_KERNEL_MAP = 0xffffffff80000000n;
/** The lowest virtual address of 32-bit Linux: CONFIG_VMSPLIT_1G's. */
export const LOWEST_PAGE_OFFSET_32 = 0x40000000n;

/** One past the highest address for code and data, by entry mode. For real mode this is the end of
 * RAM below the video memory. */
export const REACH: Readonly<Record<EntryMode, bigint>> = {
  64: ADDRESS_END,
  32: PROTECTED_MODE_END,
  16: LOW_MEMORY_END,
};

/** The reason for `LOWEST_ADDRESS`, for errors. */
export const LOWEST_ADDRESS_FROM = "firmware's data below 0x3000";

const REACH_NAMES: ReadonlyMap<bigint, string> = new Map([
  [PROTECTED_MODE_END, "4 GiB, the end of 32-bit addresses"],
  [LINUX_32_END, "896 MiB, which a 32-bit Linux maps"],
  [LOW_MEMORY_END, "640 KiB, where low memory ends"],
]);

/** The reason for the end of a window, for errors; undefined for the end of all memory. */
export const reachName = (end: bigint): string | undefined => REACH_NAMES.get(end);

/** Where the purgatory may lie for an image with entry mode `mode`: it is position-independent, but
 * still runs after it has switched to that mode. For real mode it is placed last, because such
 * images name fixed addresses in the same low memory. */
export function purgatoryPlace(mode: EntryMode): PurgatoryPlace {
  const window = { start: LOWEST_ADDRESS, end: REACH[mode] };
  const maxFrom = reachName(window.end);
  return { window, maxFrom, order: mode === 16 ? "last" : "first" };
}
