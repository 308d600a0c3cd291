/** What an architecture is to a plan: one file in arch/, one line in its registry. */

import type { Range } from "../core/range.ts";
import type { ArchFindings } from "./finding.ts";
import type { Architecture, HostFacts } from "./host-facts.ts";
import type { EntryBits, EntryState } from "./image-type.ts";
import type { Segment } from "./load-plan.ts";
import type { ConsoleRequest } from "./request.ts";

/** What the purgatory has to know. */
export interface PurgatoryRequest {
  readonly entryState: EntryState;
  /** Segments whose `sha256` is to be checked before the jump; empty with `--no-checks`. */
  readonly checked: readonly Segment[];
  readonly console: ConsoleRequest;
  /** What is copied before the jump, for a crash kernel; in bytes. */
  readonly backup: { readonly source: Range; readonly destination: bigint } | null;
  /** Where the command line ends that is to say where to jump back to; null: none is. */
  readonly jumpBackText: bigint | null;
}

export interface Arch {
  readonly name: Architecture;
  /** What `--doctor` says of a machine of this architecture alone. */
  findings(facts: HostFacts): ArchFindings;
  /** What a plan by kexec_file_load says of the machine, a sentence each. */
  fileNotes(facts: HostFacts): readonly string[];
  /** Bytes of memory that the purgatory takes, a multiple of the page size. */
  purgatorySize(): bigint;
  /** Where the purgatory may lie, by what the image is entered in. */
  purgatoryWindow(entryBits: EntryBits): Range;
  /** The purgatory's bytes, and its entry as an offset from its start. */
  buildPurgatory(request: PurgatoryRequest): { readonly bytes: Uint8Array; readonly entry: bigint };
}
