/**
 * Facts of the machine from the running kernel's own boot_params. handoff/boot-params.ts has the
 * whole structure, for the next kernel.
 */

import { fail } from "../../../core/error.ts";
import { defineStruct, u64 } from "../../../core/struct.ts";
import { efiRootPointer } from "../../../facts/efi.ts";
import type { EfiFacts } from "../../../model/host-facts.ts";
import { BOOT_PARAMS_SIZE } from "../../../model/x86-64.ts";

const BootParamsFacts = defineStruct("boot_params", BOOT_PARAMS_SIZE, {
  acpi_rsdp_addr: u64(0x070), // since protocol 2.14; the kernel fills it in itself
});

/**
 * Returns `bytes` if they are a complete boot_params structure, 4096 bytes.
 * @throws KexecError `facts.boot-params` for any other length
 */
export function checkBootParams(bytes: Uint8Array, file: string): Uint8Array {
  if (bytes.length === BOOT_PARAMS_SIZE) return bytes;
  return fail({
    code: "facts.boot-params",
    message: `${file}: ${bytes.length} bytes, but boot_params has ${BOOT_PARAMS_SIZE}`,
  });
}

/**
 * Physical address of the ACPI root pointer (RSDP): from boot_params, else from EFI; null if
 * neither has it.
 *
 * @param bootParams 4096 bytes
 */
export function findAcpiRsdp(bootParams: Uint8Array | null, efi: EfiFacts | null): bigint | null {
  const address = bootParams === null ? 0n : BootParamsFacts.read(bootParams).acpi_rsdp_addr;
  if (address !== 0n) return address;
  return efiRootPointer(efi);
}
