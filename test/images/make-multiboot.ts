/** Multiboot headers byte by byte from the specifications, and not by the tables under test. */

import { pattern } from "../plan/pieces.ts";
import { makeElf } from "./make-elf.ts";

const words = (values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value >>> 0, true);
  });
  return bytes;
};

/** A version 1 header; `addresses`: header, load, load end, bss end, entry. */
export function multibootHeader(flags: number, addresses: readonly number[] = []): Uint8Array {
  return words([0x1badb002, flags, -(0x1badb002 + flags), ...addresses]);
}

/** A multiboot2 header; each tag: type, flags, and words. */
export function multiboot2Header(
  tags: readonly (readonly [type: number, flags: number, ...words: number[]])[],
): Uint8Array {
  const body = [...tags, [0, 0] as const].flatMap(([type, flags, ...rest]) => {
    const padding = rest.length % 2 === 0 ? [] : [0];
    return [type | (flags << 16), 8 + rest.length * 4, ...rest, ...padding];
  });
  const length = 16 + body.length * 4;
  return words([0xe85250d6, 0, length, -(0xe85250d6 + length), ...body]);
}

/** An ELF file with `header` near its start, for physical address 2 MiB. */
export function multibootElf(header: Uint8Array, bits: 32 | 64 = 32): Uint8Array {
  const bytes = pattern(0x800);
  bytes.set(header, bits === 32 ? 0x14 : 0x10);
  // The ELF headers take 0x54 or 0x78 bytes, which puts the header at a multiple of 8.
  const shifted = bits === 32 ? bytes.subarray(0x10) : bytes.subarray(0x8);
  return makeElf({ bits, parts: [{ physical: 0x200000n, bytes: shifted, memorySize: 0x3000n }] });
}
