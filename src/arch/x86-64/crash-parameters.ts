/**
 * How an x86 crash kernel learns of the kernel that crashed: by parameters on its command line.
 * Pure.
 * [linux Documentation/admin-guide/kernel-parameters.txt] [kexec-tools]
 */

import { alignDown, alignUp, hex, KIB } from "../../core/address.ts";
import { EM_X86_64 } from "../../core/elf.ts";
import type { ArchCrashRules, CrashHandoff } from "../../model/arch.ts";
import type { MemoryRange, MemoryType } from "../../model/memory.ts";

/** RAM ranges shorter than this, in bytes, get no `memmap=` parameter. [kexec-tools] */
const MEMMAP_MIN = 100n * KIB;

/** The separator in `memmap=SIZE@START` by memory type. Ranges of other types are not passed. */
const MEMMAP_SIGN: Partial<Record<MemoryType, string>> = {
  ram: "@",
  acpi: "#",
  "acpi-nvs": "#",
  pram: "!",
};

/** The parameter for a range, such as `memmap=640K@0K`, or none. RAM is rounded inwards to whole
 * KiB, other memory outwards, so that none of it is lost. */
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
 * `memmap=exactmap memmap=… nokaslr`. The E820 map in the boot params lists all memory in this
 * case. KASLR chooses the kernel's address from that map and ignores `memmap=exactmap`, so it would
 * overwrite memory that is to be dumped. kexec-tools does not add `nokaslr`; differs.
 * [linux arch/x86/boot/compressed/kaslr.c parse_memmap]
 */
const exactMap = (memory: readonly MemoryRange[]): string[] => [
  "memmap=exactmap",
  ...memory.flatMap(memmapOf),
  "nokaslr",
];

/**
 * `acpi_rsdp=0x…` if the kernel does not find ACPI through EFI, `elfcorehdr=…K` if there is a core
 * header, and `memmap=` with `--pass-memmap-cmdline`. Without `memmap=` the kernel takes its usable
 * RAM from the E820 map in its boot params.
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
  elfMachine: EM_X86_64,
  // Kernels need RAM below 640 KiB for what real mode must reach, such as the trampoline. Video
  // memory and firmware follow, up to 1 MiB. [linux arch/x86/realmode/init.c]
  lowMemoryEnd: 640n * KIB,
  parameters,
  // kexec_file_load puts `elfcorehdr=0x… ` in front of the command line.
  // [linux arch/x86/kernel/kexec-bzimage64.c MAX_ELFCOREHDR_STR_LEN]
  addedByKernel: 30,
  fileNote: "kexec_file_load builds elfcorehdr itself and adds elfcorehdr= to the command line",
};
