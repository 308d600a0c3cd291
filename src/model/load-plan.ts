/**
 * `LoadPlan`: the value that everything before it computes and everything after it obeys. It can be
 * printed, compared, and made for another machine.
 */

import type { KexecError } from "../core/error.ts";
import type { Architecture } from "./architecture.ts";
import type { ImagePurpose } from "./purpose.ts";

export type SegmentRole =
  | "kernel"
  | "initrd"
  | "boot-params"
  /** What is entered in real mode, or lies beside it below 1 MiB. */
  | "real-mode"
  | "boot-notes"
  | "multiboot-info"
  /** The page at 0, as after a BIOS. */
  | "bios-page"
  | "setup-data"
  | "efi-memory-map"
  | "purgatory"
  | "elfcorehdr"
  | "backup"
  | "module"
  | "device-tree"
  /** Has no bytes: memory that the next kernel finds mapped, as it was. */
  | "mapped"
  /** Has no bytes: memory of the running kernel that the next one uses, and gives back. */
  | "preserved";

/** A range of physical memory and what is put there. */
export interface Segment {
  readonly role: SegmentRole;
  /** Physical (Xen: machine) address, page-aligned. */
  readonly start: bigint;
  /** Bytes of memory taken, a multiple of the page size. */
  readonly size: bigint;
  /** What is copied to `start`; the rest of `size` is zeroed by whoever loads it. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, where the purgatory checks it. */
  readonly sha256: Uint8Array | null;
  /** Why it lies where it lies; one sentence. */
  readonly reason: string;
  /** The first address of it that the memory map must call RAM, where that is not `start`. */
  readonly ramFrom?: bigint;
}

/** For kexec_load(2) and Xen's KEXEC_CMD_kexec_load: we lay memory out. */
export interface SegmentPlan {
  readonly kind: "segments";
  readonly purpose: ImagePurpose;
  readonly architecture: Architecture;
  /** Name of the image type, as `-t` takes it. */
  readonly imageType: string;
  /** Where the running kernel jumps to: inside the purgatory, unless `--entry` says otherwise. */
  readonly entry: bigint;
  /** Sorted by start, disjoint. */
  readonly segments: readonly Segment[];
  /** The next kernel's command line, a byte string without NUL; null where the type has none. */
  readonly commandLine: string | null;
  /** `-d`: KEXEC_DEBUG. */
  readonly debug: boolean;
  /** `--hotplug`: the kernel may write a new core header as CPUs and memory come and go. */
  readonly hotplug: boolean;
  /** One sentence for each decision; `-d` prints them. */
  readonly notes: readonly string[];
  /** Sentences on what will most likely fail later: printed whenever such a plan is loaded. */
  readonly warnings: readonly string[];
}

/** For kexec_file_load(2): the running kernel reads the files and lays memory out. */
export interface FilePlan {
  readonly kind: "file";
  readonly purpose: ImagePurpose;
  readonly architecture: Architecture;
  readonly imageType: string;
  /** Open file descriptors, owned by whoever opened them; null means no initrd. */
  readonly kernel: FileReference;
  readonly initrd: FileReference | null;
  /** Byte string without NUL; null: none is passed (arm64 keeps the device tree's). */
  readonly commandLine: string | null;
  /** KEXEC_FILE_DEBUG, KEXEC_FILE_NO_CMA, KEXEC_FILE_FORCE_DTB. */
  readonly debug: boolean;
  readonly noCma: boolean;
  readonly forceDtb: boolean;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** What cannot be asked of kexec_file_load, where another kind of plan may do it. */
export interface NotByFile {
  /** The reason, a sentence. */
  readonly notByFile: string;
  /** The failure that is the reason, where the machine refused: `-a` names it and goes on, `-s`
   * ends with it. */
  readonly failure?: KexecError;
}

export interface FileReference {
  /** As the user gave it, a byte string. */
  readonly path: string;
  readonly fd: number;
  /** In bytes. */
  readonly size: bigint;
  /** What is handed over was extracted from the file at `path`. */
  readonly extracted?: true;
}

export type LoadPlan = SegmentPlan | FilePlan;
export type PlanKind = LoadPlan["kind"];
