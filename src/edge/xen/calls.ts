/**
 * The interface of Xen's calls. Two files implement it: libxenctrl.ts with the library, and
 * hypercalls.ts with the privcmd device alone.
 *
 * A call that returns a number in place of its result returns minus the error number.
 */

import { type KexecRange, type KexecType, XenKexecSegment } from "./structs.ts";

/** A segment to load. */
export interface XenSegment {
  /** Empty: Xen maps the memory for the next kernel, and does not change it. */
  readonly bytes: Uint8Array;
  /** Machine address and length in bytes, both multiples of the page size (4 KiB). */
  readonly destMaddr: bigint;
  readonly destSize: bigint;
}

export interface XenLoad {
  readonly type: KexecType;
  /** ELF machine number. */
  readonly arch: number;
  readonly entryMaddr: bigint;
  readonly segments: readonly XenSegment[];
}

export type XenLoadOutcome =
  | { readonly kind: "loaded" }
  /** The hypercall failed. */
  | { readonly kind: "refused"; readonly errno: number }
  /** There was no memory for a hypercall buffer: for the bytes of `segment`, counted from 0, or
   * (null) for the hypercall's arguments. */
  | { readonly kind: "no-memory"; readonly errno: number; readonly segment: number | null };

export interface XenRange {
  readonly start: bigint;
  readonly size: bigint;
}

/**
 * Xen's version as Xen prints it, `4.17.7`; or minus the error number.
 * @param number the result of XENVER_version: the major version in the upper 16 bits, the minor in
 *   the lower; or minus the error number
 * @param extra calls XENVER_extraversion (`.7`); if it fails, the version has two parts
 */
export function versionOf(number: number, extra: () => string | number): string | number {
  if (number < 0) return number;
  const rest = extra();
  return `${number >>> 16}.${number & 0xffff}${typeof rest === "string" ? rest : ""}`;
}

/** Size in bytes of a table of `count` segments; at least one entry, since 0 bytes of memory cannot
 * be allocated. */
export const tableSize = (count: number): number => Math.max(count, 1) * XenKexecSegment.size;

/** Writes the entry of segment `of` into `table`. `buf` is the address of its bytes in memory that
 * a hypercall can read; 0 for none. */
export function writeSegment(table: Uint8Array, index: number, buf: bigint, of: XenSegment): void {
  const { bytes, destMaddr, destSize } = of;
  XenKexecSegment.write(
    table,
    { buf, buf_size: BigInt(bytes.length), dest_maddr: destMaddr, dest_size: destSize },
    index * XenKexecSegment.size,
  );
}

export interface XenCalls {
  /** Name of the library, or path of the device. */
  readonly servedBy: string;
  /** `4.17.7` */
  version(): string | number;
  /** XENVER_capabilities: `xen-3.0-x86_64 hvm-3.0-x86_32 …` */
  capabilities(): string | number;
  /** The machine's memory map: an array of `E820Entry` as Xen has it from the firmware. */
  machineMemoryMap(): Uint8Array | number;
  /** `nr` is the number of the physical CPU for KEXEC_RANGE_MA_CPU, else 0. */
  getRange(range: KexecRange, nr: number): XenRange | number;
  /** Loads an image. Frees its hypercall buffers before it returns. */
  load(load: XenLoad): XenLoadOutcome;
  /** Unloads; succeeds also where no image is loaded. */
  unload(type: KexecType): number;
  /** Xen's status bit of the type of image: 0 or 1. It toggles with each load and unload. */
  status(type: KexecType): number;
  /** Starts the image. Returns on failure, and for a live update, which starts after the return. */
  exec(type: KexecType): number;
  close(): void;
}
