/**
 * boot_params, the "zero page": the one structure that an x86 kernel reads when it starts at its 32
 * or 64-bit entry. Where its pieces lie, and what is in the pieces, comes from the caller.
 *
 * [linux Documentation/arch/x86/zero-page.rst] [linux arch/x86/include/uapi/asm/bootparam.h]
 */

import { blob, defineStruct, u8, u32, u64 } from "../core/struct.ts";
import type { E820Map } from "./e820.ts";
import type { EddTables } from "./edd-info.ts";
import type { EfiPassed } from "./efi-info.ts";

export const BOOT_PARAMS_SIZE = 4096;

/** kexec's number in the list of boot loaders, version 0. [linux boot.rst type_of_loader] */
export const LOADER_TYPE_KEXEC = 0xd0;

/** All but the setup header, which `SetupHeader` reads and writes at the same offsets. */
export const BootParams = defineStruct("boot_params", BOOT_PARAMS_SIZE, {
  screen_info: blob(0x000, 64),
  apm_bios_info: blob(0x040, 20),
  tboot_addr: u64(0x058),
  ist_info: blob(0x060, 16),
  acpi_rsdp_addr: u64(0x070),
  hd0_info: blob(0x080, 16),
  hd1_info: blob(0x090, 16),
  sys_desc_table: blob(0x0a0, 16),
  olpc_ofw_header: blob(0x0b0, 16),
  ext_ramdisk_image: u32(0x0c0),
  ext_ramdisk_size: u32(0x0c4),
  ext_cmd_line_ptr: u32(0x0c8),
  cc_blob_address: u32(0x13c),
  edid_info: blob(0x140, 128),
  efi_info: blob(0x1c0, 32),
  alt_mem_k: u32(0x1e0),
  scratch: u32(0x1e4),
  e820_entries: u8(0x1e8),
  eddbuf_entries: u8(0x1e9),
  edd_mbr_sig_buf_entries: u8(0x1ea),
  kbd_status: u8(0x1eb),
  secure_boot: u8(0x1ec),
  /** Not 0: the boot loader copied more than the setup header, and Linux clears what it can. */
  sentinel: u8(0x1ef),
  edd_mbr_sig_buffer: blob(0x290, 64),
  e820_table: blob(0x2d0, 128 * 20),
  eddbuf: blob(0xd00, 6 * 82),
});

export interface BootParamsInput {
  /** The kernel image: its setup header is copied. */
  readonly image: Uint8Array;
  /** Physical address of the NUL-terminated command line. */
  readonly commandLine: bigint;
  /** null: no initrd. `size` in bytes. */
  readonly initrd: { readonly address: bigint; readonly size: bigint } | null;
  /** `head` of `layoutSetupData`; 0: no chain. */
  readonly setupData: bigint;
  /** Of `buildE820`; its `extended` must be in the chain. */
  readonly e820: E820Map;
  /** Of `buildEfi`, its `setupData` being in the chain; null: EFI is left out. */
  readonly efi: { readonly handoff: EfiPassed; readonly memoryMap: bigint } | null;
  /** 64 bytes, of `buildScreenInfo`. */
  readonly screenInfo: Uint8Array;
  /** Of `buildEddTables`. */
  readonly edd: EddTables;
  /** Physical address of the ACPI root pointer; null: unknown. */
  readonly acpiRsdp: bigint | null;
  /** The running kernel's boot_params, 4096 bytes; null: unknown. */
  readonly running: Uint8Array | null;
}

/**
 * The zero page, 4096 bytes.
 * @throws KexecError `image.setup-header` or `struct.truncated` for the image's header,
 *   `plan.address` for an address or size that this kernel cannot be told
 */
export function buildBootParams(input: BootParamsInput): Uint8Array {
  void input;
  throw new RangeError("being written");
}
