/** What an architecture is to everything else: one folder in arch/, one line in its registry. */

import type { Range } from "../core/range.ts";
import type { Container } from "./container.ts";
import type { EntryState } from "./entry-state.ts";
import type { Architecture } from "./host-facts.ts";
import type { ImageType } from "./image-type.ts";
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
  /** The address of the NUL of the command line that is to say where to jump back to; null: none
   * is. */
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

export interface Arch {
  readonly name: Architecture;
  /** In bytes; a machine with others is none of this architecture. */
  readonly pageSizes: readonly number[];
  /** The image types. The order is behaviour: the first that matches is taken. [kexec-tools] */
  readonly imageTypes: readonly ImageType[];
  readonly containers: readonly Container[];
  readonly purgatory: Purgatory;
  /** Bytes that the running kernel puts in front of a crash kernel's command line when
   * kexec_file_load loads it. */
  readonly fileCrashParameters: number;
}
