/** Addresses of memory that JavaScript owns, and keeping that memory while C uses it. */

import { type Pointer, ptr, read } from "bun:ffi";

/** Where `bytes` lie; 0 where there are none, for which bun:ffi has no address. */
export function addressOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(ptr(bytes));
}

/** @throws RangeError for 0 and for what no address of this process can be */
export function asPointer(address: bigint): Pointer {
  if (address <= 0n || address > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`0x${address.toString(16)} is no address of this process`);
  }
  return Number(address) as Pointer;
}

/** The byte string at `address` up to its NUL, which must be there. */
export function textAt(address: Pointer): string {
  const chars: string[] = [];
  for (let at = 0; ; at += 1) {
    const byte = read.u8(address, at);
    if (byte === 0) return chars.join("");
    chars.push(String.fromCharCode(byte));
  }
}

/** What C is using now. Reachable from here, nothing in it is collected. */
const inUse: unknown[] = [];

/**
 * Calls `call` while all of `memory` is kept. Needed wherever an address is inside a structure:
 * the collector does not see it there.
 */
export function keeping<T>(memory: readonly unknown[], call: () => T): T {
  inUse.push(memory);
  try {
    return call();
  } finally {
    inUse.pop();
  }
}

/** `text`, a byte string, with the NUL that C wants. @throws RangeError where it has one inside */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError(`a NUL inside ${JSON.stringify(text)}`);
  return new Uint8Array(Buffer.from(`${text}\0`, "latin1"));
}
