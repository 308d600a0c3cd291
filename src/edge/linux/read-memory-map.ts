/** Reads where memory is, from the firmware's map or /proc/iomem, whichever is to be trusted. */

import type { Range } from "../../core/range.ts";
import {
  efiMapWasAdded,
  FIRMWARE_MEMMAP,
  fixMemoryRanges,
  parseFirmwareMemmap,
  withoutRealModeIvt,
} from "../../facts/firmware-memmap.ts";
import {
  IOMEM,
  type IomemResource,
  iomemCrashRegions,
  iomemMemoryRanges,
  iomemUsableRam,
  parseIomem,
} from "../../facts/iomem.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { MemoryMap } from "../../model/host-facts.ts";
import type { MemoryRange } from "../../model/memory.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

export interface MemoryFacts {
  readonly memoryMap: MemoryMap | null;
  readonly crashRegions: readonly Range[];
  /** All of /proc/iomem; null where it could not be read. */
  readonly resources: readonly IomemResource[] | null;
}

/** @throws KexecError where the directory is missing, or any of it is damaged */
function readFirmwareMemmap(files: PseudoFiles, notes: string[]): MemoryRange[] {
  const entries = files.names(FIRMWARE_MEMMAP).map((name) => ({
    name,
    start: files.text(`${FIRMWARE_MEMMAP}/${name}/start`),
    end: files.text(`${FIRMWARE_MEMMAP}/${name}/end`),
    type: files.text(`${FIRMWARE_MEMMAP}/${name}/type`),
  }));
  const memmap = parseFirmwareMemmap(entries);
  notes.push(...memmap.notes);
  return fixMemoryRanges(memmap.ranges);
}

function x86MemoryMap(
  files: PseudoFiles,
  resources: readonly IomemResource[] | null,
  bootCommandLine: string | null,
  notes: string[],
): MemoryMap | null {
  if (bootCommandLine !== null && efiMapWasAdded(bootCommandLine)) {
    notes.push(`The kernel was booted with add_efi_memmap, so ${IOMEM} is the memory map.`);
  } else {
    const ranges = attempt(notes, () => readFirmwareMemmap(files, notes));
    if (ranges !== null) return { source: "firmware-memmap", ranges: withoutRealModeIvt(ranges) };
    notes.push(`${FIRMWARE_MEMMAP} is of no use, so ${IOMEM} is the memory map.`);
  }
  if (resources === null) return null;
  return { source: "iomem", ranges: withoutRealModeIvt(iomemMemoryRanges(resources)) };
}

/**
 * The memory map and the crash regions. What is missing or damaged is null or empty, and a note.
 * [kexec-tools] decides between the two sources in the same way.
 */
export function readMemoryFacts(
  files: PseudoFiles,
  architecture: Architecture | null,
  bootCommandLine: string | null,
  notes: string[],
): MemoryFacts {
  const iomem = attempt(notes, () => parseIomem(files.text(IOMEM)));
  notes.push(...(iomem?.notes ?? []));
  const resources = iomem?.resources ?? null;
  const crashRegions = resources === null ? [] : iomemCrashRegions(resources);
  if (architecture === "x86_64") {
    const memoryMap = x86MemoryMap(files, resources, bootCommandLine, notes);
    return { memoryMap, crashRegions, resources };
  }
  const memoryMap: MemoryMap | null =
    resources === null ? null : { source: "iomem", ranges: iomemUsableRam(resources) };
  return { memoryMap, crashRegions, resources };
}
