import { expect, test } from "bun:test";
import { parseEfiRuntimeMapEntry, parseEfiSystab } from "../../src/facts/efi.ts";
import { refusal } from "../kexec-error.ts";
import { textSurvivesDamage } from "./damage.ts";

const SYSTAB = "ACPI20=0x3fb7e014\nACPI=0x3fb7e000\nSMBIOS3=0xffffffffffffffff\n";

test("parseEfiSystab() keeps names and order", () => {
  expect(parseEfiSystab(SYSTAB)).toEqual({
    tables: [
      { name: "ACPI20", address: 0x3fb7e014n },
      { name: "ACPI", address: 0x3fb7e000n },
      { name: "SMBIOS3", address: (1n << 64n) - 1n },
    ],
    notes: [],
  });
  expect(parseEfiSystab("")).toEqual({ tables: [], notes: [] });
});

test.each(["ACPI", "=0x1", "ACPI=12", "ACPI=0x", "ACPI=0x10000000000000000", "A B=0x1", "A=0x1 "])(
  "the line %j is left out, and noted",
  (line) => {
    const { tables, notes } = parseEfiSystab(`SMBIOS=0x1\n${line}\n`);
    expect(tables).toEqual([{ name: "SMBIOS", address: 1n }]);
    expect(notes).toEqual([
      `/sys/firmware/efi/systab line 2 is not NAME=0xADDRESS: ${JSON.stringify(line)}.`,
    ]);
  },
);

const ENTRY = {
  name: "3",
  type: "0x5\n",
  phys_addr: "0x3f8ed000\n",
  virt_addr: "0xfffffffeffe6d000\n",
  num_pages: "0x100\n",
  attribute: "0x800000000000000f\n",
};

test("parseEfiRuntimeMapEntry()", () => {
  expect(parseEfiRuntimeMapEntry(ENTRY)).toEqual({
    type: 5,
    physAddr: 0x3f8ed000n,
    virtAddr: 0xfffffffeffe6d000n,
    numPages: 0x100n,
    attribute: 0x800000000000000fn,
  });
});

test.each(["type", "phys_addr", "virt_addr", "num_pages", "attribute"])(
  "a damaged %s is refused with the file's name",
  (field) => {
    const { code, message } = refusal(() => parseEfiRuntimeMapEntry({ ...ENTRY, [field]: "?\n" }));
    expect(code).toBe("facts.number");
    expect(message).toStartWith(`/sys/firmware/efi/runtime-map/3/${field}: `);
  },
);

test("damaged texts throw nothing but KexecErrors", () => {
  textSurvivesDamage(SYSTAB, parseEfiSystab);
  textSurvivesDamage(ENTRY.virt_addr, (virt_addr) =>
    parseEfiRuntimeMapEntry({ ...ENTRY, virt_addr }),
  );
});
