/**
 * gzip and zstd, expanded by the runtime's zlib and zstd. A file is a sequence of gzip members or
 * of zstd frames; other data after them are ignored, as gzread(3) ignores them.
 *
 * The runtime reads only the first member of some files, accepts zstd frames that are cut short,
 * and does not read gzip's header, so this file reads headers and trailers itself. [rfc 1952]
 * [rfc 8878]
 */

import * as zlib from "node:zlib";
import { hex } from "../core/address.ts";
import { Reader } from "../core/bytes.ts";
import { type CheckStart, type Expanded, tooLarge, wrapperError } from "../core/expand.ts";
import { Output } from "../core/output.ts";
import { skippedFrame } from "./recognise.ts";

const GZIP_MAGIC = 0x8b1f;
const GZIP_DEFLATE = 8;
const GZIP_HEADER = 10;
const GZIP_TRAILER = 8;
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const GZIP_RESERVED = 0xe0;

const ZSTD_MAGIC = 0xfd2fb528;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;
// The descriptor at the start of a frame.
const ZSTD_CHECKSUM = 0x04;
const ZSTD_RESERVED = 0x08;
const ZSTD_SINGLE_SEGMENT = 0x20;

/** The most bytes that one call of the runtime produces. */
const PIECE = 1 << 24;

/** The internals of a node:zlib stream, which decode from memory to memory in this thread. The
 * public streams decode in other threads, and the public functions for a whole file hold its data
 * twice. */
interface Engine {
  readonly _handle: {
    onerror(message: string): void;
    /** Stores in `_writeState` how many bytes of the output and of the input are left. */
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputSize: number,
      output: Uint8Array,
      outputAt: number,
      outputSize: number,
    ): void;
  };
  readonly _writeState: Uint32Array;
}

/**
 * Decodes `input` into `output`, to the end of the data, which may be before the end of `input`.
 * @param at the offset of `input` in the file
 * @returns how many bytes of `input` were used
 * @throws KexecError `image.wrapper` where the data are damaged or expand beyond the limit
 */
function decode(
  format: string,
  stream: zlib.InflateRaw | zlib.ZstdDecompress,
  { input, at, flush }: { readonly input: Uint8Array; readonly at: number; readonly flush: number },
  output: Output,
): number {
  const opened: unknown = stream;
  const { _handle: handle, _writeState: state } = opened as Engine;
  let failure: string | null = null;
  handle.onerror = (message) => {
    failure = message;
  };
  try {
    for (let taken = 0; ; ) {
      const space = output.space(PIECE);
      const size = input.length - taken;
      handle.writeSync(flush, input, taken, size, space, 0, space.length);
      if (failure !== null) {
        const where = `the data that begin at offset ${hex(at)} are damaged`;
        throw wrapperError(format, `${where}: ${failure}`);
      }
      const [spaceLeft = 0, inputLeft = 0] = state;
      output.wrote(space.length - spaceLeft);
      taken = input.length - inputLeft;
      // The decoder left space in the output, so it reached the end of the data.
      if (spaceLeft > 0) return taken;
    }
  } finally {
    stream.destroy();
  }
}

/**
 * Offset of the deflate data of the member at `start`. [rfc 1952] 2.3.1
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
function deflateStart(reader: Reader, start: number): number {
  const method = reader.u8(start + 2);
  if (method !== GZIP_DEFLATE) {
    throw wrapperError("gzip", `the method at offset ${hex(start + 2)} is ${method}, not 8`);
  }
  const flags = reader.u8(start + 3);
  if ((flags & GZIP_RESERVED) !== 0) {
    throw wrapperError("gzip", `the flags at offset ${hex(start + 3)} are unknown: ${hex(flags)}`);
  }
  let at = start + GZIP_HEADER;
  if ((flags & FEXTRA) !== 0) at += 2 + reader.u16(at);
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) === 0) continue;
    while (reader.u8(at) !== 0) at += 1;
    at += 1;
  }
  if ((flags & FHCRC) === 0) return at;
  if (reader.u16(at) !== (zlib.crc32(reader.slice(start, at - start)) & 0xffff)) {
    throw wrapperError("gzip", `the header's checksum at offset ${hex(at)} does not match`);
  }
  return at + 2;
}

/** True if a member begins at `at`. gzread(3) also looks at these two bytes only. */
const isMember = (reader: Reader, at: number) =>
  at + 2 <= reader.length && reader.u16(at) === GZIP_MAGIC;

/** Expands the member at `start`; returns where it ends. */
function expandMember(reader: Reader, start: number, output: Output): number {
  const at = deflateStart(reader, start);
  const from = output.length;
  const input = reader.bytes.subarray(at);
  const part = { input, at, flush: zlib.constants.Z_FINISH };
  const end = at + decode("gzip", zlib.createInflateRaw(), part, output);
  const made = output.bytes.subarray(from, output.length);
  if (reader.u32(end) !== zlib.crc32(made) || reader.u32(end + 4) !== made.length % 2 ** 32) {
    throw wrapperError("gzip", `the checksum or size at offset ${hex(end)} does not match`);
  }
  return end + GZIP_TRAILER;
}

/**
 * Expands all consecutive members of a gzip file.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandGzip(bytes: Uint8Array, limit: number, checkStart?: CheckStart): Expanded {
  const reader = new Reader(bytes, "gzip");
  const output = new Output("gzip", limit, checkStart);
  let end = 0;
  do end = expandMember(reader, end, output);
  while (isMember(reader, end));
  return { bytes: output.done(), end };
}

interface ZstdFrame {
  /** null where the header has no size. */
  readonly contentSize: bigint | null;
  readonly end: number;
}

/** The content size in bytes, from a field of `bytes` bytes at `at`; null for a field of 0 bytes. A
 * field of 2 bytes has the size less 256. */
function zstdContentSize(reader: Reader, at: number, bytes: number): bigint | null {
  if (bytes === 1) return BigInt(reader.u8(at));
  if (bytes === 2) return BigInt(reader.u16(at) + 256);
  if (bytes === 4) return BigInt(reader.u32(at));
  return bytes === 8 ? reader.u64(at) : null;
}

/**
 * Reads the headers of the frame at `start` and of its blocks. [rfc 8878] 3.1.1
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
function readZstdFrame(reader: Reader, start: number): ZstdFrame {
  const descriptor = reader.u8(start + 4);
  if ((descriptor & ZSTD_RESERVED) !== 0) {
    throw wrapperError("zstd", `a reserved bit is set at offset ${hex(start + 4)}`);
  }
  const single = (descriptor & ZSTD_SINGLE_SEGMENT) === 0 ? 0 : 1;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? single : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const dictionaryAt = start + 5 + (1 - single);
  // The dictionary ID 0 means that the header names no dictionary.
  if (reader.slice(dictionaryAt, dictionaryBytes).some((byte) => byte !== 0)) {
    throw wrapperError("zstd", `needs the dictionary named at offset ${hex(dictionaryAt)}`);
  }
  const sizeAt = dictionaryAt + dictionaryBytes;
  const contentSize = zstdContentSize(reader, sizeAt, sizeBytes);
  let at = sizeAt + sizeBytes;
  for (let last = 0; last === 0; ) {
    const header = reader.u16(at) | (reader.u8(at + 2) << 16);
    const type = (header >> 1) & 3;
    if (type === BLOCK_RESERVED) throw wrapperError("zstd", `reserved block at offset ${hex(at)}`);
    last = header & 1;
    at += 3 + (type === BLOCK_RLE ? 1 : header >> 3);
  }
  if ((descriptor & ZSTD_CHECKSUM) !== 0) at += 4;
  reader.slice(start, at - start);
  return { contentSize, end: at };
}

/**
 * Expands all consecutive frames of a zstd file; skippable frames are skipped.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandZstd(bytes: Uint8Array, limit: number, checkStart?: CheckStart): Expanded {
  const reader = new Reader(bytes, "zstd");
  const output = new Output("zstd", limit, checkStart);
  let at = 0;
  let frames = 0;
  while (at + 4 <= bytes.length) {
    const skipped = skippedFrame(reader, at);
    if (skipped !== null) {
      at = skipped;
      continue;
    }
    if (reader.u32(at) !== ZSTD_MAGIC) break;
    const { contentSize, end } = readZstdFrame(reader, at);
    if (contentSize !== null && contentSize > output.room) throw tooLarge("zstd", limit);
    const part = { input: bytes.subarray(at, end), at, flush: zlib.constants.ZSTD_e_continue };
    decode("zstd", zlib.createZstdDecompress(), part, output);
    frames += 1;
    at = end;
  }
  if (frames === 0) throw wrapperError("zstd", "cut short before the first frame ends");
  return { bytes: output.done(), end: at };
}
