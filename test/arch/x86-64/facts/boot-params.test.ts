import { expect, test } from "bun:test";
import { checkBootParams, findAcpiRsdp } from "../../../../src/arch/x86-64/facts/boot-params.ts";
import { Writer } from "../../../../src/core/bytes.ts";
import type { EfiFacts } from "../../../../src/model/host-facts.ts";
import { refusal } from "../../../kexec-error.ts";

function bootParams(rsdp: bigint): Uint8Array {
  const bytes = new Uint8Array(4096);
  new Writer(bytes).u64(0x70, rsdp);
  return bytes;
}

function efi(...tables: [name: string, address: bigint][]): EfiFacts {
  return {
    systab: tables.map(([name, address]) => ({ name, address })),
    fwVendor: null,
    runtime: null,
    configTable: null,
    runtimeMap: [],
  };
}

test.each<[string, Uint8Array | null, EfiFacts | null, bigint | null]>([
  ["boot_params first", bootParams(0xf59d0n), efi(["ACPI20", 0x1000n]), 0xf59d0n],
  ["ACPI20 where boot_params has none", bootParams(0n), efi(["ACPI20", 0x14n]), 0x14n],
  ["ACPI20 before ACPI", null, efi(["ACPI", 0x1n], ["ACPI20", 0x2n]), 0x2n],
  ["ACPI alone", null, efi(["SMBIOS", 0x9n], ["ACPI", 0x1n]), 0x1n],
  ["whole names only", null, efi(["XACPI", 0x9n], ["ACPI200", 0x9n]), null],
  ["zero is none", bootParams(0n), efi(["ACPI20", 0n], ["ACPI", 0n]), null],
  ["nothing", null, null, null],
])("findAcpiRsdp(): %s", (_, params, tables, address) => {
  expect(findAcpiRsdp(params, tables)).toBe(address);
});

test.each([0, 1, 4095, 4097])("%d bytes are no boot_params", (length) => {
  const error = refusal(() => checkBootParams(new Uint8Array(length), "/sys/x"));
  expect(error.code).toBe("facts.boot-params");
  expect(error.message).toBe(`/sys/x: ${length} bytes, but boot_params has 4096`);
});
