/** Reads what a crash kernel must be told of the running Linux; for loads of one only. */

import type { Range } from "../../core/range.ts";
import {
  CPU_DIRECTORY,
  parseCrashNotes,
  parseVmcoreinfoPlace,
  VMCOREINFO,
} from "../../facts/crash-notes.ts";
import { iomemDumpRanges, iomemKernelCode } from "../../facts/iomem.ts";
import type { CrashFacts } from "../../model/host-facts.ts";
import { attempt, type PseudoFiles } from "../files/read-pseudo-files.ts";
import type { ArchitectureReader, FactsInput } from "./architecture-reader.ts";

const CPU = /^cpu[0-9]+$/;
/** For sorting names that `CPU` matches. */
const byCpu = (a: string, b: string): number => {
  const [one = 0n, other = 0n] = [a, b].map((name) => BigInt(name.slice("cpu".length)));
  return one < other ? -1 : one > other ? 1 : 0;
};

/**
 * Of every CPU that has a place for them, whatever its number: kexec-tools stops at the number of
 * CPUs, and loses some where numbers are left out. One that cannot be read means none: a dump
 * without a CPU should not come as a surprise.
 */
function readCpuNotes(files: PseudoFiles): Range[] {
  const cpus = files
    .names(CPU_DIRECTORY)
    .filter((name) => CPU.test(name))
    .sort(byCpu);
  return cpus.flatMap((cpu) => {
    const file = `${CPU_DIRECTORY}/${cpu}/crash_notes`;
    const text = files.optionalText(file);
    if (text === null) return [];
    return [parseCrashNotes(text, files.optionalText(`${file}_size`), file)];
  });
}

/** What is missing or damaged is null or empty, and a note. */
export function readCrashFacts(
  input: FactsInput,
  { readKernelMapping }: ArchitectureReader,
): CrashFacts {
  const { files, notes } = input;
  const resources = input.resources ?? [];
  const readVmcoreinfo = () => parseVmcoreinfoPlace(files.text(VMCOREINFO));
  return {
    memory: iomemDumpRanges(resources),
    cpuNotes: attempt(notes, () => readCpuNotes(files), "CPU notes") ?? [],
    dom0Vmcoreinfo: null,
    vmcoreinfo: attempt(notes, readVmcoreinfo, "vmcoreinfo"),
    ...readKernelMapping(input, iomemKernelCode(resources)),
  };
}
