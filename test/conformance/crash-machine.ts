/** The files of a machine with the facts that a test names: what both kexecs read of it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../../src/core/elf.ts";
import type { Range } from "../../src/core/range.ts";
import { factsFromJson } from "../../src/facts/facts-file.ts";
import type { CrashFacts, EfiFacts, HostFacts } from "../../src/model/host-facts.ts";
import type { MemoryRange, MemoryType } from "../../src/model/memory.ts";

type Files = Record<string, string | Uint8Array>;

/** What test machines differ in. */
export type CrashMachine = Pick<
  HostFacts,
  "crashRegions" | "memoryMap" | "x86_64" | "efi" | "bootCommandLine"
> & { readonly crash: CrashFacts };

/** A machine of test/facts/machines. */
export function recorded(name: string): CrashMachine {
  const path = join(import.meta.dir, `../facts/machines/${name}.json`);
  const facts = factsFromJson(readFileSync(path, "utf8"));
  if (facts.crash === null) throw new Error(`${name} has no facts of crash kernels`);
  return { ...facts, crash: facts.crash };
}

/** The machine with other memory, which the kernel and the firmware both see. */
export function withMemory(
  machine: CrashMachine,
  memory: readonly MemoryRange[],
  ...crashRegions: readonly (readonly [number, number])[]
): CrashMachine {
  const kernelText = { physical: 0x2000000n, virtual: 0xffffffff82000000n, size: 0x2000000n };
  return {
    ...machine,
    crashRegions: crashRegions.map(([start, end]) => ({ start: BigInt(start), end: BigInt(end) })),
    memoryMap: { source: "firmware-memmap", ranges: memory },
    crash: { ...machine.crash, memory, kernelText },
  };
}

const padded = (address: bigint) => address.toString(16).padStart(8, "0");
const hex = (value: bigint | number) => `0x${value.toString(16)}\n`;

/** As /proc/iomem and /sys/firmware/memmap name them. */
const NAMES: Readonly<Record<MemoryType, string>> = {
  ram: "System RAM",
  reserved: "Reserved",
  acpi: "ACPI Tables",
  "acpi-nvs": "ACPI Non-volatile Storage",
  unusable: "Unusable memory",
  "soft-reserved": "Soft Reserved",
  uncached: "Reserved",
  pmem: "Persistent Memory",
  pram: "Persistent Memory (legacy)",
};

/** The crash regions and the kernel's code lie inside the RAM that they are in. */
export function iomemOf({ crash, crashRegions }: CrashMachine): string {
  const { kernelText } = crash;
  const code = kernelText?.physical ?? 0n;
  const inside = [
    ...crashRegions.map((r) => ({ ...r, name: "Crash kernel" })),
    { start: code, end: code + 0xe01d32n, name: "Kernel code" },
  ];
  const line = (indent: string, { start, end }: Range, name: string) =>
    `${indent}${padded(start)}-${padded(end - 1n)} : ${name}\n`;
  return crash.memory
    .flatMap((r) => [
      line("", r, NAMES[r.type]),
      ...inside
        .filter(({ start, end }) => r.type === "ram" && r.start <= start && end <= r.end)
        .map((part) => line("  ", part, part.name)),
    ])
    .join("");
}

function kcoreOf({ pageOffset, kernelText, memory }: CrashFacts): Uint8Array {
  const ram = memory.filter(({ type }) => type === "ram");
  const loads = [
    ...(kernelText === null ? [] : [[kernelText.virtual, kernelText.size] as const]),
    ...ram.map((r) => [r.start + pageOffset, r.end - r.start] as const),
  ];
  const bytes = new Uint8Array(0x20000);
  Elf64_Ehdr.write(bytes, {
    ...{ e_ident: ELF64_IDENT, e_type: 4, e_machine: 62, e_version: 1, e_phoff: 64n },
    ...{ e_ehsize: 64, e_phentsize: 56, e_phnum: loads.length },
  });
  for (const [i, [p_vaddr, p_memsz]] of loads.entries()) {
    const header = { p_type: PT_LOAD, p_flags: 7, p_offset: 0x2000n, p_filesz: p_memsz };
    Elf64_Phdr.write(bytes, { ...header, p_vaddr, p_memsz, p_align: 4096n }, 64 + i * 56);
  }
  return bytes;
}

function efiFiles(efi: EfiFacts): Files {
  const files: Files = {
    systab: efi.systab.map(({ name, address }) => `${name}=0x${address.toString(16)}\n`).join(""),
    fw_vendor: hex(efi.fwVendor ?? 0n),
    runtime: hex(efi.runtime ?? 0n),
    config_table: hex(efi.configTable ?? 0n),
  };
  for (const [i, entry] of efi.runtimeMap.entries()) {
    files[`runtime-map/${i}/type`] = hex(entry.type);
    files[`runtime-map/${i}/phys_addr`] = hex(entry.physAddr);
    files[`runtime-map/${i}/virt_addr`] = hex(entry.virtAddr);
    files[`runtime-map/${i}/num_pages`] = hex(entry.numPages);
    files[`runtime-map/${i}/attribute`] = hex(entry.attribute);
  }
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [`/sys/firmware/efi/${name}`, text]),
  );
}

/** For the harness's `files`. */
export function filesOf(machine: CrashMachine): Files {
  const { crash, memoryMap, efi, bootCommandLine } = machine;
  const bootParams = machine.x86_64?.bootParams ?? null;
  const files: Files = {
    "/proc/iomem": iomemOf(machine),
    "/proc/kcore": kcoreOf(crash),
    "/proc/kallsyms": [
      "0000000000000000 A fixed_percpu_data\n",
      `${(crash.kernelText?.virtual ?? 0n).toString(16)} T _stext\n`,
    ].join(""),
    "/proc/cmdline": `${bootCommandLine ?? ""}\n`,
    "/sys/kernel/vmcoreinfo": `0x${crash.vmcoreinfo?.start.toString(16).padStart(16, "0")} 1024\n`,
    ...(bootParams === null ? {} : { "/sys/kernel/boot_params/data": bootParams }),
    "/sys/devices/system/cpu/online": `0-${crash.cpuNotes.length - 1}\n`,
    "/sys/devices/system/cpu/possible": `0-${crash.cpuNotes.length - 1}\n`,
    ...(efi === null ? {} : efiFiles(efi)),
  };
  for (const [i, { start, end }] of crash.cpuNotes.entries()) {
    files[`/sys/devices/system/cpu/cpu${i}/crash_notes`] = `${start.toString(16)}\n`;
    files[`/sys/devices/system/cpu/cpu${i}/crash_notes_size`] = `${end - start}\n`;
  }
  for (const [i, { start, end, type }] of (memoryMap?.ranges ?? []).entries()) {
    files[`/sys/firmware/memmap/${i}/start`] = hex(start);
    files[`/sys/firmware/memmap/${i}/end`] = hex(end - 1n);
    files[`/sys/firmware/memmap/${i}/type`] = `${NAMES[type]}\n`;
  }
  return files;
}
