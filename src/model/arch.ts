/** The interface of an architecture, which is one folder in arch/ and one line in its registry. */

import type { Range } from "../core/range.ts";
import type { Architecture } from "./architecture.ts";
import type { Container } from "./container.ts";
import type { EntryState } from "./entry-state.ts";
import type { ArchFindings } from "./finding.ts";
import type { HostFacts } from "./host-facts.ts";
import type { ImageType } from "./image-type.ts";
import type { Segment } from "./load-plan.ts";
import type { MemoryRange } from "./memory.ts";
import type { Pointer, PointingPlan } from "./pointer.ts";
import type { ConsoleRequest } from "./request.ts";

/** What a purgatory is built from. */
export interface PurgatoryRequest {
  readonly entryState: EntryState;
  /** Segments whose `digest` is to be checked before the jump; empty with `--no-checks`. */
  readonly checked: readonly Segment[];
  readonly console: ConsoleRequest;
  /** RAM that the purgatory copies to `destination` before it starts a crash kernel; null: none. */
  readonly backup: { readonly source: Range; readonly destination: bigint } | null;
  /** Physical address of the command line's NUL, where the purgatory appends the address to jump
   * back to; null: it appends nothing. */
  readonly jumpBackText: bigint | null;
}

export interface Purgatory {
  /** Memory that it takes, in bytes, a multiple of the page size. */
  size(): bigint;
  /**
   * Its bytes, and its entry point as an offset from its start, in bytes.
   * @param start the physical address to which it is loaded
   * @throws KexecError `purgatory.*` for a request that it does not support
   */
  build(
    request: PurgatoryRequest,
    start: bigint,
  ): { readonly bytes: Uint8Array; readonly entry: bigint };
}

/** What is passed to a crash kernel, or to a kernel for which the running one is preserved. */
export interface CrashHandoff {
  /** Physical address of the core header, a multiple of the page size; null: there is none. */
  readonly elfcorehdr: bigint | null;
  /** The RAM that the kernel may use, sorted, disjoint. */
  readonly usable: readonly Range[];
  /** The kernel's memory map, sorted: `usable` without the segments that must stay, and other
   * memory that the kernel must know of. */
  readonly memory: readonly MemoryRange[];
  /** `--pass-memmap-cmdline`: `memory` goes on the command line. */
  readonly memoryByCommandLine: boolean;
  /** Whether the kernel takes EFI over from the running one. */
  readonly efi: boolean;
  /** Physical address of the ACPI root pointer; null: not known. */
  readonly acpiRsdp: bigint | null;
}

/** The rules for crash kernels of one architecture. */
export interface ArchCrashRules {
  /** e_machine of the core header. [elf] */
  readonly elfMachine: number;
  /** One past the end of the low memory without which the architecture's kernels do not run, so
   * that the purgatory saves it before a crash kernel uses it; null: a crash kernel needs none. */
  readonly lowMemoryEnd: bigint | null;
  /** The kernel parameters that pass `handoff` to the kernel, in order. */
  parameters(handoff: CrashHandoff): readonly string[];
  /** The most bytes that kexec_file_load itself adds to a crash kernel's command line. */
  readonly addedByKernel: number;
  /** One sentence: how kexec_file_load passes the core header. */
  readonly fileNote: string;
}

export interface Arch {
  readonly name: Architecture;
  /** The page sizes that onekexec supports on this architecture, in bytes. */
  readonly pageSizes: readonly number[];
  /** One past the highest physical address of any machine of this architecture. */
  readonly physicalEnd: bigint;
  /** The image types in the order in which they are tried: the first match wins. [kexec-tools] */
  readonly imageTypes: readonly ImageType[];
  readonly containers: readonly Container[];
  readonly purgatory: Purgatory;
  /** Every address in the purgatory's parameters, in the next kernel's registers, and in the data
   * that these lead to. @throws KexecError for a purgatory that cannot be read */
  pointers(plan: PointingPlan): readonly Pointer[];
  /** The findings of `--doctor` that only this architecture has. */
  findings(facts: HostFacts): ArchFindings;
  /** Notes on the machine for a plan by kexec_file_load, one sentence each. */
  fileNotes(facts: HostFacts): readonly string[];
  readonly crash: ArchCrashRules;
  /** The most bytes that the purgatory appends to the command line for a jump back. */
  readonly jumpBackRoom: number;
}
