/**
 * vmlinux: a Linux kernel as the linker wrote it, uncompressed and without a setup header: how to
 * recognise it among ELF files, and its boot params.
 */

import { ADDRESS_END, alignDown, MIB } from "../../../core/address.ts";
import { textOf } from "../../../core/bytes.ts";
import type { ElfBits, ElfImage } from "../../../image/elf-image.ts";
import type { ElfMove } from "../../../image/place-elf.ts";
import type { PlanContext } from "../../../model/image-type.ts";
import {
  BOOT_FLAG,
  HEADER_MAGIC,
  LOADED_HIGH,
  SETUP_HEADER_LIMIT,
  SetupHeader,
  XLF_CAN_BE_LOADED_ABOVE_4G,
  XLF_EFI_KEXEC,
  XLF_KERNEL_64,
} from "../handoff/setup-header.ts";
import {
  LINUX_32_END,
  LOWEST_PAGE_OFFSET_32,
  PROTECTED_MODE_END,
  reachName,
  START_KERNEL_MAP,
} from "../layout.ts";
import { placeBootParams } from "./linux-boot-params.ts";
import { placeInitrd } from "./place-initrd.ts";

const BANNER = "Linux version ";
/** In the kernel a release follows this banner; in other programs that contain it, "%s" does. */
const BANNER_AND_RELEASE = /^Linux version \d+\.\d+/;
/** COMMAND_LINE_SIZE of x86, its NUL included. [linux arch/x86/include/asm/setup.h] */
const COMMAND_LINE_SIZE = 2048;
/** Linux truncates a longer command line. */
export const LINUX_COMMAND_LINE = { max: COMMAND_LINE_SIZE - 1, who: "Linux", source: "" } as const;
/** 64-bit Linux adjusts its page tables to its address, which must be a multiple of the pages with
 * which it maps itself. [linux arch/x86/kernel/head64.c __startup_64] */
const STEP = 2n * MIB;
/** The size of the setup header of boot protocol 2.15. [linux setup_header] */
const VERSION = 0x020f;
const HEADER_LENGTH = SetupHeader.size - 0x202;

function isKernelMapped({ bits, loads }: ElfImage): boolean {
  return loads.some(({ virtual, physical }) =>
    bits === 64
      ? virtual - physical === START_KERNEL_MAP
      : virtual - physical >= LOWEST_PAGE_OFFSET_32 && (virtual - physical) % MIB === 0n,
  );
}

function hasBanner(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(BANNER); at >= 0; at = buffer.indexOf(BANNER, at + 1)) {
    if (BANNER_AND_RELEASE.test(textOf(bytes.subarray(at, at + 32)))) return true;
  }
  return false;
}

/** Whether an ELF file is a Linux kernel: it has Linux's virtual addresses and banner. */
export function isVmlinux(elf: ElfImage): boolean {
  return isKernelMapped(elf) && elf.loads.some(({ bytes }) => hasBanner(bytes));
}

/** How a vmlinux may be moved; null: not at all. It moves upwards only, as with Linux's own loader,
 * which never places a kernel below the address that it was linked for.
 * [linux boot/compressed/kaslr.c] */
export function vmlinuxMove({ bits, loads }: ElfImage): ElfMove | null {
  const min = alignDown(loads[0]?.physical ?? MIB, STEP);
  if (bits === 32) return null;
  const minFrom = "the address that the kernel was linked for";
  return { alignment: STEP, min, minFrom, max: ADDRESS_END, from: "bottom", aligned: "offset" };
}

/** The `xloadflags` that every 64-bit vmlinux supports. */
const xloadflagsOf = (bits: ElfBits): number =>
  bits === 64 ? XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G | XLF_EFI_KEXEC : 0;

/** A setup header with the capabilities that every such kernel has: a vmlinux has none. */
function setupHeaderFor(bits: ElfBits): Uint8Array {
  const image = new Uint8Array(SETUP_HEADER_LIMIT);
  SetupHeader.write(image, {
    boot_flag: BOOT_FLAG,
    jump: 0xeb | (HEADER_LENGTH << 8),
    header: HEADER_MAGIC,
    version: VERSION,
    loadflags: LOADED_HIGH,
    initrd_addr_max: 0x7fffffff,
    xloadflags: xloadflagsOf(bits),
    cmdline_size: COMMAND_LINE_SIZE - 1,
    relocatable_kernel: 0,
  });
  return image;
}

/** A 32-bit kernel reads its initrd through its direct mapping, which ends here. */
const initrdEnd = (bits: ElfBits): bigint => (bits === 64 ? ADDRESS_END : LINUX_32_END);

/** Puts initrd and boot params, and returns their segments and the boot params' address. */
export function placeLinuxHandoff(context: PlanContext, bits: ElfBits) {
  const initrd = placeInitrd(context, {
    ...{ max: initrdEnd(bits), why: "", maxFrom: reachName(initrdEnd(bits)) },
  });
  const { segment, commandLineEnd, notes } = placeBootParams(context, {
    image: setupHeaderFor(bits),
    header: { xloadflags: xloadflagsOf(bits) },
    initrd,
    max: bits === 64 ? ADDRESS_END : PROTECTED_MODE_END,
  });
  return {
    segments: [...(initrd === null ? [] : [initrd]), segment],
    bootParams: segment.start,
    commandLineEnd,
    notes,
  };
}
