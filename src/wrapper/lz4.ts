/**
 * LZ4: the frame format with its checksums, and the legacy one, in which kernels are compressed
 * (`lz4 -l`) and which has none.
 * [lz4 doc/lz4_Frame_format.md] [lz4 doc/lz4_Block_format.md]
 */

import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { xxHash32 } from "../core/digest.ts";
import { type Expanded, wrapperError } from "../core/expand.ts";
import { Output } from "./output.ts";

const LZ4_MAGIC = 0x184d2204;
/** Of a frame that is to be passed over: with any four lowest bits. */
const LZ4_SKIPPABLE = 0x184d2a5;
const LZ4_LEGACY_MAGIC = 0x184c2102;
const UNCOMPRESSED = 0x80000000;
const MIN_MATCH = 4;

// What is in a frame.
const HAS_DICTIONARY = 0x01;
const HAS_CONTENT_CHECKSUM = 0x04;
const HAS_CONTENT_SIZE = 0x08;
const HAS_BLOCK_CHECKSUM = 0x10;

/** Expands the block of `size` bytes at `start`; it may repeat what was made since `from`. */
function expandBlock(
  reader: Reader,
  start: number,
  size: number,
  output: Output,
  from: number,
): void {
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
    if (distance === 0 || distance > output.length - from) {
      throw wrapperError("lz4", `the data at offset ${hex(start + at - 2)} are damaged`);
    }
    output.repeat(distance, long(token & 15) + MIN_MATCH);
  }
}

/** The four bytes at `at`, over `bytes`. */
function check(reader: Reader, at: number, bytes: Uint8Array): void {
  if (reader.u32(at) === xxHash32(bytes)) return;
  throw wrapperError("lz4", `the checksum at offset ${hex(at)} does not match`);
}

interface FrameHeader {
  readonly flags: number;
  /** null where it does not say. */
  readonly contentSize: bigint | null;
  readonly end: number;
}

function readHeader(reader: Reader, start: number): FrameHeader {
  const flags = reader.u8(start + 4);
  if (flags >> 6 !== 1) {
    throw wrapperError("lz4", `version ${flags >> 6} at offset ${hex(start + 4)}, not 1`);
  }
  if ((flags & HAS_DICTIONARY) !== 0) throw wrapperError("lz4", "needs a dictionary");
  const contentSize = (flags & HAS_CONTENT_SIZE) === 0 ? null : reader.u64(start + 6);
  const at = start + (contentSize === null ? 6 : 14);
  // One byte of the checksum.
  const digest = xxHash32(reader.slice(start + 4, at - start - 4));
  if (reader.u8(at) !== ((digest >> 8) & 0xff)) {
    throw wrapperError("lz4", `the checksum at offset ${hex(at)} does not match`);
  }
  return { flags, contentSize, end: at + 1 };
}

/** Expands the frame at `start`; returns where it ends. */
function expandFrame(reader: Reader, start: number, output: Output): number {
  const { flags, contentSize, end } = readHeader(reader, start);
  const from = output.length;
  let at = end;
  for (let word = reader.u32(at); word !== 0; word = reader.u32(at)) {
    at += 4;
    const size = word % UNCOMPRESSED;
    const block = reader.slice(at, size);
    if ((flags & HAS_BLOCK_CHECKSUM) !== 0) check(reader, at + size, block);
    if (word >= UNCOMPRESSED) output.add(block);
    else expandBlock(reader, at, size, output, from);
    at += size + ((flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
  at += 4;
  if (contentSize !== null && contentSize !== BigInt(output.length - from)) {
    const made = output.length - from;
    throw wrapperError("lz4", `${made} bytes at offset ${hex(at)}, not ${contentSize} as it says`);
  }
  if ((flags & HAS_CONTENT_CHECKSUM) === 0) return at;
  check(reader, at, output.bytes.subarray(from, output.length));
  return at + 4;
}

/**
 * Expands all frames that follow one another; what comes behind is ignored.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandLz4(bytes: Uint8Array, limit: number): Expanded {
  const reader = new Reader(bytes, "lz4 frame");
  const output = new Output("lz4", limit);
  let at = expandFrame(reader, 0, output);
  while (at + 8 <= bytes.length) {
    const magic = reader.u32(at);
    if (magic === LZ4_MAGIC) at = expandFrame(reader, at, output);
    else if (magic >>> 4 === LZ4_SKIPPABLE) at += 8 + reader.u32(at + 4);
    else break;
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
    expandBlock(reader, at + 4, size, output, output.length);
    at += 4 + size;
  }
  if (at < bytes.length && at + 4 !== bytes.length) reader.u32(at);
  if (output.length === 0) throw wrapperError("lz4", "holds no data");
  return { bytes: output.done(), end: bytes.length };
}
