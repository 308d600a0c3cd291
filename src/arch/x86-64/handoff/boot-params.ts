/**
 * boot_params (the "zero page"): the structure that an x86 Linux kernel reads at its 32-bit and its
 * 64-bit entry. The caller supplies the contents of its parts, and the addresses in it.
 *
 * [linux Documentation/arch/x86/zero-page.rst] [linux arch/x86/include/uapi/asm/bootparam.h]
 */

import { GIB, hex, humanSize, KIB, MIB } from "../../../core/address.ts";
import { fail, failImage } from "../../../core/error.ts";
import { blob, defineStruct, u8, u32, u64 } from "../../../core/struct.ts";
import { E820_TYPE_RAM, type E820Entry } from "../../../facts/e820-entry.ts";
import { BOOT_PARAMS_SIZE } from "../../../model/x86-64.ts";
import { type E820Map, packE820 } from "./e820.ts";
import type { EddTables } from "./edd-info.ts";
import { type EfiPassed, efiInfoBytes } from "./efi-info.ts";
import { ScreenInfo } from "./screen-info.ts";
import {
  KASLR_FLAG,
  SETUP_HEADER_START,
  SetupHeader,
  setupHeaderBytes,
  showVersion,
  XLF_CAN_BE_LOADED_ABOVE_4G,
} from "./setup-header.ts";

/** `type_of_loader` of kexec, version 0. [linux boot.rst type_of_loader] */
export const LOADER_TYPE_KEXEC = 0xd0;

/** All fields but the setup header's: `SetupHeader` has them, at offsets from the same start. */
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
  /** If not 0, the boot loader copied more than the setup header, and Linux clears other fields. */
  sentinel: u8(0x1ef),
  edd_mbr_sig_buffer: blob(0x290, 64),
  e820_table: blob(0x2d0, 128 * 20),
  eddbuf: blob(0xd00, 6 * 82),
});

export interface BootParamsInput {
  /** The kernel image: its setup header is copied. */
  readonly image: Uint8Array;
  /** Whether the kernel is entered behind its decompressor, at random addresses. */
  readonly kaslr?: boolean;
  /** Physical address of the NUL-terminated command line. */
  readonly commandLine: bigint;
  /** null: no initrd. `size` in bytes. */
  readonly initrd: { readonly address: bigint; readonly size: bigint } | null;
  /** Physical address of the setup_data chain, from `layoutSetupData`; 0: no chain. */
  readonly setupData: bigint;
  /** From `buildE820`; its `extended` node must be in the setup_data chain. */
  readonly e820: E820Map;
  /** From `buildEfi`, whose `setupData` must be in the chain, and the physical address of its
   * memory map; null: EFI is not passed on. */
  readonly efi: { readonly handoff: EfiPassed; readonly memoryMap: bigint } | null;
  /** 64 bytes: `bytes` of `nextScreen`. */
  readonly screenInfo: Uint8Array;
  /** From `buildEddTables`. */
  readonly edd: EddTables;
  /** Physical address of the ACPI root pointer; null: unknown. */
  readonly acpiRsdp: bigint | null;
  /** The running kernel's boot_params, 4096 bytes; null: unknown. */
  readonly running: Uint8Array | null;
}

/** Boot protocol versions that added `cmd_line_ptr`, and the high halves of addresses. */
const VERSION_CMD_LINE_PTR = 0x0202;
const VERSION_HIGH_ADDRESSES = 0x020c;
const LOW_END = 4n * GIB;
/** 63 MiB, in KiB: the most that the oldest BIOS call can report. */
const EXT_MEM_K_MAX = 0xfc00;

/** [linux bootparam.h enum x86_hardware_subarch] */
const SUBARCH_PC = 0;
const SUBARCH_INTEL_MID = 3;
const SUBARCH_CE4100 = 4;

/**
 * The zero page, 4096 bytes.
 *
 * All other fields are 0, as the boot protocol requires, `sentinel` too. So are the fields that
 * BIOS calls fill in (APM, SpeedStep, disks before EDD): their values are no longer valid.
 * `root_dev` and `root_flags` keep the image's values, as in Linux's own loader; kexec-tools writes
 * the first IDE disk, read-only.
 *
 * @throws KexecError `image.setup-header` or `struct.truncated` for the image's header,
 *   `plan.address` for an address that this kernel's boot protocol cannot pass
 */
export function buildBootParams(input: BootParamsInput): Uint8Array {
  const page = new Uint8Array(BOOT_PARAMS_SIZE);
  page.set(setupHeaderBytes(input.image), SETUP_HEADER_START);
  const header = SetupHeader.read(page);
  if (header.version < VERSION_CMD_LINE_PTR) {
    failImage({
      code: "image.setup-header",
      message:
        `The kernel has boot protocol ${showVersion(header.version)}, but ` +
        `${showVersion(VERSION_CMD_LINE_PTR)} is needed to pass it a command line`,
    });
  }
  const initrd = input.initrd ?? { address: 0n, size: 0n };
  const commandLine = split(header, "command line", input.commandLine, 1n);
  const ramdisk = split(header, "initrd", initrd.address, initrd.size);
  const ramdiskSize = halves(initrd.size);
  SetupHeader.write(page, {
    type_of_loader: LOADER_TYPE_KEXEC,
    // CAN_USE_HEAP is for the real-mode code, which kexec skips. KASLR_FLAG makes the kernel
    // randomize its memory regions too; a decompressor clears it, and sets it itself. kexec-tools
    // and Linux's own loader write 0.
    loadflags: input.kaslr === true ? KASLR_FLAG : 0,
    cmd_line_ptr: commandLine.low,
    ramdisk_image: ramdisk.low,
    ramdisk_size: ramdiskSize.low,
    setup_data: input.setupData,
    hardware_subarch: subarchOf(input.running),
  });
  const table = new Uint8Array(BootParams.fields.e820_table.size);
  table.set(packE820(input.e820.table));
  BootParams.write(page, {
    screen_info: input.screenInfo,
    acpi_rsdp_addr: input.acpiRsdp ?? 0n,
    ext_cmd_line_ptr: commandLine.high,
    ext_ramdisk_image: ramdisk.high,
    ext_ramdisk_size: ramdiskSize.high,
    ...(input.efi === null ? {} : efiFields(input.efi.handoff, input.efi.memoryMap)),
    e820_entries: input.e820.table.length,
    e820_table: table,
    eddbuf_entries: input.edd.eddbuf_entries,
    eddbuf: input.edd.eddbuf,
    edd_mbr_sig_buf_entries: input.edd.edd_mbr_sig_buf_entries,
    edd_mbr_sig_buffer: input.edd.edd_mbr_sig_buffer,
  });
  const aboveOneMib = memoryAboveOneMib(input.e820.table);
  BootParams.write(page, { alt_mem_k: Math.min(aboveOneMib, 0xffffffff) });
  ScreenInfo.write(page, { ext_mem_k: Math.min(aboveOneMib, EXT_MEM_K_MAX) });
  return page;
}

function efiFields(handoff: EfiPassed, memoryMap: bigint) {
  return { efi_info: efiInfoBytes(handoff, memoryMap), secure_boot: handoff.secureBoot };
}

/**
 * The next kernel's `hardware_subarch`. It keeps the value of the running kernel's boot_params if
 * that names hardware; all others become PC. Under Xen the running kernel's value is Xen (2), but
 * the next kernel runs on the bare machine. kexec-tools copies the 2, and the next kernel then does
 * not use the clock and the BIOS areas of a PC. [linux arch/x86/kernel/platform-quirks.c]
 */
function subarchOf(running: Uint8Array | null): number {
  if (running === null) return SUBARCH_PC;
  const subarch = SetupHeader.read(running).hardware_subarch;
  return subarch === SUBARCH_INTEL_MID || subarch === SUBARCH_CE4100 ? subarch : SUBARCH_PC;
}

/**
 * Contiguous RAM from 1 MiB on, in KiB. Linux reads it only if there is no E820 table. It is one
 * too small if the RAM ends at a multiple of 1 KiB: kexec-tools and Linux's own loader compute it
 * so, and the zero pages should compare equal.
 */
function memoryAboveOneMib(table: readonly E820Entry[]): number {
  const around = table.find(
    ({ addr, size, type }) => type === E820_TYPE_RAM && addr <= MIB && addr + size - 1n > MIB,
  );
  if (around === undefined) return 0;
  return Number((around.addr + around.size - 1n) / KIB - MIB / KIB);
}

/** Both halves of an address. @throws KexecError `plan.address` if the kernel's boot protocol has
 * no high half, and the range ends above 4 GiB */
function split(header: SetupHeader, what: string, address: bigint, size: bigint) {
  const high =
    header.version >= VERSION_HIGH_ADDRESSES &&
    (header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0;
  if (!high && address + size > LOW_END) {
    fail({
      code: "plan.address",
      message:
        `The ${what} lies at ${hex(address)}, ${humanSize(size)} long, but this kernel (boot ` +
        `protocol ${showVersion(header.version)}, xloadflags ${hex(header.xloadflags)}) finds it ` +
        "only below 4 GiB",
    });
  }
  return halves(address);
}

function halves(value: bigint): { readonly low: number; readonly high: number } {
  return { low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
}
