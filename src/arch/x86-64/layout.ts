/** Addresses of x86 that no file of a kernel says. Physical, unless they are named virtual. */

import { ADDRESS_END, GIB, KIB, MIB } from "../../core/address.ts";
import type { EntryMode } from "../../model/entry-state.ts";
import type { PurgatoryPlace } from "../../model/image-type.ts";

/** Page tables have 52 bits for physical addresses.
 * [linux arch/x86/include/asm/page_64_types.h __PHYSICAL_MASK_SHIFT] */
export const PHYSICAL_END = 1n << 52n;
/** Firmware keeps data in the pages below, and nothing of ours goes there.
 * [linux arch/x86/kernel/kexec-bzimage64.c MIN_BOOTPARAM_ADDR] */
export const LOWEST_ADDRESS = 0x3000n;
/** RAM below 1 MiB ends here at the latest: the screen and the firmware follow. */
export const LOW_MEMORY_END = 640n * KIB;
/** What real mode reaches. */
export const REAL_MODE_END = MIB;
/** What 32-bit code reaches. */
export const PROTECTED_MODE_END = 4n * GIB;
/** What a 32-bit Linux maps of memory, unless its headers say otherwise.
 * [x86-boot] 0x22c initrd_addr_max */
export const LINUX_32_END = 0x3800_0000n;
/** A kernel that cannot be moved, and is no zImage, runs here.
 * [x86-boot] "Loading The Rest of The Kernel" */
export const FIXED_KERNEL = MIB;
export const ZIMAGE_KERNEL = 64n * KIB;
/** The highest place of real-mode code of kernels before boot protocol 2.02, and of zImages. */
export const OLD_REAL_MODE_CODE = 0x90000n;
/** The virtual address that 64-bit Linux maps physical address 0 of its image to.
 * [linux arch/x86/include/asm/page_64_types.h __START_KERNEL_map] */
export const START_KERNEL_MAP = 0xffffffff80000000n;
/** The lowest virtual address of 32-bit Linux: CONFIG_VMSPLIT_1G's. */
export const LOWEST_PAGE_OFFSET_32 = 0x40000000n;

/** One past the highest address of code and data, by how the image is entered. In real mode that is
 * RAM, which ends below the screen. */
export const REACH: Readonly<Record<EntryMode, bigint>> = {
  64: ADDRESS_END,
  32: PROTECTED_MODE_END,
  16: LOW_MEMORY_END,
};

/** The purgatory is position-independent, but must be reached in the mode that it leaves in. In
 * real mode images name addresses of their own in the little memory there, which come first. */
export function purgatoryPlace(mode: EntryMode): PurgatoryPlace {
  const window = { start: LOWEST_ADDRESS, end: REACH[mode] };
  return { window, order: mode === 16 ? "last" : "first" };
}
