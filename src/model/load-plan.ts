/**
 * `LoadPlan`: what is to be loaded, and where, as a value. Planning computes it, and a backend
 * hands it over unchanged. It can be printed, compared, and made for another machine.
 */

import type { KexecError } from "../core/error.ts";
import type { Architecture } from "./architecture.ts";
import type { ImagePurpose } from "./purpose.ts";

export type SegmentRole =
  | "kernel"
  | "initrd"
  | "boot-params"
  /** Code that is entered in real mode, and data that it needs below 1 MiB. */
  | "real-mode"
  | "boot-notes"
  | "multiboot-info"
  /** The page at address 0, with what a BIOS leaves there. */
  | "bios-page"
  | "setup-data"
  | "efi-memory-map"
  | "purgatory"
  | "elfcorehdr"
  | "backup"
  | "module"
  | "device-tree"
  /** Has no bytes: memory that the host must map for the next kernel, contents unchanged. */
  | "mapped"
  /** Has no bytes: memory that is swapped with the running kernel's while the next one runs. */
  | "preserved";

/** A range of physical memory and the bytes that are loaded there. */
export interface Segment {
  readonly role: SegmentRole;
  /** Physical (Xen: machine) address, page-aligned. */
  readonly start: bigint;
  /** Memory that it takes, in bytes, a multiple of the page size. */
  readonly size: bigint;
  /** The bytes for `start`; the host that loads the segment zeroes the rest of `size`. */
  readonly bytes: Uint8Array;
  /** XXH64 of `bytes`; null: the purgatory does not check this segment. */
  readonly digest: bigint | null;
  /** Why it lies where it lies; one sentence. */
  readonly reason: string;
  /** The address from which on it must be RAM in the memory map; left out: `start`. */
  readonly ramFrom?: bigint;
}

/** For kexec_load(2) and Xen's KEXEC_CMD_kexec_load: onekexec places the segments. */
export interface SegmentPlan {
  readonly kind: "segments";
  readonly purpose: ImagePurpose;
  readonly architecture: Architecture;
  /** The name of the image type, as `-t` accepts it. */
  readonly imageType: string;
  /** Physical address to which the running kernel jumps: in the purgatory, unless `--entry` is
   * given. */
  readonly entry: bigint;
  /** Sorted by start, disjoint. */
  readonly segments: readonly Segment[];
  /** The next kernel's command line, a byte string without NUL; null where the type has none. */
  readonly commandLine: string | null;
  /** `-d`: KEXEC_DEBUG. */
  readonly debug: boolean;
  /** `--hotplug`: the kernel updates the core header on CPU and memory hotplug. */
  readonly hotplug: boolean;
  /** One sentence for each decision; `-d` prints them. */
  readonly notes: readonly string[];
  /** Sentences on what will most likely fail after the load; every load prints them. */
  readonly warnings: readonly string[];
}

/** For kexec_file_load(2): the running kernel reads the files and places the segments. */
export interface FilePlan {
  readonly kind: "file";
  readonly purpose: ImagePurpose;
  readonly architecture: Architecture;
  readonly imageType: string;
  /** Open files; their opener closes them. `initrd` is null without one. */
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

/** The result where kexec_file_load cannot load the image, but kexec_load may. */
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
  /** `fd` is not the file at `path`, but has contents that were extracted from it. */
  readonly extracted?: true;
}

export type LoadPlan = SegmentPlan | FilePlan;
export type PlanKind = LoadPlan["kind"];
