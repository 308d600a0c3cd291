/**
 * Xen's calls as the backend and the facts see them. Two files serve them: libxenctrl.ts by the
 * library, hypercalls.ts by the privcmd device without any library.
 *
 * Where a call returns a number in place of what it is for, it is minus the error number.
 */

import { type KexecRange, type KexecType, XenKexecSegment } from "./structs.ts";

/** What is to be loaded where. */
export interface XenSegment {
  /** Empty: the memory is mapped for the next kernel, and left as it is. */
  readonly bytes: Uint8Array;
  /** Machine address and length, both multiples of the page size. */
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
  /** The hypercall itself. */
  | { readonly kind: "refused"; readonly errno: number }
  /** Memory that the hypervisor can read; `segment` counts from 0, null: for the call's own. */
  | { readonly kind: "no-memory"; readonly errno: number; readonly segment: number | null };

export interface XenRange {
  readonly start: bigint;
  readonly size: bigint;
}

/**
 * As Xen prints its version: `4.17.7`.
 * @param number XENVER_version's, major in the upper half, or minus the error number
 * @param extra asks for XENVER_extraversion; without an answer there is no third part
 */
export function versionOf(number: number, extra: () => string | number): string | number {
  if (number < 0) return number;
  const rest = extra();
  return `${number >>> 16}.${number & 0xffff}${typeof rest === "string" ? rest : ""}`;
}

/** Bytes of a table of `count` segments, which even without a segment is not nothing. */
export const tableSize = (count: number): number => Math.max(count, 1) * XenKexecSegment.size;

/** Writes the entry of one segment whose bytes a hypercall finds at `buf`, 0 for none. */
export function writeSegment(table: Uint8Array, index: number, buf: bigint, of: XenSegment): void {
  const { bytes, destMaddr, destSize } = of;
  XenKexecSegment.write(
    table,
    { buf, buf_size: BigInt(bytes.length), dest_maddr: destMaddr, dest_size: destSize },
    index * XenKexecSegment.size,
  );
}

export interface XenCalls {
  /** A library's name, or the device. */
  readonly servedBy: string;
  /** `4.17.7` */
  version(): string | number;
  capabilities(): string | number;
  /** The machine's memory map: `E820Entry`s as the firmware gives them. */
  machineMemoryMap(): Uint8Array | number;
  /** `nr` is the physical CPU's number for KEXEC_RANGE_MA_CPU, else 0. */
  getRange(range: KexecRange, nr: number): XenRange | number;
  /** All that was allocated for it is free again when it returns. */
  load(load: XenLoad): XenLoadOutcome;
  unload(type: KexecType): number;
  /** 0 or 1. */
  status(type: KexecType): number;
  /** Returns only where it failed, or for a live update, which begins when it has returned. */
  exec(type: KexecType): number;
  close(): void;
}
