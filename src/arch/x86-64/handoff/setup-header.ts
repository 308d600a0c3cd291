/**
 * The setup header of an x86 Linux kernel image: the fields that a boot loader reads, fills in, and
 * copies into the zero page.
 *
 * Offsets count from the start of the image, and equally from the start of the zero page. The image
 * types decide whether an image can be booted.
 *
 * [linux Documentation/arch/x86/boot.rst "The Real-Mode Kernel Header"]
 * [linux arch/x86/include/uapi/asm/bootparam.h struct setup_header]
 */

import { hex } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { failImage } from "../../../core/error.ts";
import { defineStruct, type StructValue, u8, u16, u32, u64 } from "../../../core/struct.ts";

/** `boot_flag`. */
export const BOOT_FLAG = 0xaa55;
/** `header`: "HdrS" read as a little-endian number. */
export const HEADER_MAGIC = 0x53726448;

/** Bits of `loadflags`. */
export const LOADED_HIGH = 1 << 0;
export const KASLR_FLAG = 1 << 1;
export const QUIET_FLAG = 1 << 5;
export const KEEP_SEGMENTS = 1 << 6;
export const CAN_USE_HEAP = 1 << 7;

/** Bits of `xloadflags`. */
export const XLF_KERNEL_64 = 1 << 0;
export const XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1;
export const XLF_EFI_HANDOVER_32 = 1 << 2;
export const XLF_EFI_HANDOVER_64 = 1 << 3;
export const XLF_EFI_KEXEC = 1 << 4;
export const XLF_5LEVEL = 1 << 5;
export const XLF_5LEVEL_ENABLED = 1 << 6;
export const XLF_MEM_ENCRYPTION = 1 << 7;

/** Offset of the first field, where the copy begins. */
export const SETUP_HEADER_START = 0x1f1;
/** Offset of `edd_mbr_sig_buffer`, which follows the room for the header in boot_params. */
export const SETUP_HEADER_LIMIT = 0x290;
/** Offset of the header's length in bytes, which counts from 0x202. */
const LENGTH_AT = 0x201;
const LENGTH_FROM = 0x202;
/** The end of `cmd_line_ptr`: boot params need a header of at least this length. */
const SHORTEST_END = 0x22c;

/** "2.xx" is the first version of the boot protocol that has the field; fields without it are in
 * every version. */
export const SetupHeader = defineStruct("setup_header", 0x26c, {
  /** Size of the real-mode code in 512-byte sectors, less one; 0 means 4. */
  setup_sects: u8(0x1f1),
  root_flags: u16(0x1f2),
  /** Size of the 32-bit code in 16-byte units; 4 bytes since 2.04. */
  syssize: u32(0x1f4),
  ram_size: u16(0x1f8),
  vid_mode: u16(0x1fa),
  root_dev: u16(0x1fc),
  boot_flag: u16(0x1fe),
  /** 2.00: a short jump over the header, whose second byte is the header's length from 0x202. */
  jump: u16(0x200),
  /** 2.00 */
  header: u32(0x202),
  /** 2.00: 0x020c means 2.12. */
  version: u16(0x206),
  /** 2.00 */
  realmode_swtch: u32(0x208),
  /** 2.00 */
  start_sys_seg: u16(0x20c),
  /** 2.00: offset of the kernel's version string, less 0x200; 0: none. */
  kernel_version: u16(0x20e),
  /** 2.00: written by the boot loader. */
  type_of_loader: u8(0x210),
  /** 2.00: the image sets LOADED_HIGH, the boot loader the other bits. */
  loadflags: u8(0x211),
  /** 2.00 */
  setup_move_size: u16(0x212),
  /** 2.00 */
  code32_start: u32(0x214),
  /** 2.00: low half of the address; `ext_ramdisk_image` of the zero page is the high one. */
  ramdisk_image: u32(0x218),
  /** 2.00 */
  ramdisk_size: u32(0x21c),
  /** 2.00 */
  bootsect_kludge: u32(0x220),
  /** 2.01 */
  heap_end_ptr: u16(0x224),
  /** 2.02 */
  ext_loader_ver: u8(0x226),
  /** 2.02 */
  ext_loader_type: u8(0x227),
  /** 2.02: low half of the address; `ext_cmd_line_ptr` of the zero page is the high one. */
  cmd_line_ptr: u32(0x228),
  /** 2.03: highest address (inclusive) of an initrd below 4 GiB. */
  initrd_addr_max: u32(0x22c),
  /** 2.05 */
  kernel_alignment: u32(0x230),
  /** 2.05 */
  relocatable_kernel: u8(0x234),
  /** 2.10: a power of two. */
  min_alignment: u8(0x235),
  /** 2.12 */
  xloadflags: u16(0x236),
  /** 2.06: longest command line, without its NUL. */
  cmdline_size: u32(0x238),
  /** 2.07 */
  hardware_subarch: u32(0x23c),
  /** 2.07 */
  hardware_subarch_data: u64(0x240),
  /** 2.08: from the start of the 32-bit code. */
  payload_offset: u32(0x248),
  /** 2.08 */
  payload_length: u32(0x24c),
  /** 2.09: physical address of the first setup_data node; 0: none. */
  setup_data: u64(0x250),
  /** 2.10 */
  pref_address: u64(0x258),
  /** 2.10: bytes from the kernel's start that it uses before it reads the memory map. */
  init_size: u32(0x260),
  /** 2.11 */
  handover_offset: u32(0x264),
  /** 2.15: from the start of the 32-bit code. */
  kernel_info_offset: u32(0x268),
});
export type SetupHeader = StructValue<typeof SetupHeader.fields>;

/** A boot protocol version as text: 0x020c is `2.12`. */
export function showVersion(version: number): string {
  return `${version >> 8}.${String(version & 0xff).padStart(2, "0")}`;
}

/**
 * The bytes of `image` that a boot loader copies to offset 0x1f1 of the zero page.
 *
 * The length byte at 0x201 gives their end, but they end at 0x290 at most, where boot_params has
 * other fields. kexec-tools copies 0x7f bytes at most, and would cut off fields that a later
 * protocol adds before 0x290. Linux's own loader has no limit: with a length of 0xff it would
 * overwrite the memory map.
 *
 * @throws KexecError `struct.truncated` for an image that is cut short, `image.setup-header` for
 *   one without a setup header or with one of protocol 2.01 or older
 */
export function setupHeaderBytes(image: Uint8Array): Uint8Array {
  const reader = new Reader(image, "Linux setup header");
  const bootFlag = reader.u16(SetupHeader.fields.boot_flag.offset);
  const magic = reader.u32(SetupHeader.fields.header.offset);
  if (bootFlag !== BOOT_FLAG || magic !== HEADER_MAGIC) {
    failImage({
      code: "image.setup-header",
      message:
        `The image has no Linux setup header: ${hex(bootFlag)} at 0x1fe and ${hex(magic)} at ` +
        `0x202 were found, ${hex(BOOT_FLAG)} and ${hex(HEADER_MAGIC)} ("HdrS") are needed`,
    });
  }
  const end = LENGTH_FROM + reader.u8(LENGTH_AT);
  if (end < SHORTEST_END) {
    failImage({
      code: "image.setup-header",
      message:
        `The image's Linux setup header ends at ${hex(end)}; it must reach ${hex(SHORTEST_END)} ` +
        "(boot protocol 2.02) to pass the kernel a command line",
    });
  }
  const limit = Math.min(end, SETUP_HEADER_LIMIT);
  return reader.slice(SETUP_HEADER_START, limit - SETUP_HEADER_START);
}

/**
 * The image's setup header. Fields after the end of a short header are 0; the image has code there.
 * @throws KexecError as `setupHeaderBytes`
 */
export function readSetupHeader(image: Uint8Array): SetupHeader {
  const page = new Uint8Array(SETUP_HEADER_LIMIT);
  page.set(setupHeaderBytes(image), SETUP_HEADER_START);
  return SetupHeader.read(page);
}
