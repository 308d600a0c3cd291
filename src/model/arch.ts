/** What an architecture is to everything else: one folder in arch/, one line in its registry. */

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

/** What the purgatory has to know. */
export interface PurgatoryRequest {
  readonly entryState: EntryState;
  /** Segments whose `sha256` is to be checked before the jump; empty with `--no-checks`. */
  readonly checked: readonly Segment[];
  readonly console: ConsoleRequest;
  /** What is copied before the jump, for a crash kernel; in bytes. */
  readonly backup: { readonly source: Range; readonly destination: bigint } | null;
  /** Physical address of the command line's NUL, where the address to jump back to is appended;
   * null: it is not. */
  readonly jumpBackText: bigint | null;
}

export interface Purgatory {
  /** Bytes of memory that it takes, a multiple of the page size. */
  size(): bigint;
  /**
   * Its bytes, and its entry as an offset from its start.
   * @param start the physical address that it is loaded to
   * @throws KexecError `purgatory.*` for what it cannot do
   */
  build(
    request: PurgatoryRequest,
    start: bigint,
  ): { readonly bytes: Uint8Array; readonly entry: bigint };
}

/** What a crash kernel, or one that the running kernel is preserved for, has to learn. */
export interface CrashHandoff {
  /** Physical address of the core header, a multiple of the page size; null: there is none. */
  readonly elfcorehdr: bigint | null;
  /** What the kernel may use as its RAM, sorted, disjoint. */
  readonly usable: readonly Range[];
  /** `usable` without what segments keep, and memory that the kernel must know of; sorted. */
  readonly memory: readonly MemoryRange[];
  /** `--pass-memmap-cmdline`: `memory` goes on the command line. */
  readonly memoryByCommandLine: boolean;
  /** Whether the kernel takes EFI over from the running one. */
  readonly efi: boolean;
  /** Physical address of the ACPI root pointer; null: not known. */
  readonly acpiRsdp: bigint | null;
}

/** What crash kernels of one architecture have of their own. */
export interface ArchCrashRules {
  /** One past the end of the low memory that the architecture's kernels cannot do without, so that
   * it is backed up before a crash kernel uses it; null: a crash kernel needs none. */
  readonly lowMemoryEnd: bigint | null;
  /** The kernel parameters that pass `handoff` to the kernel, in order. */
  parameters(handoff: CrashHandoff): readonly string[];
  /** Most bytes that kexec_file_load itself adds to a crash kernel's command line. */
  readonly addedByKernel: number;
  /** One sentence: how kexec_file_load passes the core header. */
  readonly fileNote: string;
}

export interface Arch {
  readonly name: Architecture;
  /** In bytes; a machine with others is none of this architecture. */
  readonly pageSizes: readonly number[];
  /** One past the highest physical address that any machine of it has. */
  readonly physicalEnd: bigint;
  /** The image types. The order is behaviour: the first that matches is taken. [kexec-tools] */
  readonly imageTypes: readonly ImageType[];
  readonly containers: readonly Container[];
  readonly purgatory: Purgatory;
  /** Every address in the purgatory's parameters, in the next kernel's registers, and in what they
   * lead to. @throws KexecError for a purgatory that cannot be read */
  pointers(plan: PointingPlan): readonly Pointer[];
  /** What `--doctor` says of a machine of this architecture alone. */
  findings(facts: HostFacts): ArchFindings;
  /** What a plan by kexec_file_load says of the machine, a sentence each. */
  fileNotes(facts: HostFacts): readonly string[];
  readonly crash: ArchCrashRules;
  /** Most bytes that the purgatory appends to the command line of an image that may jump back. */
  readonly jumpBackRoom: number;
}
