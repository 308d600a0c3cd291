/**
 * EFI for the next kernel. The firmware's boot services have ended, and its runtime services stay
 * at the virtual addresses that the running kernel chose, because they can be moved only once. So
 * the next kernel needs those addresses. Either all of EFI is passed on, or nothing is, and a note
 * gives the reason.
 *
 * [linux arch/x86/include/asm/efi.h struct efi_setup_data] [linux arch/x86/platform/efi/efi.c]
 */

import { hex } from "../../../core/address.ts";
import { Reader } from "../../../core/bytes.ts";
import { blob, defineStruct, type StructValue, u32, u64 } from "../../../core/struct.ts";
import type { EfiFacts, EfiMemoryDescriptor, HostFacts } from "../../../model/host-facts.ts";
import { SETUP_EFI, type SetupDataNode } from "./setup-data.ts";
import { XLF_EFI_KEXEC, XLF_KERNEL_64 } from "./setup-header.ts";

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

/** The data of a SETUP_EFI node: physical addresses. */
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
  /** The running kernel's boot_params, 4096 bytes; null if they could not be read. */
  readonly bootParams: Uint8Array | null;
  /** Of the next kernel's setup header. */
  readonly xloadflags: number;
  /** `--noefi` */
  readonly noEfi: boolean;
}

/** The `xloadflags` of a kernel that accepts EFI from the kernel before it. The kernel must have
 * the 64 bits of the firmware. [x86-boot] 0x236 */
const TAKES_EFI = XLF_KERNEL_64 | XLF_EFI_KEXEC;

const isEfi32 = (bootParams: Uint8Array): boolean =>
  EfiInfo.read(bootParams, EFI_INFO_AT).efi_loader_signature === EFI32_LOADER_SIGNATURE;

/** Whether a kernel with these `xloadflags` can use the machine's EFI runtime services.
 * @param facts null: the machine is unknown */
export function takesEfi(xloadflags: number, facts: HostFacts | null): boolean {
  if ((xloadflags & TAKES_EFI) !== TAKES_EFI) return false;
  const bootParams = facts?.x86_64?.bootParams ?? null;
  return bootParams === null || !isEfi32(bootParams);
}

/** EFI is passed on. The caller adds `setupData` to the setup_data chain, loads `memoryMap` at a
 * multiple of 16, and writes `efiInfoBytes` for that address to the zero page. */
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
  /** The reason, as one sentence for the plan. */
  readonly note: string;
}

export type EfiHandoff = EfiPassed | EfiLeftOut;

/** Offsets of `efi_info` and `secure_boot` in boot_params. [zero-page] */
const EFI_INFO_AT = 0x1c0;
export const SECURE_BOOT_AT = 0x1ec;
/** "EL32" [linux arch/x86/include/asm/efi.h EFI32_LOADER_SIGNATURE] */
const EFI32_LOADER_SIGNATURE = 0x32334c45;
/** The only version that UEFI defines. [uefi §7.2 GetMemoryMap] */
const DESCRIPTOR_VERSION = 1;

/**
 * What the next kernel gets of EFI.
 *
 * The conditions and the contents are kexec-tools', with these differences:
 * - `runtime`, the address of the runtime services, is passed on, as older kernels (5.4, for
 *   example) need it. Linux's own loader leaves it out.
 * - `secure_boot` is passed on, as by Linux's own loader: the firmware's state has not changed.
 * - The padding of the descriptors is 0.
 *
 * Descriptors keep the order of `EfiFacts.runtimeMap`.
 * @throws KexecError `struct.truncated` for boot_params that are cut short
 */
export function buildEfi(input: EfiInput): EfiHandoff {
  const { efi, bootParams } = input;
  if (input.noEfi) return leftOut("--noefi was given.");
  if ((input.xloadflags & XLF_EFI_KEXEC) === 0) {
    return leftOut(
      "the next kernel does not support it (XLF_EFI_KEXEC is not set in its xloadflags, " +
        `${hex(input.xloadflags)}).`,
    );
  }
  if ((input.xloadflags & XLF_KERNEL_64) === 0) {
    return leftOut("the next kernel has 32 bits (XLF_KERNEL_64 is not set in its xloadflags).");
  }
  if (efi === null) return leftOut("the running kernel has no /sys/firmware/efi.");
  if (bootParams === null) return leftOut("the running kernel's boot_params could not be read.");
  const reader = new Reader(bootParams, "boot_params of the running kernel");
  const running = EfiInfo.read(reader.slice(EFI_INFO_AT, EfiInfo.size));
  const why = whyNot(running, efi);
  if (why !== null) return leftOut(why);
  return {
    passed: true,
    setupData: { type: SETUP_EFI, data: setupDataOf(efi) },
    memoryMap: packMemoryMap(efi.runtimeMap),
    info: {
      ...running,
      efi_memmap: 0,
      efi_memmap_hi: 0,
      efi_memmap_size: efi.runtimeMap.length * EfiMemoryDescriptorEntry.size,
      efi_memdesc_size: EfiMemoryDescriptorEntry.size,
    },
    secureBoot: reader.u8(SECURE_BOOT_AT),
    note: `EFI is passed on with ${efi.runtimeMap.length} runtime memory descriptors.`,
  };
}

function leftOut(why: string): EfiLeftOut {
  return { passed: false, note: `EFI is not passed on: ${why}` };
}

/** Why the running kernel's EFI cannot be passed on, or null. Runtime services of 32 bits are lost
 * with the first kernel: Linux maps those of 64 bits only for the next one.
 * [linux arch/x86/platform/efi/efi.c kexec_enter_virtual_mode] */
function whyNot(running: EfiInfo, efi: EfiFacts): string | null {
  if (running.efi_loader_signature === EFI32_LOADER_SIGNATURE) {
    return "this firmware's EFI has 32 bits, and its runtime services cannot be passed on.";
  }
  if (running.efi_memmap_size === 0) {
    return "the running kernel was itself started without an EFI memory map.";
  }
  if (running.efi_memdesc_version !== DESCRIPTOR_VERSION) {
    return `efi memory descriptor version ${running.efi_memdesc_version} is not supported!`;
  }
  if (running.efi_systab === 0 && running.efi_systab_hi === 0) {
    return "the running kernel's boot_params has no address of the EFI system table.";
  }
  const missing = [
    efi.systab.length === 0 ? "systab" : null,
    efi.fwVendor === null ? "fw_vendor" : null,
    efi.runtime === null ? "runtime" : null,
    efi.configTable === null ? "config_table" : null,
    efi.runtimeMap.length === 0 ? "runtime-map" : null,
  ].filter((name) => name !== null);
  if (missing.length === 0) return null;
  return `/sys/firmware/efi has no ${missing.join(", no ")}.`;
}

/** `smbios` is 0 on a machine with SMBIOS 3 only; Linux then leaves the EFI configuration table
 * unchanged. */
function setupDataOf(efi: EfiFacts): Uint8Array {
  const data = new Uint8Array(EfiSetupData.size);
  EfiSetupData.write(data, {
    fw_vendor: efi.fwVendor ?? 0n,
    runtime: efi.runtime ?? 0n,
    tables: efi.configTable ?? 0n,
    smbios: efi.systab.find((entry) => entry.name === "SMBIOS")?.address ?? 0n,
  });
  return data;
}

function packMemoryMap(map: readonly EfiMemoryDescriptor[]): Uint8Array {
  const bytes = new Uint8Array(map.length * EfiMemoryDescriptorEntry.size);
  for (const [index, entry] of map.entries()) {
    const { type, physAddr, virtAddr, numPages, attribute } = entry;
    EfiMemoryDescriptorEntry.write(
      bytes,
      {
        type,
        phys_addr: physAddr,
        virt_addr: virtAddr,
        num_pages: numPages,
        attribute,
      },
      index * EfiMemoryDescriptorEntry.size,
    );
  }
  return bytes;
}

/**
 * `efi_info` for the zero page, 32 bytes, with the memory map at the physical address `memoryMap`.
 */
export function efiInfoBytes(handoff: EfiPassed, memoryMap: bigint): Uint8Array {
  const bytes = new Uint8Array(EfiInfo.size);
  EfiInfo.write(bytes, {
    ...handoff.info,
    efi_memmap: Number(memoryMap & 0xffffffffn),
    efi_memmap_hi: Number(memoryMap >> 32n),
  });
  return bytes;
}
