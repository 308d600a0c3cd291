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
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";

/** Of one read(2): kallsyms has some hundred thousand lines, and `_stext` is among the first. */
const KALLSYMS_PART = 1 << 16;

/**
 * Parts of a file, one after the other: no more of it is read than is asked for.
 * @throws what read(2) refuses
 */
function* partsOf(fd: number, length: number): Generator<Uint8Array> {
  for (;;) {
    const bytes = new Uint8Array(length);
    const got = readSync(fd, bytes, 0, length, null);
    if (got === 0) return;
    yield bytes.subarray(0, got);
  }
}

/** Up to `length` bytes from the start of a file, which may be as long as all memory. */
function readStart(files: PseudoFiles, path: string, length: number): Uint8Array {
  return files.opened(path, (fd) => {
    const parts: Uint8Array[] = [];
    let have = 0;
    for (const part of partsOf(fd, length)) {
      parts.push(part);
      have += part.length;
      if (have >= length) break;
    }
    return new Uint8Array(Buffer.concat(parts).subarray(0, length));
  });
}

/** The address of `_stext`; null where kallsyms does not have it, or hides it. */
function readStext(files: PseudoFiles): bigint | null {
  return files.opened(KALLSYMS, (fd) => {
    let rest = "";
    for (const part of partsOf(fd, KALLSYMS_PART)) {
      const text = rest + textOf(part);
      const end = text.lastIndexOf("\n") + 1;
      const found = findStext(text.slice(0, end));
      if (found !== null) return found;
      rest = text.slice(end);
    }
    return findStext(rest);
  });
}

/**
 * Of every CPU that has a place for them, whatever its number: kexec-tools stops at the number of
 * CPUs, and loses some where numbers are left out. One that cannot be read means none: a dump
 * without a CPU should not come as a surprise.
 */
function readCpuNotes(files: PseudoFiles): Range[] {
  const cpus = files
    .names(CPU_DIRECTORY)
    .filter((name) => /^cpu\d+$/.test(name))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)));
  return cpus.flatMap((cpu) => {
    const file = `${CPU_DIRECTORY}/${cpu}/crash_notes`;
    const text = files.optionalText(file);
    if (text === null) return [];
    return [parseCrashNotes(text, files.optionalText(`${file}_size`), file)];
  });
}

interface Mapping {
  readonly kernelText: KernelText | null;
  readonly pageOffset: bigint;
}

function readMapping(files: PseudoFiles, physical: bigint | null, notes: string[]): Mapping {
  if (physical === null) notes.push("Cannot determine kernel physical load addr.");
  const mappings = attempt(notes, () => parseKcore(readStart(files, KCORE, KCORE_HEADERS_SIZE)));
  if (mappings === null) return { kernelText: null, pageOffset: USUAL_PAGE_OFFSET };
  const pageOffset = pageOffsetOf(mappings);
  const mapping = kernelMapping(
    mappings,
    attempt(notes, () => readStext(files)),
  );
  if (mapping === null) notes.push("Can't find kernel text map area from kcore.");
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
    cpuNotes: attempt(notes, () => readCpuNotes(files)) ?? [],
    dom0Vmcoreinfo: null,
    vmcoreinfo: attempt(notes, () => parseVmcoreinfoPlace(files.text(VMCOREINFO))),
    ...readMapping(files, iomemKernelCode(resources), notes),
  };
}
