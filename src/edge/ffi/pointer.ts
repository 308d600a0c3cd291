/** Addresses of memory that JavaScript owns, and protection of it from garbage collection. */

import { type Pointer, ptr, read } from "bun:ffi";

/** Address of `bytes`; 0 for an empty array, whose address bun:ffi refuses to return. */
export function addressOf(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(ptr(bytes));
}

/** `address` as bun:ffi's pointer. @throws RangeError for 0 and for numbers above 2^53 - 1, which
 * are no address in a process */
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

/** Memory that a running C function uses: the garbage collector keeps what this array refers to. */
const inUse: unknown[] = [];

/**
 * Calls `call`, and keeps all of `memory` from garbage collection until it returns. Needed wherever
 * memory is passed as a number or in a structure: the collector does not see such an address.
 */
export function keeping<T>(memory: readonly unknown[], call: () => T): T {
  inUse.push(memory);
  try {
    return call();
  } finally {
    inUse.pop();
  }
}

/** The bytes of `text`, a byte string, and a terminating NUL. @throws RangeError where `text` has a
 * NUL itself */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError(`a NUL inside ${JSON.stringify(text)}`);
  return new Uint8Array(Buffer.from(`${text}\0`, "latin1"));
}
