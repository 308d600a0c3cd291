import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  buildEfi,
  type EfiInput,
  type EfiPassed,
  efiInfoBytes,
  takesEfi,
} from "../../../../src/arch/x86-64/handoff/efi-info.ts";
import { hexOf } from "../../../../src/core/bytes.ts";
import { KexecError } from "../../../../src/core/error.ts";
import type { EfiFacts } from "../../../../src/model/host-facts.ts";
import { NO_X86_FACTS } from "../../../../src/model/x86-64.ts";
import { machine } from "../../../plan/golden.ts";

const RUNNING_EFI_INFO =
  "454c3634" + // "EL64"
  "18e0ed3f" + // efi_systab 0x3fede018
  "30000000" + // efi_memdesc_size 48
  "01000000" + // efi_memdesc_version
  "188063e3" + // efi_memmap
  "a0140000" + // efi_memmap_size
  "02000000" + // efi_systab_hi
  "03000000"; // efi_memmap_hi

function bootParams(efiInfo = RUNNING_EFI_INFO): Uint8Array {
  const bytes = new Uint8Array(4096);
  bytes.set(Buffer.from(efiInfo, "hex"), 0x1c0);
  bytes[0x1ec] = 3;
  return bytes;
}

const facts: EfiFacts = {
  systab: [
    { name: "ACPI20", address: 0x3fb7e014n },
    { name: "SMBIOS3", address: 0x3f9b8000n },
    { name: "SMBIOS", address: 0x3f9ba000n },
  ],
  fwVendor: 0x3fede098n,
  runtime: 0x3ffd4018n,
  configTable: 0x1_3feddf18n,
  runtimeMap: [
    {
      type: 5,
      physAddr: 0x3f9ec000n,
      virtAddr: 0xfffffffefe9ec000n,
      numPages: 0x100n,
      attribute: 0x800000000000000fn,
    },
    { type: 6, physAddr: 0x1000n, virtAddr: 0xfffffffefe901000n, numPages: 1n, attribute: 15n },
  ],
};

const input: EfiInput = {
  efi: facts,
  bootParams: bootParams(),
  xloadflags: 0x3f,
  noEfi: false,
};

function passed(from: EfiInput): EfiPassed {
  const handoff = buildEfi(from);
  if (!handoff.passed) throw new Error(handoff.note);
  return handoff;
}

describe("buildEfi", () => {
  test("the setup_data node, written out by hand", () => {
    const { setupData } = passed(input);
    expect(setupData.type).toBe(4);
    expect(hexOf(setupData.data)).toBe(
      `98e0ed3f00000000${"1840fd3f00000000"}${"18dfed3f01000000"}${"00a09b3f00000000"}` +
        "00".repeat(64),
    );
  });

  test("the memory map: 40 bytes an entry, in the order of the facts, padding 0", () => {
    const { memoryMap } = passed(input);
    expect(hexOf(memoryMap)).toBe(
      `0500000000000000${"00c09e3f00000000"}00c09efefeffffff${"0001000000000000"}0f00000000000080` +
        `0600000000000000${"0010000000000000"}001090fefeffffff${"0100000000000000"}0f00000000000000`,
    );
  });

  test("efi_info is the running kernel's with the memory map replaced", () => {
    expect(hexOf(efiInfoBytes(passed(input), 0x5_4321_0000n))).toBe(
      "454c363418e0ed3f" + "28000000" + "01000000" + "00002143" + "50000000" + "0200000005000000",
    );
  });

  test("any address of the memory map comes back from its two halves", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (address) => {
        const bytes = efiInfoBytes(passed(input), address);
        const view = new DataView(bytes.buffer);
        const low = BigInt(view.getUint32(16, true));
        const high = BigInt(view.getUint32(28, true));
        expect((high << 32n) | low).toBe(address);
      }),
    );
  });

  test("EFI of 32 bits is left out, and so is a kernel of 32 bits", () => {
    const page = bootParams().slice();
    page.set(Buffer.from("EL32"), 0x1c0);
    expect(buildEfi({ ...input, bootParams: page })).toEqual({
      passed: false,
      note: expect.stringContaining("this firmware's EFI has 32 bits"),
    });
    const known = machine("qemu-uefi");
    const x86_64 = { ...(known.x86_64 ?? NO_X86_FACTS), bootParams: page };
    expect(takesEfi(0x3f, { ...known, x86_64 })).toBe(false);
    for (const xloadflags of [0x3e, 0x2f, 0]) {
      expect(buildEfi({ ...input, xloadflags }).passed).toBe(false);
      expect(takesEfi(xloadflags, known)).toBe(false);
    }
    expect(takesEfi(0x11, known)).toBe(true);
    expect(takesEfi(0x11, null)).toBe(true);
  });

  test("secure_boot goes along", () => {
    expect(passed(input).secureBoot).toBe(3);
  });

  test("a machine with SMBIOS 3 only has no SMBIOS address", () => {
    const efi = { ...facts, systab: facts.systab.filter(({ name }) => name !== "SMBIOS") };
    expect(passed({ ...input, efi }).setupData.data.subarray(24, 32)).toEqual(new Uint8Array(8));
  });

  test.each([
    ["below 4 GiB", "18e0ed3f", "00000000"],
    ["at 4 GiB", "00000000", "01000000"],
  ])("a system table %s", (_, low, high) => {
    const from = `454c3634${low}${RUNNING_EFI_INFO.slice(16, 48)}${high}03000000`;
    const { info } = passed({ ...input, bootParams: bootParams(from) });
    const view = new DataView(Uint8Array.fromHex(low + high).buffer);
    expect(info.efi_systab).toBe(view.getUint32(0, true));
    expect(info.efi_systab_hi).toBe(view.getUint32(4, true));
  });

  test("a running kernel's page that is cut short is an error", () => {
    for (const size of [0, 0x1c0, 0x1df, 0x1ec]) {
      const short = bootParams().subarray(0, size);
      expect(() => buildEfi({ ...input, bootParams: short })).toThrow(KexecError);
    }
  });

  const version2 = RUNNING_EFI_INFO.replace("0100000018806", "0200000018806");
  test.each<[string, Partial<EfiInput>, string]>([
    ["--noefi", { noEfi: true }, "--noefi was given."],
    ["an old kernel", { xloadflags: 0x0f }, "XLF_EFI_KEXEC is not set in its xloadflags, 0xf"],
    ["BIOS", { efi: null }, "has no /sys/firmware/efi."],
    ["no boot_params", { bootParams: null }, "boot_params could not be read."],
    ["no map at boot", { bootParams: new Uint8Array(4096) }, "without an EFI memory map."],
    [
      "a new version",
      { bootParams: bootParams(version2) },
      "efi memory descriptor version 2 is not supported!",
    ],
    [
      "no system table",
      {
        bootParams: bootParams(
          `454c363400000000${RUNNING_EFI_INFO.slice(16, 48)}${"00".repeat(8)}`,
        ),
      },
      "no address of the EFI system table.",
    ],
    ["no systab", { efi: { ...facts, systab: [] } }, "has no systab."],
    ["no vendor", { efi: { ...facts, fwVendor: null } }, "has no fw_vendor."],
    ["no runtime", { efi: { ...facts, runtime: null } }, "has no runtime."],
    ["no tables", { efi: { ...facts, configTable: null } }, "has no config_table."],
    ["no map", { efi: { ...facts, runtimeMap: [] } }, "has no runtime-map."],
    [
      "nothing at all",
      { efi: { systab: [], fwVendor: null, runtime: null, configTable: null, runtimeMap: [] } },
      "has no systab, no fw_vendor, no runtime, no config_table, no runtime-map.",
    ],
  ])("left out, with the reason: %s", (_, change, reason) => {
    const handoff = buildEfi({ ...input, ...change });
    expect(handoff.passed).toBe(false);
    expect(handoff.note).toStartWith("EFI is not passed on: ");
    expect(handoff.note).toContain(reason);
  });
});
