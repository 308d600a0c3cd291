/**
 * What an image type is: one file in image/ or arch/NAME/image/, one line in its architecture's
 * list. It reads a file once, and what it found is an `Image`, which everything else asks.
 */

import type { CommandLine, CommandLineLimit } from "../core/command-line.ts";
import type { NoRoom } from "../core/no-room.ts";
import type { Range } from "../core/range.ts";
import type { EntryState } from "./entry-state.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Segment, SegmentRole } from "./load-plan.ts";
import type { MemoryRange } from "./memory.ts";
import type { PurposeTraits } from "./purpose.ts";
import type { LoaderRequest, LoadRequest } from "./request.ts";

/** A file that was read once into private memory. */
export interface InputFile {
  /** As the user gave it, a byte string. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** What of the file at `path` it is, where it is not all of it: `the kernel in the uki image`. */
  readonly part?: string;
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

/** Where a piece of memory may lie; it gets the highest place that fits, or with `from: "bottom"`
 * the lowest. */
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
  /** Only guest-owned memory will do where the host has such: the piece has another place. */
  readonly guestOwnedOnly?: boolean;
}

/** A segment that is to be put somewhere. What is left out of its placement: as many bytes as
 * `bytes` has, any page, the highest that is free. */
export interface Piece extends Partial<Omit<Placement, "role">> {
  readonly role: SegmentRole;
  /** Bytes that hold addresses are made once the place is known; `size` then says how many. */
  readonly bytes: Uint8Array | ((start: bigint) => Uint8Array);
  /** Why it lies where it lies; one sentence. */
  readonly reason: string | ((start: bigint) => string);
}

/** A segment whose place the image names; `start` and `size` are whole pages. */
export interface FixedPiece {
  readonly role: SegmentRole;
  readonly start: bigint;
  readonly size: bigint;
  /** Made only once all of its memory is free: a broken file may ask for any amount. */
  readonly bytes: () => Uint8Array;
  readonly reason: string;
  readonly guestOwnedOnly?: boolean;
}

/** What an image drafts: everything but the purgatory. */
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
  readonly commandLine: CommandLine | null;
  /** The memory map that is passed to the next kernel, sorted by start. */
  readonly memory: readonly MemoryRange[];
  /** Takes memory and makes the segment.
   * @throws KexecError `plan.no-room` with the size needed and the largest gap */
  put(piece: Piece): Segment;
  /** As `put`, where the image has another place for the piece. */
  tryPut(piece: Piece): Segment | NoRoom;
  /** Takes all of the memory that the pieces name, or none of it. */
  tryPutFixed(pieces: readonly FixedPiece[]): Segment[] | NoRoom;
}

/** Where the purgatory may lie, which the image is entered from. */
export interface PurgatoryPlace {
  /** Lowest start, and one past the highest end. */
  readonly window: Range;
  /** `first` gives the purgatory the highest place in the window; `last`, where the image names
   * addresses in the same little memory, what the image leaves. */
  readonly order: "first" | "last";
}

/** A file that its type has read, and found to be whole. */
export interface Image {
  readonly match: true;
  /** The name of its type: exactly what `kexec -t` accepts. */
  readonly type: string;
  /** Long names of the loader options that it takes. */
  readonly options: readonly string[];
  /** null: it takes a command line of any length, or none. */
  readonly commandLineLimit: CommandLineLimit | null;
  /** Whether it can take EFI over from the running kernel. */
  readonly takesEfi: boolean;
  /** Bytes of memory that it has as it starts. */
  readonly memorySize: bigint;
  /** Why kexec_file_load cannot load it as asked, so that only kexec_load may be tried; null: the
   * running kernel may be asked. */
  readonly whyNotByFile: string | null;
  readonly purgatory: PurgatoryPlace;
  /**
   * Lays the image out.
   * @throws KexecError where no valid plan exists: `ImageError` for what the image cannot do
   */
  draft(context: PlanContext): DraftPlan;
}

/** The file is of another type, and why. */
export interface NotMine {
  readonly match: false;
  readonly why: string;
}

export const notMine = (why: string): NotMine => ({ match: false, why });

export interface ImageType {
  /** Exactly what `kexec -t` accepts. */
  readonly name: string;
  /** Long names of the loader options that it takes, for `-h`. */
  readonly options: readonly string[];
  /**
   * Reads `file`, once, as `loader` asks for it: another entry of the same file may be another
   * type's.
   * @param facts the machine, which may rule an entry out; absent: nothing is known of it
   * @throws KexecError where the file is of this type but broken
   */
  parse(file: Uint8Array, loader: LoaderRequest, facts?: HostFacts): Image | NotMine;
}
