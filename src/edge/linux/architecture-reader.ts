/** The interface through which read-facts.ts reads what only one architecture has. Each
 * architecture has one file that implements it, and one line in read-facts.ts. */

import type { IomemResource } from "../../facts/iomem.ts";
import type { FactNote } from "../../model/fact-note.ts";
import type { CrashFacts, EfiFacts, HostFacts, MemoryMap } from "../../model/host-facts.ts";
import type { PseudoFiles } from "../files/read-pseudo-files.ts";

/** ioctl(2): fills `argument`; returns at least 0, or minus the error number. */
export type Ioctl = (fd: number, request: number, argument: Uint8Array) => number;

/** Where the running kernel's text and the direct mapping of physical memory are. */
export type KernelMapping = Pick<CrashFacts, "kernelText" | "pageOffset">;

/** The sources of facts. */
export interface FactsInput {
  readonly files: PseudoFiles;
  /** All resources of /proc/iomem; null where it could not be read. */
  readonly resources: readonly IomemResource[] | null;
  /** /proc/cmdline; null where it could not be read. */
  readonly bootCommandLine: string | null;
  /** null: do not open devices. */
  readonly ioctl: Ioctl | null;
  /** Each reader appends a note for each fact that it could not read. */
  readonly notes: FactNote[];
}

/** The facts that only one architecture's kernel shows, and the address of ACPI's root pointer,
 * which is read from them. */
export type OwnFacts = Pick<HostFacts, "x86_64" | "acpiRsdp">;

/** The methods do not throw for a file that is missing or damaged: the fact is then null or empty,
 * and `notes` gets the reason. */
export interface ArchitectureReader {
  readMemoryMap(input: FactsInput): MemoryMap | null;
  /** @param physical start of "Kernel code" in /proc/iomem; null where it has no such line */
  readKernelMapping(input: FactsInput, physical: bigint | null): KernelMapping;
  readOwnFacts(input: FactsInput, efi: EfiFacts | null): OwnFacts;
}
