/** What the reading of facts asks of an architecture: one file each, one line in read-facts.ts. */

import type { IomemResource } from "../../facts/iomem.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { CrashFacts, EfiFacts, HostFacts, MemoryMap } from "../../model/host-facts.ts";
import type { PseudoFiles } from "../files/read-pseudo-files.ts";

/** ioctl(2): fills `argument`; returns 0 or more, or -errno. */
export type Ioctl = (fd: number, request: number, argument: Uint8Array) => number;

/** Where the running kernel, and all of memory, are mapped. */
export type KernelMapping = Pick<CrashFacts, "kernelText" | "pageOffset">;

/** What facts are read from. */
export interface FactsInput {
  readonly files: PseudoFiles;
  /** All of /proc/iomem; null where it could not be read. */
  readonly resources: readonly IomemResource[] | null;
  /** /proc/cmdline; null where it could not be read. */
  readonly bootCommandLine: string | null;
  /** null: no device is asked. */
  readonly ioctl: Ioctl | null;
  /** Each reader appends what it could not read as expected. */
  readonly notes: FactNote[];
}

/** The facts that only one architecture's kernel has, and where ACPI's root pointer is by them. */
export type OwnFacts = Pick<HostFacts, "x86_64" | "acpiRsdp">;

/** Nothing of it throws for what the machine shows: what is missing or damaged is null or empty,
 * and a note. */
export interface ArchitectureReader {
  readMemoryMap(input: FactsInput): MemoryMap | null;
  /** @param physical where /proc/iomem says that the kernel's code is; null: it does not say */
  readKernelMapping(input: FactsInput, physical: bigint | null): KernelMapping;
  readOwnFacts(input: FactsInput, efi: EfiFacts | null): OwnFacts;
}
