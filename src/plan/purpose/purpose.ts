/** The interface of a purpose, for which an image is planned: each purpose has a file here. */

import type { Range } from "../../core/range.ts";
import type { Arch, PurgatoryRequest } from "../../model/arch.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { Piece } from "../../model/image-type.ts";
import type { Segment } from "../../model/load-plan.ts";
import type { MemoryRange } from "../../model/memory.ts";
import type { ImagePurpose, PurposeTraits } from "../../model/purpose.ts";
import type { LoadRequest } from "../../model/request.ts";
import type { Bounds } from "../placer.ts";

/** The memory that is taken when the image starts, in bytes. */
export interface LoadedSize {
  /** All that is loaded, the initrd included. */
  readonly total: bigint;
  /** The initrd as it is in its file; 0 without one. */
  readonly initrd: bigint;
}

/** How the placer treats the destinations. */
export interface PlacerSettings {
  /** Memory that is better than the rest; null: all of it is equally good. */
  readonly preferred: readonly Range[] | null;
  /** The reasons for the destinations' bounds, for the error of a segment that does not fit. */
  readonly bounds: Bounds;
  /** A sentence for the same error; may be empty. */
  readonly remark: string;
}

/** What a purpose plans from. */
export interface PurposeInputs {
  readonly arch: Arch;
  /** Whether the image can take EFI over from the running kernel. */
  readonly takesEfi: boolean;
  /** Takes memory from the destinations, and makes the segment.
   * @throws KexecError `plan.no-room` */
  readonly put: (piece: Piece) => Segment;
}

/** What is planned for a purpose besides the image. */
export interface PurposePlan {
  /** E.g. the core header of a dump, and the backup of low memory. */
  readonly segments: readonly Segment[];
  /** What the purgatory copies before it starts the image; null: nothing. */
  readonly backup: PurgatoryRequest["backup"];
  /** The memory map that is passed to the next kernel, sorted by start. */
  readonly memory: readonly MemoryRange[];
  /** Kernel parameters that are appended to the requested command line, in order. */
  readonly parameters: readonly string[];
  /** Whether the kernel may rewrite the core header, whose digest is then not checked. */
  readonly hotplug: boolean;
  /** One sentence for each decision. */
  readonly notes: readonly string[];
}

/** A purpose on one machine, for kexec_load and for Xen: onekexec places the segments. */
export interface SegmentPurpose {
  /** Memory that segments may go to, `--mem-min` and `--mem-max` applied; sorted, disjoint. */
  readonly destinations: readonly Range[];
  readonly placer: PlacerSettings;
  /**
   * Plans what the purpose needs besides the image.
   * @throws KexecError `facts.*`, `plan.*` where the machine lacks a fact that the purpose needs,
   *   or memory
   */
  planForPurpose(inputs: PurposeInputs): PurposePlan;
  /**
   * Segments without bytes, added once all others are known: memory of the running kernel that is
   * swapped away while the next one runs.
   * @param loaded all segments with contents
   */
  preservedSegments(loaded: readonly Segment[]): Segment[];
  /** Sentences on what will most likely fail although the load works.
   * @param commandLine the next kernel's whole command line */
  warnings(loaded: LoadedSize, commandLine: string | null): string[];
}

/** A purpose on one machine, for kexec_file_load: the running kernel places the segments. */
export interface FilePurpose {
  /** Why kexec_file_load cannot load for this purpose; null: it can. */
  readonly refusal: string | null;
  /** The most bytes that the running kernel itself adds to the command line. */
  readonly addedByKernel: number;
  /** One sentence for each thing that the running kernel decides or leaves out. */
  readonly notes: readonly string[];
  /** As `SegmentPurpose.warnings`. */
  warnings(loaded: LoadedSize, commandLine: string | null): string[];
}

/** A range of physical memory as the picture of a plan names it: "free" where segments may go. */
export type MemoryPiece = Range & { readonly what: string };

export interface Purpose extends PurposeTraits {
  readonly name: ImagePurpose;
  /** Prefixes of the parameters that `--reuse-cmdline` does not take from the running kernel's
   * command line. [kexec-man --reuse-cmdline] */
  readonly notReused: readonly string[];
  /** Whether the image may jump back to the running kernel: then the purgatory appends the address
   * to jump to to the command line. */
  readonly jumpsBack: boolean;
  /**
   * The purpose on a machine, for a plan of segments.
   * @throws KexecError `facts.memory-map`, `plan.no-crash-region` where the machine has no memory
   *   for it
   */
  forSegments(request: LoadRequest, facts: HostFacts): SegmentPurpose;
  /**
   * The purpose on a machine, for kexec_file_load.
   * @throws KexecError `plan.no-crash-region` where the machine has no memory for it
   */
  forFiles(request: LoadRequest, facts: HostFacts, arch: Arch): FilePurpose;
  /** The memory map with the names of its pieces in the picture of a plan. */
  memoryPieces(facts: HostFacts): MemoryPiece[];
  /** The name of `destinations` in the error of a segment that lies outside them. */
  destinationName(destinations: readonly Range[]): string;
}
