/**
 * Xen's calls as edge/host and edge/backend see them. Two serve them: libxenctrl (xenctrl.ts), and
 * the privcmd device without any library (xen-direct.ts).
 *
 * Where a call returns a number in place of what it is for, it is minus the error number.
 */

import type { KexecRange, KexecType } from "./xen-structs.ts";

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

export interface XenCalls {
  /** A library's name, or the device. */
  readonly servedBy: string;
  /** `4.17.7` */
  version(): string | number;
  capabilities(): string | number;
  /** The machine's memory map: entries of 20 bytes as the firmware gives them, u64 address, u64
   * size, u32 type. */
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

/** [linux include/uapi/linux/elf-em.h]; Xen's kexec knows no other that runs Linux today. */
export const EM_X86_64 = 62;
