/**
 * LZ4: the frame format, which has checksums, and the legacy format of kernels (`lz4 -l`), which
 * has none. A file may have frames of both, one after the other. [lz4 doc/lz4_Frame_format.md]
 * [lz4 doc/lz4_Block_format.md]
 */

import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { xxHash32 } from "../core/digest.ts";
import { type CheckStart, type Expanded, tooLarge, wrapperError } from "../core/expand.ts";
import { Output } from "../core/output.ts";
import { skippedFrame } from "./recognise.ts";

const FORMAT = "lz4";
const LZ4_MAGIC = 0x184d2204;
const LZ4_LEGACY_MAGIC = 0x184c2102;
const FRAMES: ReadonlySet<number> = new Set([LZ4_MAGIC, LZ4_LEGACY_MAGIC]);
const UNCOMPRESSED = 0x80000000;
const MIN_MATCH = 4;

// The frame descriptor: flags in its first byte (FLG), the block size in its second (BD).
const HAS_DICTIONARY = 0x01;
const FLAGS_RESERVED = 0x02;
const HAS_CONTENT_CHECKSUM = 0x04;
const HAS_CONTENT_SIZE = 0x08;
const HAS_BLOCK_CHECKSUM = 0x10;
const INDEPENDENT_BLOCKS = 0x20;
const BLOCK_SIZE_RESERVED = 0x8f;
/** The most bytes that a block expands to, by its code in the second byte of the descriptor. */
const BLOCK_SIZES: ReadonlyMap<number, number> = new Map([
  [4, 1 << 16],
  [5, 1 << 18],
  [6, 1 << 20],
  [7, 1 << 22],
]);
const LEGACY_BLOCK_SIZE = 8 << 20;
/** The compressed size of such a block at worst, when nothing in it repeats, in bytes. */
const LEGACY_BLOCK_MAX = LEGACY_BLOCK_SIZE + Math.floor(LEGACY_BLOCK_SIZE / 255) + 16;

interface Block {
  readonly start: number;
  readonly size: number;
  /** The most bytes that it may expand to. */
  readonly most: number;
  /** The offset in the output before which a match of this block may not reach. */
  readonly from: number;
}

/** Expands one block, which ends with literals. [lz4 doc/lz4_Block_format.md] */
function expandBlock(reader: Reader, { start, size, most, from }: Block, output: Output): void {
  const block = reader.slice(start, size);
  const end = output.length + most;
  let at = 0;
  const damaged = (offset: number) =>
    wrapperError(FORMAT, `the data at offset ${hex(start + offset)} are damaged`);
  const next = (): number => {
    const byte = block[at];
    if (byte === undefined) throw wrapperError(FORMAT, `the block at ${hex(start)} is damaged`);
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
  for (;;) {
    const token = next();
    const literals = long(token >> 4);
    if (at + literals > size) {
      throw wrapperError(FORMAT, `the data at offset ${hex(start + at)} are cut short`);
    }
    if (output.length + literals > end) throw damaged(at);
    output.add(block.subarray(at, at + literals));
    at += literals;
    if (at === size) return;
    const distanceAt = at;
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > output.length - from) throw damaged(distanceAt);
    const length = long(token & 15) + MIN_MATCH;
    if (output.length + length > end) throw damaged(distanceAt);
    output.repeat(distance, length);
  }
}

/** Compares the xxHash32 of `bytes` with the four bytes at `at`. */
function check(reader: Reader, at: number, bytes: Uint8Array): void {
  if (reader.u32(at) === xxHash32(bytes)) return;
  throw wrapperError(FORMAT, `the checksum at offset ${hex(at)} does not match`);
}

interface FrameHeader {
  readonly flags: number;
  /** The most bytes of a block, compressed or expanded. */
  readonly blockSize: number;
  /** null where the header has no size. */
  readonly contentSize: bigint | null;
  readonly end: number;
}

function readHeader(reader: Reader, start: number): FrameHeader {
  const flags = reader.u8(start + 4);
  if (flags >> 6 !== 1) {
    throw wrapperError(FORMAT, `version ${flags >> 6} at offset ${hex(start + 4)}, not 1`);
  }
  const contentSize = (flags & HAS_CONTENT_SIZE) === 0 ? null : reader.u64(start + 6);
  const dictionaryAt = start + (contentSize === null ? 6 : 14);
  const at = dictionaryAt + ((flags & HAS_DICTIONARY) === 0 ? 0 : 4);
  // The header has one byte of its checksum.
  const digest = xxHash32(reader.slice(start + 4, at - start - 4));
  if (reader.u8(at) !== ((digest >> 8) & 0xff)) {
    throw wrapperError(FORMAT, `the checksum at offset ${hex(at)} does not match`);
  }
  const sizes = reader.u8(start + 5);
  if ((flags & FLAGS_RESERVED) !== 0 || (sizes & BLOCK_SIZE_RESERVED) !== 0) {
    throw wrapperError(FORMAT, `a reserved bit is set at offset ${hex(start + 4)}`);
  }
  const blockSize = BLOCK_SIZES.get(sizes >> 4);
  if (blockSize === undefined) {
    const where = `at offset ${hex(start + 5)}`;
    throw wrapperError(FORMAT, `unknown block size code ${sizes >> 4} ${where}`);
  }
  if ((flags & HAS_DICTIONARY) !== 0) {
    throw wrapperError(FORMAT, `needs the dictionary named at offset ${hex(dictionaryAt)}`);
  }
  return { flags, blockSize, contentSize, end: at + 1 };
}

/** Expands the frame at `start`; returns where it ends. */
function expandFrame(reader: Reader, start: number, limit: number, output: Output): number {
  const { flags, blockSize: most, contentSize, end } = readHeader(reader, start);
  if (contentSize !== null && contentSize > output.room) throw tooLarge(FORMAT, limit);
  const frameFrom = output.length;
  let at = end;
  for (let word = reader.u32(at); word !== 0; word = reader.u32(at)) {
    const size = word % UNCOMPRESSED;
    if (size > most) {
      throw wrapperError(
        FORMAT,
        `a block of ${size} bytes at offset ${hex(at)}, where ${most} are the most`,
      );
    }
    at += 4;
    const bytes = reader.slice(at, size);
    if ((flags & HAS_BLOCK_CHECKSUM) !== 0) check(reader, at + size, bytes);
    const from = (flags & INDEPENDENT_BLOCKS) === 0 ? frameFrom : output.length;
    if (word >= UNCOMPRESSED) output.add(bytes);
    else expandBlock(reader, { start: at, size, most, from }, output);
    at += size + ((flags & HAS_BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
  at += 4;
  const made = output.length - frameFrom;
  if (contentSize !== null && contentSize !== BigInt(made)) {
    throw wrapperError(FORMAT, `${made} bytes at ${hex(at)}, but the header says ${contentSize}`);
  }
  if ((flags & HAS_CONTENT_CHECKSUM) === 0) return at;
  check(reader, at, output.bytes.subarray(frameFrom, output.length));
  return at + 4;
}

const isZero = (bytes: Uint8Array, from: number) =>
  bytes.subarray(from).every((byte) => byte === 0);

/**
 * Expands the legacy frame at `start`; returns where it ends. Such a frame has no end mark: what
 * follows ends it, which is another frame, the end of the file, the expanded size that the kernel's
 * build appends, or zeros.
 */
function expandLegacyFrame(reader: Reader, start: number, output: Output): number {
  const { bytes } = reader;
  for (let at = start + 4; ; ) {
    if (isZero(bytes, at)) return at;
    const size = reader.u32(at);
    if (size === output.length % 2 ** 32 && isZero(bytes, at + 4)) return at + 4;
    if (FRAMES.has(size) || skippedFrame(reader, at) !== null) return at;
    if (size === 0 || size > LEGACY_BLOCK_MAX) {
      throw wrapperError(FORMAT, `${size} is not a size of a block, at offset ${hex(at)}`);
    }
    const block = { start: at + 4, size, most: LEGACY_BLOCK_SIZE, from: output.length };
    expandBlock(reader, block, output);
    at += 4 + size;
  }
}

/**
 * Expands all consecutive frames, legacy or not. Other data after a frame with an end mark are
 * ignored; after a legacy frame they are an error.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandLz4(bytes: Uint8Array, limit: number, checkStart?: CheckStart): Expanded {
  const reader = new Reader(bytes, "lz4 frame");
  const output = new Output(FORMAT, limit, checkStart);
  let at = 0;
  let frames = 0;
  while (at + 4 <= bytes.length) {
    const magic = reader.u32(at);
    const skipped = skippedFrame(reader, at);
    if (skipped !== null) {
      at = skipped;
      continue;
    }
    if (!FRAMES.has(magic)) break;
    const isLegacy = magic === LZ4_LEGACY_MAGIC;
    at = isLegacy ? expandLegacyFrame(reader, at, output) : expandFrame(reader, at, limit, output);
    if (!isLegacy || output.length > 0) frames += 1;
  }
  if (frames === 0) throw wrapperError(FORMAT, "holds no data");
  return { bytes: output.done(), end: at };
}
