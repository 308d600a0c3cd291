/** Reads what segments will have at an address. */

import { Reader } from "../../../core/bytes.ts";
import type { Segment } from "../../../model/load-plan.ts";

/** What lies at an address, as far as a segment has it. */
export interface Found {
  readonly segment: Segment;
  /** From the address to the end of the segment's bytes. */
  readonly bytes: Uint8Array;
}

/** The `size` bytes at `address`; null where no segment has all of them. */
export function bytesAt(
  segments: readonly Segment[],
  address: bigint,
  size: number,
): Uint8Array | null {
  const found = foundAt(segments, address);
  return found === null || found.bytes.length < size ? null : found.bytes.subarray(0, size);
}

/** The segment that has a byte for `address`; null where there is none. */
export function foundAt(segments: readonly Segment[], address: bigint): Found | null {
  const segment = segments.find(
    ({ start, bytes }) => address >= start && address < start + BigInt(bytes.length),
  );
  if (segment === undefined) return null;
  return { segment, bytes: segment.bytes.subarray(Number(address - segment.start)) };
}

/** The number of 32 bits at `address`; null where it is in no segment. */
export function wordAt(segments: readonly Segment[], address: bigint): bigint | null {
  const bytes = bytesAt(segments, address, 4);
  return bytes === null ? null : BigInt(new Reader(bytes, "segment").u32(0));
}

/** Bytes of the text at `address` with its NUL; one more than there are where it has none. */
export function textSize(segments: readonly Segment[], address: bigint): bigint {
  const bytes = foundAt(segments, address)?.bytes ?? new Uint8Array(0);
  const nul = bytes.indexOf(0);
  return BigInt(nul < 0 ? bytes.length : nul) + 1n;
}
