/** What an x86 crash kernel finds on its command line. */

import { expect, test } from "bun:test";
import { crashRules } from "../../../src/arch/x86-64/crash-parameters.ts";
import type { CrashHandoff } from "../../../src/model/arch.ts";

const HANDOFF: CrashHandoff = {
  elfcorehdr: 0x7df60000n,
  usable: [{ start: 0x6e000000n, end: 0x7e000000n }],
  memory: [],
  memoryByCommandLine: false,
  efi: false,
  acpiRsdp: 0xf59d0n,
};

test.each<[string, Partial<CrashHandoff>, string[]]>([
  [
    "the core header in KiB, and ACPI's root pointer",
    {},
    ["acpi_rsdp=0xf59d0", "elfcorehdr=2063744K"],
  ],
  ["no root pointer where EFI is taken over", { efi: true }, ["elfcorehdr=2063744K"]],
  ["no root pointer where it is not known", { acpiRsdp: null }, ["elfcorehdr=2063744K"]],
  ["no core header", { elfcorehdr: null }, ["acpi_rsdp=0xf59d0"]],
  ["nothing", { elfcorehdr: null, acpiRsdp: null }, []],
  [
    "no memory on the command line, unless it is asked for",
    {
      acpiRsdp: null,
      elfcorehdr: null,
      memory: [{ start: 0x1000n, end: 0x9fc00n, type: "ram" }],
    },
    [],
  ],
])("%s", (_, changes, want) => {
  expect(crashRules.parameters({ ...HANDOFF, ...changes })).toEqual(want);
});

test("memory in whole KiB: RAM shrinks, what must not be lost grows, the rest is left out", () => {
  const { parameters } = crashRules;
  const memory: CrashHandoff["memory"] = [
    { start: 0x1001n, end: 0x9fbffn, type: "ram" },
    // 99 KiB, then 100.
    { start: 0x100000n, end: 0x118c00n, type: "ram" },
    { start: 0x200000n, end: 0x219000n, type: "ram" },
    { start: 0x300001n, end: 0x3003ffn, type: "acpi" },
    { start: 0x400000n, end: 0x400400n, type: "acpi-nvs" },
    { start: 0x500000n, end: 0x500400n, type: "pram" },
    { start: 0x600000n, end: 0x600400n, type: "reserved" },
  ];
  const only = { elfcorehdr: null, acpiRsdp: null, memoryByCommandLine: true };
  expect(parameters({ ...HANDOFF, ...only, memory })).toEqual([
    "memmap=exactmap",
    "memmap=633K@5K",
    "memmap=100K@2048K",
    "memmap=1K#3072K",
    "memmap=1K#4096K",
    "memmap=1K!5120K",
    "nokaslr",
  ]);
});
