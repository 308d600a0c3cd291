/**
 * Addresses and sizes of physical memory. Addresses are `bigint`, because a number cannot hold 64
 * bits; lengths of buffers are `number`. `toLength` converts a size to a length.
 */

import { fail } from "./error.ts";

/** One past the last address that 64 bits can name. */
export const ADDRESS_END = 1n << 64n;
export const KIB = 1024n;
export const MIB = 1024n * KIB;
export const GIB = 1024n * MIB;

/** `0x…`, as the kernel prints addresses. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** Rounds up to a multiple of `alignment`, a power of two. */
export function alignUp(value: bigint, alignment: bigint): bigint {
  return (value + alignment - 1n) & ~(alignment - 1n);
}

/** Rounds down to a multiple of `alignment`, a power of two. */
export function alignDown(value: bigint, alignment: bigint): bigint {
  return value & ~(alignment - 1n);
}

export function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

/**
 * Converts a size in bytes to a buffer length.
 * @param what the name of the size in the error
 * @throws KexecError `struct.size` beyond 2^53 - 1, which no buffer can have.
 */
export function toLength(value: bigint, what: string): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    fail({ code: "struct.size", message: `${what}: ${hex(value)} is not a valid buffer length` });
  }
  return Number(value);
}

/** A size for people: `9 MiB`, `1.5 GiB`, `512 bytes`. */
export function humanSize(bytes: bigint | number): string {
  const value = Number(bytes);
  if (value < 1024) return `${value} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let scaled = value;
  let unit = -1;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const text = scaled >= 100 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toFixed(1);
  return `${text} ${units[unit]}`;
}
