/**
 * How an x86 crash kernel learns of the kernel that crashed: by parameters on its command line.
 * Pure.
 * [linux Documentation/admin-guide/kernel-parameters.txt] [kexec-tools]
 */

import { alignDown, alignUp, hex, KIB } from "../../core/address.ts";
import type { ArchCrashRules, CrashHandoff } from "../../model/arch.ts";
import type { MemoryRange, MemoryType } from "../../model/memory.ts";

/** A `memmap=` for less RAM is not worth its length. [kexec-tools] */
const MEMMAP_MIN = 100n * KIB;

/** The marks of `memmap=` by what the memory is; other memory is not passed. */
const MEMMAP_SIGN: Partial<Record<MemoryType, string>> = {
  ram: "@",
  acpi: "#",
  "acpi-nvs": "#",
  pram: "!",
};

/** One `memmap=640K@0K`, or none. RAM shrinks to whole KiB, what must not be lost grows. */
function memmapOf({ start, end, type }: MemoryRange): string[] {
  const sign = MEMMAP_SIGN[type];
  if (sign === undefined) return [];
  const isRam = type === "ram";
  const from = isRam ? alignUp(start, KIB) : alignDown(start, KIB);
  const to = isRam ? alignDown(end, KIB) : alignUp(end, KIB);
  if (isRam && to - from < MEMMAP_MIN) return [];
  return [`memmap=${(to - from) / KIB}K${sign}${from / KIB}K`];
}

/**
 * `memmap=exactmap memmap=… nokaslr`. The memory map stays whole, for kernels that want to know it.
 * One that chooses its own place by chance looks at that map and not at `memmap=`, and would
 * overwrite what is to be dumped. kexec-tools lets it; differs.
 * [linux arch/x86/boot/compressed/kaslr.c parse_memmap]
 */
const exactMap = (memory: readonly MemoryRange[]): string[] => [
  "memmap=exactmap",
  ...memory.flatMap(memmapOf),
  "nokaslr",
];

/**
 * `acpi_rsdp=0x…` for a kernel that does not find ACPI by EFI, `elfcorehdr=…K` where there is a
 * core header, and the memory where `--pass-memmap-cmdline` asks for it. The RAM that the kernel
 * may use is in the memory map that it gets with its boot parameters.
 */
function parameters(handoff: CrashHandoff): string[] {
  const { elfcorehdr, memory, memoryByCommandLine, efi, acpiRsdp } = handoff;
  return [
    ...(efi || acpiRsdp === null ? [] : [`acpi_rsdp=${hex(acpiRsdp)}`]),
    ...(elfcorehdr === null ? [] : [`elfcorehdr=${elfcorehdr / KIB}K`]),
    ...(memoryByCommandLine ? exactMap(memory) : []),
  ];
}

export const crashRules: ArchCrashRules = {
  // The video memory and the firmware follow, up to 1 MiB: RAM below is what kernels use for all
  // that must be reached from real mode. [linux arch/x86/realmode/init.c]
  lowMemoryEnd: 640n * KIB,
  parameters,
  // `elfcorehdr=0x… `, which goes in front.
  // [linux arch/x86/kernel/kexec-bzimage64.c MAX_ELFCOREHDR_STR_LEN]
  addedByKernel: 30,
  fileNote: "kexec_file_load builds elfcorehdr itself and appends elfcorehdr= to the command line",
};
