/**
 * EFI for the next kernel. The firmware's boot services are gone and its runtime services live at the
 * virtual addresses that the running kernel gave them, once and for all; so the next kernel has to
 * be told those addresses. Either all of this is passed on or nothing is, and then a note says why.
 *
 * [linux arch/x86/include/asm/efi.h struct efi_setup_data] [linux arch/x86/platform/efi/efi.c]
 */

import { blob, defineStruct, type StructValue, u32, u64 } from "../core/struct.ts";
import type { EfiFacts } from "../model/host-facts.ts";
import type { SetupDataNode } from "./setup-data.ts";

/** `efi_info` of the zero page. */
export const EfiInfo = defineStruct("efi_info", 32, {
  efi_loader_signature: u32(0),
  efi_systab: u32(4),
  efi_memdesc_size: u32(8),
  efi_memdesc_version: u32(12),
  efi_memmap: u32(16),
  efi_memmap_size: u32(20),
  efi_systab_hi: u32(24),
  efi_memmap_hi: u32(28),
});
export type EfiInfo = StructValue<typeof EfiInfo.fields>;

/** The data of a SETUP_EFI node; all physical addresses. */
export const EfiSetupData = defineStruct("efi_setup_data", 96, {
  fw_vendor: u64(0),
  runtime: u64(8),
  tables: u64(16),
  smbios: u64(24),
  reserved: blob(32, 64),
});

/** An entry of the memory map. [uefi §7.2 EFI_MEMORY_DESCRIPTOR] */
export const EfiMemoryDescriptorEntry = defineStruct("efi_memory_desc_t", 40, {
  type: u32(0),
  pad: u32(4),
  phys_addr: u64(8),
  virt_addr: u64(16),
  num_pages: u64(24),
  attribute: u64(32),
});

export interface EfiInput {
  readonly efi: EfiFacts | null;
  /** The running kernel's, 4096 bytes. */
  readonly bootParams: Uint8Array | null;
  /** Of the next kernel's setup header. */
  readonly xloadflags: number;
  /** `--noefi` */
  readonly noEfi: boolean;
}

/** EFI is passed on: `setupData` goes into the chain, `memoryMap` to an address that is a multiple
 * of 16, and that address with this value into the zero page. */
export interface EfiPassed {
  readonly passed: true;
  readonly setupData: SetupDataNode;
  /** 40 bytes for each entry. */
  readonly memoryMap: Uint8Array;
  /** `efi_info` without the memory map's address. */
  readonly info: EfiInfo;
  /** `secure_boot` of the zero page. */
  readonly secureBoot: number;
  readonly note: string;
}

export interface EfiLeftOut {
  readonly passed: false;
  /** Why; one sentence. */
  readonly note: string;
}

export type EfiHandoff = EfiPassed | EfiLeftOut;

/** What of EFI the next kernel gets. */
export function buildEfi(input: EfiInput): EfiHandoff {
  void input;
  throw new RangeError("being written");
}
