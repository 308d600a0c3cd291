/** Reads what a crash kernel must be told of the running Linux; for loads of one only. */

import { readSync } from "node:fs";
import { textOf } from "../../core/bytes.ts";
import type { Range } from "../../core/range.ts";
import {
  CPU_DIRECTORY,
  parseCrashNotes,
  parseVmcoreinfoPlace,
  VMCOREINFO,
} from "../../facts/crash-notes.ts";
import { type IomemResource, iomemDumpRanges, iomemKernelCode } from "../../facts/iomem.ts";
import {
  findStext,
  KALLSYMS,
  KCORE,
  KCORE_HEADERS_SIZE,
  kernelMapping,
  pageOffsetOf,
  parseKcore,
  USUAL_PAGE_OFFSET,
} from "../../facts/kernel-text.ts";
import type { CrashFacts, KernelText } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "./read-pseudo-files.ts";

/** Symbols come by address after those of the CPUs' own data: some thousand lines. */
const KALLSYMS_PART = 1 << 20;

/** Up to `length` bytes from the start of a file that may have no end. */
function readStart(files: PseudoFiles, path: string, length: number): Uint8Array {
  return files.opened(path, (fd) => {
    const bytes = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      const got = readSync(fd, bytes, have, length - have, null);
      if (got === 0) break;
      have += got;
    }
    return bytes.subarray(0, have);
  });
}

function readCpuNotes(files: PseudoFiles, notes: string[]): Range[] {
  const names = attempt(notes, () => files.names(CPU_DIRECTORY)) ?? [];
  const cpus = names
    .filter((name) => /^cpu\d+$/.test(name))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)));
  return cpus.flatMap((cpu) => {
    const file = `${CPU_DIRECTORY}/${cpu}/crash_notes`;
    const found = attempt(notes, () => {
      const text = files.optionalText(file);
      if (text === null) return null;
      return parseCrashNotes(text, files.optionalText(`${file}_size`), file);
    });
    return found === null ? [] : [found];
  });
}

interface Mapping {
  readonly kernelText: KernelText | null;
  readonly pageOffset: bigint;
}

function readMapping(files: PseudoFiles, physical: bigint | null, notes: string[]): Mapping {
  const mappings = attempt(notes, () => parseKcore(readStart(files, KCORE, KCORE_HEADERS_SIZE)));
  if (mappings === null) return { kernelText: null, pageOffset: USUAL_PAGE_OFFSET };
  const symbols = attempt(notes, () => textOf(readStart(files, KALLSYMS, KALLSYMS_PART)));
  const mapping = kernelMapping(mappings, symbols === null ? null : findStext(symbols));
  const pageOffset = pageOffsetOf(mappings);
  if (mapping === null) notes.push("Can't find kernel text map area from kcore.");
  if (physical === null) notes.push("Cannot determine kernel physical load addr.");
  if (mapping === null || physical === null) return { kernelText: null, pageOffset };
  const size = mapping.end - mapping.start;
  return { kernelText: { physical, virtual: mapping.start, size }, pageOffset };
}

/** What is missing or damaged is null or empty, and a note. */
export function readCrashFacts(
  files: PseudoFiles,
  resources: readonly IomemResource[],
  notes: string[],
): CrashFacts {
  return {
    memory: iomemDumpRanges(resources),
    cpuNotes: readCpuNotes(files, notes),
    vmcoreinfo: attempt(notes, () => parseVmcoreinfoPlace(files.text(VMCOREINFO))),
    ...readMapping(files, iomemKernelCode(resources), notes),
  };
}
