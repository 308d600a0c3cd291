/**
 * LZ4: the frame format and the legacy one, in which kernels are compressed (`lz4 -l`).
 *
 * It does not check xxHash checksums: an image has checks of its own, and its purgatory's.
 * [lz4 doc/lz4_Frame_format.md] [lz4 doc/lz4_Block_format.md]
 */

import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "./output.ts";

const LZ4_LEGACY_MAGIC = 0x184c2102;
const UNCOMPRESSED = 0x80000000;
const MIN_MATCH = 4;

/** Expands the block of `size` bytes at `start`. */
function expandBlock(reader: Reader, start: number, size: number, output: Output): void {
  const block = reader.slice(start, size);
  let at = 0;
  const next = (): number => {
    const byte = block[at];
    if (byte === undefined) throw wrapperError("lz4", `the block at ${hex(start)} is damaged`);
    at += 1;
    return byte;
  };
  const long = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (let byte = 255; byte === 255; ) {
      byte = next();
      length += byte;
    }
    return length;
  };
  while (at < size) {
    const token = next();
    const literals = long(token >> 4);
    if (at + literals > size) {
      throw wrapperError("lz4", `the data at offset ${hex(start + at)} are cut short`);
    }
    output.add(block.subarray(at, at + literals));
    at += literals;
    if (at === size) return;
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > output.length) {
      throw wrapperError("lz4", `the data at offset ${hex(start + at - 2)} are damaged`);
    }
    output.repeat(distance, long(token & 15) + MIN_MATCH);
  }
}

/** @throws KexecError `image.wrapper`, `struct.truncated` */
export function expandLz4(bytes: Uint8Array, limit: number): Expanded {
  const reader = new Reader(bytes, "lz4 frame");
  const flags = reader.u8(4);
  if (flags >> 6 !== 1) throw wrapperError("lz4", `version ${flags >> 6} at offset 4, not 1`);
  const output = new Output("lz4", limit);
  const hasBlockChecksum = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  for (let word = reader.u32(at); word !== 0; word = reader.u32(at)) {
    at += 4;
    const size = word % UNCOMPRESSED;
    if (word >= UNCOMPRESSED) output.add(reader.slice(at, size));
    else expandBlock(reader, at, size, output);
    at += size + (hasBlockChecksum ? 4 : 0);
  }
  at += 4;
  if ((flags & 0x04) !== 0) {
    reader.u32(at);
    at += 4;
  }
  return { bytes: output.done(), end: at };
}

/** The kernel's build appends the expanded size, which ends the sequence of blocks.
 * @throws KexecError `image.wrapper`, `struct.truncated` */
export function expandLz4Legacy(bytes: Uint8Array, limit: number): Expanded {
  const reader = new Reader(bytes, "lz4 (legacy)");
  const output = new Output("lz4", limit);
  let at = 4;
  while (at + 4 <= bytes.length) {
    const size = reader.u32(at);
    if (size === LZ4_LEGACY_MAGIC) {
      at += 4;
      continue;
    }
    if (at + 4 === bytes.length && size === output.length) break;
    expandBlock(reader, at + 4, size, output);
    at += 4 + size;
  }
  if (at < bytes.length && at + 4 !== bytes.length) reader.u32(at);
  if (output.length === 0) throw wrapperError("lz4", "holds no data");
  return { bytes: output.done(), end: bytes.length };
}
