/** Reads the facts of the running Linux that a crash kernel needs. Read for `-p` only. */

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
/** For sorting names that `CPU` matches, which have no leading zeros, by their numbers. */
const byCpu = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

/**
 * Where the kernel saves each CPU's notes, for all CPUs in sysfs, in the order of their numbers.
 * kexec-tools counts up to the number of CPUs, and so misses some where numbers are not contiguous.
 * @throws KexecError where the notes of any CPU cannot be read, since the dump would lack that CPU
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

/** The facts for a crash kernel. A fact that is missing or damaged is null or empty, and `notes`
 * gets the reason. */
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
