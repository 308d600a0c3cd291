/** Reads /proc/iomem: the memory map, and the regions reserved for crash kernels. */

import type { Range } from "../../core/range.ts";
import {
  IOMEM,
  type IomemResource,
  iomemCrashRegions,
  iomemSystemRam,
  iomemUsableRam,
  parseIomem,
} from "../../facts/iomem.ts";
import { CRASH_CMA_RANGES, parseCrashCma } from "../../facts/kexec-state.ts";
import { noteOf } from "../../model/fact-note.ts";
import type { MemoryMap } from "../../model/host-facts.ts";
import { attempt } from "../files/read-pseudo-files.ts";
import type { FactsInput } from "./architecture-reader.ts";

/** All resources of /proc/iomem; null and a note where it cannot be read or is damaged. */
export function readIomem({
  files,
  notes,
}: Pick<FactsInput, "files" | "notes">): readonly IomemResource[] | null {
  const iomem = attempt(notes, () => parseIomem(files.text(IOMEM)), "memory map");
  notes.push(...(iomem?.notes ?? []).map((note) => noteOf(note, "memory map")));
  return iomem?.resources ?? null;
}

/** The "Crash kernel" lines of /proc/iomem; empty where nothing is reserved, or /proc/iomem could
 * not be read. */
export function crashRegionsOf({ resources }: FactsInput): readonly Range[] {
  return resources === null ? [] : iomemCrashRegions(resources);
}

/** The memory that `crashkernel=SIZE,cma` reserved; empty where there is none, or the kernel is too
 * old to report it. */
export function readCrashCma({ files, notes }: FactsInput): readonly Range[] {
  const read = () => {
    for (const file of CRASH_CMA_RANGES) {
      const text = files.optionalText(file);
      if (text !== null) return parseCrashCma(text, file);
    }
    return [];
  };
  return attempt(notes, read, "memory map") ?? [];
}

/** The memory that the running kernel uses as RAM; null where it is unknown. */
export function systemRamOf({ resources }: FactsInput): readonly Range[] | null {
  return resources === null ? null : iomemSystemRam(resources);
}

/** The memory map from /proc/iomem, for machines that have no better source. */
export function iomemMap({ resources }: FactsInput): MemoryMap | null {
  return resources === null ? null : { source: "iomem", ranges: iomemUsableRam(resources) };
}
