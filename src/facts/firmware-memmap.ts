/**
 * /sys/firmware/memmap: the memory map that the firmware gave the kernel, one directory for each
 * entry, with the files start, end (inclusive) and type.
 *
 * This file does not choose between this map and /proc/iomem; `efiMapWasAdded` only tells when this
 * map is known to be incomplete.
 */

import { fail } from "../core/error.ts";
import { byStart } from "../core/range.ts";
import type { MemoryRange, MemoryType } from "../model/memory.ts";
import { hasKernelParameter } from "./kernel-parameter.ts";
import { parseNumber, quoted } from "./sysfs-number.ts";

export const FIRMWARE_MEMMAP = "/sys/firmware/memmap";

/** The texts of an entry's three files. */
export interface FirmwareMemmapEntry {
  /** The directory's name, a number. */
  readonly name: string;
  readonly start: string;
  readonly end: string;
  readonly type: string;
}

export interface FirmwareMemmap {
  readonly ranges: readonly MemoryRange[];
  /** One sentence for each entry that was left out or whose type was replaced. */
  readonly notes: readonly string[];
}

/** The kernel's names of the types. [linux arch/x86/kernel/e820.c e820_type_to_string] */
const MEMORY_TYPE_OF: ReadonlyMap<string, MemoryType> = new Map([
  ["System RAM", "ram"],
  ["ACPI Tables", "acpi"],
  ["ACPI Non-volatile Storage", "acpi-nvs"],
  ["Unusable memory", "unusable"],
  ["reserved", "reserved"],
  ["Reserved", "reserved"],
  ["Soft Reserved", "soft-reserved"],
  ["Unknown E820 type", "reserved"],
  ["Uncached RAM", "uncached"],
  ["Persistent Memory (legacy)", "pram"],
  ["Persistent Memory", "pmem"],
]);

/**
 * Parses all entries, sorted by start. An entry of an unknown type becomes reserved, with a note;
 * an entry that ends before it begins is left out, with a note.
 * @throws KexecError `facts.number` where an address is not a number, `facts.firmware-memmap` where
 *   no entry is left
 */
export function parseFirmwareMemmap(entries: readonly FirmwareMemmapEntry[]): FirmwareMemmap {
  const ranges: MemoryRange[] = [];
  const notes: string[] = [];
  for (const entry of entries) {
    const directory = `${FIRMWARE_MEMMAP}/${entry.name}`;
    const start = parseNumber(entry.start, `${directory}/start`);
    const end = parseNumber(entry.end, `${directory}/end`) + 1n;
    const name = entry.type.replace(/\n+$/, "");
    const type = MEMORY_TYPE_OF.get(name);
    if (end <= start) {
      notes.push(`${directory} is empty or ends before it begins, and is ignored.`);
      continue;
    }
    if (type === undefined) {
      notes.push(`${directory}/type is ${quoted(name)}, an unknown type: treated as reserved.`);
    }
    ranges.push({ start, end, type: type ?? "reserved" });
  }
  if (ranges.length === 0) {
    fail({
      code: "facts.firmware-memmap",
      message: `${FIRMWARE_MEMMAP}: no range of memory in it`,
    });
  }
  return { ranges: ranges.sort(byStart), notes };
}

/**
 * Removes overlaps of neighbours of the same type, which some firmware reports. Neighbours that
 * only touch stay apart, and overlaps of different types stay as they are: the next kernel has its
 * own rules for these. [kexec-tools] (which makes such neighbours share one byte)
 *
 * @param ranges sorted by start
 * @returns sorted by start
 */
export function fixMemoryRanges(ranges: readonly MemoryRange[]): MemoryRange[] {
  let fixed = [...ranges];
  for (;;) {
    const next = fixOnce(fixed);
    if (next === null) return fixed;
    // Cutting a range's start can move it past the ranges that follow.
    fixed = next.sort(byStart);
  }
}

/** One pass; null where nothing overlapped. */
function fixOnce(ranges: readonly MemoryRange[]): MemoryRange[] | null {
  const fixed: MemoryRange[] = [];
  let changed = false;
  for (const r of ranges) {
    const last = fixed.at(-1);
    if (last === undefined || last.type !== r.type || last.end <= r.start) {
      fixed.push(r);
      continue;
    }
    changed = true;
    if (last.end >= r.end) continue;
    if (last.start === r.start) fixed[fixed.length - 1] = r;
    else fixed.push({ ...r, start: last.end });
  }
  return changed ? fixed : null;
}

/** End of the real-mode interrupt vector table, which BIOS code still uses. */
const REAL_MODE_IVT_END = 0x400n;

/** The map without the RAM below 0x400, as kexec-tools reports it; sorted by start. */
export function withoutRealModeIvt(ranges: readonly MemoryRange[]): MemoryRange[] {
  const cut = ranges.flatMap((r) => {
    if (r.type !== "ram" || r.start >= REAL_MODE_IVT_END) return [r];
    return r.end > REAL_MODE_IVT_END ? [{ ...r, start: REAL_MODE_IVT_END }] : [];
  });
  // RAM that now begins later may stand in front of what overlapped it.
  return cut.sort(byStart);
}

/**
 * True if the running kernel added memory from EFI's map to the firmware's: these additions are in
 * /proc/iomem only. kexec-tools looks for the text in the first 511 bytes of the command line; this
 * looks for the parameter in all of it.
 */
export function efiMapWasAdded(bootCommandLine: string): boolean {
  return hasKernelParameter(bootCommandLine, "add_efi_memmap");
}
