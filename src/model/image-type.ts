/** What an image type is: one file in image/, one line in its registry. */

import type { Architecture, HostFacts } from "./host-facts.ts";
import type { PurposeTraits, Segment, SegmentRole } from "./load-plan.ts";
import type { MemoryRange } from "./memory.ts";
import type { LoaderRequest, LoadRequest } from "./request.ts";

/** Three answers: not mine (and why), mine, or a throw: mine but broken. */
export type Probe = { readonly match: true } | { readonly match: false; readonly why: string };

/** A file that was read once into private memory. */
export interface InputFile {
  /** As the user gave it, a byte string. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Of all of `bytes`, if whoever read the file computed it on the way. */
  readonly sha256: Uint8Array | null;
}

/** What `--module="FILE ARGUMENTS"` named. */
export interface ModuleFile extends InputFile {
  /** The whole text of the option: path, blank, arguments; a byte string. */
  readonly commandLine: string;
}

export interface PlanInputs {
  readonly kernel: InputFile;
  readonly initrd: InputFile | null;
  /** In the order of the command line. */
  readonly modules: readonly ModuleFile[];
  /** `--dtb` */
  readonly dtb: InputFile | null;
}

/** Where a piece may lie; a piece gets the highest place that fits, or with `from: "bottom"` the
 * lowest. */
export interface Placement {
  readonly role: SegmentRole;
  /** Bytes of memory needed; rounded up to pages. */
  readonly size: bigint;
  /** A power of two; at least a page is used. */
  readonly alignment: bigint;
  /** Lowest start, and one past the highest end. */
  readonly min: bigint;
  readonly max: bigint;
  readonly from: "top" | "bottom";
  /** Only settled memory will do where the host has such: the piece has another place. */
  readonly settledOnly?: boolean;
}

export type EntryBits = 64 | 32 | 16;

export type RealModeSegments = {
  readonly [S in "cs" | "ds" | "es" | "ss" | "fs" | "gs"]: number;
};

/** What the CPU holds when the purgatory jumps to the image (x86; unnamed registers are 0). */
export interface EntryState {
  /** The width of the code that is entered: long mode, which is the usual, protected mode with
   * paging off and flat segments, or real mode. */
  readonly mode?: EntryBits;
  readonly rip: bigint;
  /** For real mode: `cs:rip` is entered, and the stack is at `ss:rsp`. */
  readonly segments?: RealModeSegments;
  /** For real mode: whether interrupts, which are the BIOS's, are on. */
  readonly interrupts?: boolean;
  readonly rax?: bigint;
  readonly rbp?: bigint;
  readonly rsi?: bigint;
  readonly rdi?: bigint;
  readonly rbx?: bigint;
  readonly rsp?: bigint;
}

/** What an image type returns: everything but the purgatory. */
export interface DraftPlan {
  readonly segments: readonly Segment[];
  readonly entryState: EntryState;
  readonly commandLine: string | null;
  /** The address of the command line's NUL, where the image has one that may be added to:
   * `PlanContext.commandLineRoom` bytes are behind it. */
  readonly commandLineEnd?: bigint;
  readonly notes: readonly string[];
}

export interface PlanContext extends PurposeTraits {
  readonly request: LoadRequest;
  readonly facts: HostFacts;
  readonly inputs: PlanInputs;
  /** Bytes to be left free behind the command line's NUL, for what the purgatory appends. */
  readonly commandLineRoom: number;
  /** The command line asked for, `--reuse-cmdline` included; null: none was asked for. */
  readonly commandLine: string | null;
  /** The memory map that is passed to the next kernel, sorted by start. */
  readonly memory: readonly MemoryRange[];
  /** Takes memory. @throws KexecError `plan.no-room` with the size needed and the largest gap */
  place(placement: Placement): bigint;
}

export interface ImageType {
  /** Exactly what `kexec -t` accepts. */
  readonly name: string;
  readonly architectures: readonly Architecture[];
  /** Long names of the loader options that it takes, for `-h`. */
  readonly options: readonly string[];
  /** @throws KexecError where the file is of this type but broken */
  probe(image: Uint8Array): Probe;
  /**
   * What can be said of the image and the command line without laying memory out.
   * @throws KexecError `image.*` where the image cannot be started with them
   */
  check(image: Uint8Array, commandLine: string | null): void;
  /** Whether the checked image can take EFI over from the running kernel. */
  takesEfi(image: Uint8Array): boolean;
  /** The least that its images are entered in, since the purgatory must be reached from there:
   * below 4 GiB for 32, below 1 MiB for 16; absent: 64. */
  readonly entryBits?: EntryBits;
  /** The type that loads the image instead, as `loader` asks; absent or null: this one does. */
  instead?(loader: LoaderRequest, image: Uint8Array): ImageType | null;
  /** Why kexec_file_load cannot load it as `loader` asks, so that only kexec_load may be tried;
   * absent or null: the running kernel may be asked. */
  whyNotByFile?(loader: LoaderRequest): string | null;
  /** Bytes of memory that the checked image has as it starts; absent: as many as the file. */
  memorySize?(image: Uint8Array): bigint;
  /** Lays the checked image out. @throws KexecError where no valid plan exists */
  draft(context: PlanContext): DraftPlan;
}
