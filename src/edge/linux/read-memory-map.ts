/** Reads where memory is, and what of it is reserved for crash kernels. */

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

/** All of /proc/iomem; null, and a note, where it cannot be read or is damaged. */
export function readIomem({
  files,
  notes,
}: Pick<FactsInput, "files" | "notes">): readonly IomemResource[] | null {
  const iomem = attempt(notes, () => parseIomem(files.text(IOMEM)), "memory map");
  notes.push(...(iomem?.notes ?? []).map((note) => noteOf(note, "memory map")));
  return iomem?.resources ?? null;
}

/** "Crash kernel" lines of /proc/iomem; empty where nothing is reserved, or it is not known. */
export function crashRegionsOf({ resources }: FactsInput): readonly Range[] {
  return resources === null ? [] : iomemCrashRegions(resources);
}

/** What `crashkernel=SIZE,cma` reserved; empty where nothing is, or the kernel is too old to say. */
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

/** What the running kernel uses as RAM; null where it is not known. */
export function systemRamOf({ resources }: FactsInput): readonly Range[] | null {
  return resources === null ? null : iomemSystemRam(resources);
}

/** The memory map where nothing knows it better than /proc/iomem. */
export function iomemMap({ resources }: FactsInput): MemoryMap | null {
  return resources === null ? null : { source: "iomem", ranges: iomemUsableRam(resources) };
}
