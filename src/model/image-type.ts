/**
 * The interface of an image type, which is one file in image/ or arch/NAME/image/ and one line in
 * its architecture's list. It reads a file once, and returns an `Image`, which all others use.
 */

import type { CommandLine, CommandLineLimit } from "../core/command-line.ts";
import type { NoRoom } from "../core/no-room.ts";
import type { Range } from "../core/range.ts";
import type { EntryState } from "./entry-state.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Segment, SegmentRole } from "./load-plan.ts";
import type { MemoryRange } from "./memory.ts";
import type { Payload, UnpackedKernel } from "./payload.ts";
import type { PurposeTraits } from "./purpose.ts";
import type { LoaderRequest, LoadRequest } from "./request.ts";

/** A file, read once. */
export interface InputFile {
  /** As the user gave it, a byte string. */
  readonly path: string;
  /** May be the mapped file itself: nothing writes to them. */
  readonly bytes: Uint8Array;
  /** The name of `bytes` where they are a part of the file: `the kernel in the uki image`. */
  readonly part?: string;
}

/** The file of `--module="FILE ARGUMENTS"`. */
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
  /** The kernel in `kernel`, where it is unpacked before the reboot. */
  readonly unpacked?: UnpackedKernel;
}

/** One of all places that fit, all equally likely: `random`, a number of 64 bits, says which. */
export interface RandomPlace {
  readonly random: bigint;
}

/** Where a piece may lie: it gets the highest place that fits, the lowest, or a random one. */
export interface Placement {
  readonly role: SegmentRole;
  /** Memory that it needs, in bytes; the placer rounds it up to whole pages. */
  readonly size: bigint;
  /** In bytes, a power of two; the placer uses at least the page size. */
  readonly alignment: bigint;
  /** Lowest start, and one past the highest end. */
  readonly min: bigint;
  readonly max: bigint;
  /** What sets each of the two, for the error of a piece that finds no room. */
  readonly minFrom?: string | undefined;
  readonly maxFrom?: string | undefined;
  readonly from: "top" | "bottom" | RandomPlace;
  /** Where the host has guest-owned memory, accept no other: the caller tries another place. */
  readonly guestOwnedOnly?: boolean;
}

/** A segment without its address. Defaults: a size of `bytes.length`, page alignment, any address,
 * from the top. */
export interface Piece extends Partial<Omit<Placement, "role">> {
  readonly role: SegmentRole;
  /** A function for bytes that depend on their address; `size` is then required. */
  readonly bytes: Uint8Array | ((start: bigint) => Uint8Array);
  /** Why it lies where it lies; one sentence. */
  readonly reason: string | ((start: bigint) => string);
}

/** A segment whose place the image names; `start` and `size` are whole pages. */
export interface FixedPiece {
  readonly role: SegmentRole;
  readonly start: bigint;
  readonly size: bigint;
  /** Called only once all of the memory is taken: a broken file may demand any size. */
  readonly bytes: () => Uint8Array;
  readonly reason: string;
  readonly guestOwnedOnly?: boolean;
}

/** An image's part of a plan: everything but the purgatory. */
export interface DraftPlan {
  readonly segments: readonly Segment[];
  readonly entryState: EntryState;
  readonly commandLine: string | null;
  /** Physical address of the command line's NUL, followed by `PlanContext.commandLineRoom` free
   * bytes; left out where nothing can be appended to the command line. */
  readonly commandLineEnd?: bigint;
  readonly notes: readonly string[];
}

export interface PlanContext extends PurposeTraits {
  readonly request: LoadRequest;
  readonly facts: HostFacts;
  readonly inputs: PlanInputs;
  /** Bytes that must stay free behind the command line's NUL, for what the purgatory appends. */
  readonly commandLineRoom: number;
  /** The next kernel's command line; null: none was requested. */
  readonly commandLine: CommandLine | null;
  /** The memory map that is passed to the next kernel, sorted by start. */
  readonly memory: readonly MemoryRange[];
  /** Takes memory and makes the segment.
   * @throws KexecError `plan.no-room` with the size needed and the largest gap */
  put(piece: Piece): Segment;
  /** As `put`, but returns `NoRoom` where the piece does not fit, for another attempt. */
  tryPut(piece: Piece): Segment | NoRoom;
  /** Takes all of the memory that the pieces name, or none of it. */
  tryPutFixed(pieces: readonly FixedPiece[]): Segment[] | NoRoom;
}

/** Where the purgatory may lie, which must be able to jump to the image. */
export interface PurgatoryPlace {
  /** Lowest start, and one past the highest end. */
  readonly window: Range;
  /** What sets the window's end, for errors; undefined: only the width of addresses. */
  readonly maxFrom?: string | undefined;
  /** `first`: the purgatory is placed before the image, at the highest place in the window. `last`:
   * after it, for an image with fixed addresses in the same small window. */
  readonly order: "first" | "last";
}

/** A file that its type has read and checked. */
export interface Image {
  readonly match: true;
  /** The name of its type: exactly what `kexec -t` accepts. */
  readonly type: string;
  /** Long names of the loader options that it accepts. */
  readonly options: readonly string[];
  /** null: there is no limit. */
  readonly commandLineLimit: CommandLineLimit | null;
  /** Whether it can take EFI over from the running kernel. */
  readonly takesEfi: boolean;
  /** Memory that it takes when it starts, in bytes. */
  readonly memorySize: bigint;
  /** Why kexec_file_load cannot load it as requested, so that only kexec_load is tried; null:
   * kexec_file_load may load it. */
  readonly whyNotByFile: string | null;
  readonly purgatory: PurgatoryPlace;
  /**
   * What the image unpacks when it starts, or why it must do that itself, a part of a sentence.
   * Left out where images of its type unpack nothing.
   * @param commandLine the next kernel's
   * @throws ImageError `image.payload`
   */
  payload?(commandLine: string): Payload | { readonly asItIs: string };
  /**
   * Places the image's segments, and determines how it is entered.
   * @throws KexecError where no valid plan exists; `ImageError` where the image is the reason
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
  /** Long names of the loader options that it accepts, for `-h`. */
  readonly options: readonly string[];
  /** Whether a file of this type may begin with `start`, its first `START_SIZE` bytes or more. It
   * looks at magic numbers only: what ends a decompression early must not refuse an image. */
  mayBegin(start: Uint8Array): boolean;
  /**
   * Reads `file` once. It does not match if `loader` requests an entry point of the file that
   * another type handles, e.g. `--entry-32bit`.
   * @param facts the machine, which may rule out an entry point; absent: the machine is unknown
   * @throws KexecError where the file is of this type but broken
   */
  parse(file: Uint8Array, loader: LoaderRequest, facts?: HostFacts): Image | NotMine;
}
