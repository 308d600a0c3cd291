/**
 * gzip and zstd, by the runtime's zlib and zstd. Both formats are sequences of members or frames,
 * with whatever else follows ignored, as gzread(3) ignores it.
 *
 * The runtime reads only the first member of some files and takes zstd frames that are cut short,
 * so where a member or frame ends is found here. [rfc 1952] [rfc 8878]
 */

import * as zlib from "node:zlib";
import { hex } from "../core/address.ts";
import { joined, Reader } from "../core/bytes.ts";
import { type Expanded, tooLarge, wrapperError } from "../core/expand.ts";

const GZIP_HEADER = 10;
const GZIP_TRAILER = 8;
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_SKIPPABLE = 0x184d2a5;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/** Runs a decoder of the runtime, and tells its limit from its other failures. */
function decoding<T>(format: string, at: number, limit: number, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge(format, limit);
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw wrapperError(format, `the data that begin at offset ${hex(at)} are damaged: ${why}`);
  }
}

/** Offset of the deflate data of the member at `start`. */
function deflateStart(reader: Reader, start: number): number {
  const flags = reader.u8(start + 3);
  let at = start + GZIP_HEADER;
  if ((flags & FEXTRA) !== 0) at += 2 + reader.u16(at);
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) === 0) continue;
    while (reader.u8(at) !== 0) at += 1;
    at += 1;
  }
  return (flags & FHCRC) === 0 ? at : at + 2;
}

const isGzip = (bytes: Uint8Array, at: number) =>
  bytes[at] === 0x1f && bytes[at + 1] === 0x8b && bytes[at + 2] === 8;

interface Inflated {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/** @throws KexecError `image.wrapper`, `struct.truncated` */
export function expandGzip(bytes: Uint8Array, limit: number): Expanded {
  const reader = new Reader(bytes, "gzip");
  const pieces: Uint8Array[] = [];
  let room = limit;
  let start = 0;
  do {
    const from = deflateStart(reader, start);
    const options = { maxOutputLength: Math.max(room, 1), info: true };
    const inflated: unknown = decoding("gzip", from, limit, () =>
      zlib.inflateRawSync(bytes.subarray(from), options),
    );
    const { buffer, engine } = inflated as Inflated;
    const end = from + engine.bytesWritten;
    if (reader.u32(end) !== zlib.crc32(buffer) || reader.u32(end + 4) !== buffer.length) {
      throw wrapperError("gzip", `the checksum or size at offset ${hex(end)} does not match`);
    }
    pieces.push(buffer);
    room -= buffer.length;
    if (room < 0) throw tooLarge("gzip", limit);
    start = end + GZIP_TRAILER;
  } while (isGzip(bytes, start));
  return { bytes: joined(pieces), end: start };
}

/** One past the zstd frame at `start`. */
function frameEnd(reader: Reader, start: number): number {
  const descriptor = reader.u8(start + 4);
  const single = (descriptor >> 5) & 1;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? single : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = start + 5 + (1 - single) + dictionaryBytes + sizeBytes;
  for (let last = 0; last === 0; ) {
    const header = reader.u16(at) | (reader.u8(at + 2) << 16);
    const type = (header >> 1) & 3;
    if (type === BLOCK_RESERVED) throw wrapperError("zstd", `no such block at offset ${hex(at)}`);
    last = header & 1;
    at += 3 + (type === BLOCK_RLE ? 1 : header >> 3);
  }
  if (((descriptor >> 2) & 1) !== 0) at += 4;
  if (at > reader.length) reader.slice(at, 0);
  return at;
}

/** @throws KexecError `image.wrapper`, `struct.truncated` */
export function expandZstd(bytes: Uint8Array, limit: number): Expanded {
  const reader = new Reader(bytes, "zstd");
  const pieces: Uint8Array[] = [];
  let room = limit;
  let start = 0;
  while (start + 8 <= bytes.length) {
    const magic = reader.u32(start);
    if (magic >>> 4 === ZSTD_SKIPPABLE) {
      start += 8 + reader.u32(start + 4);
      continue;
    }
    if (magic !== ZSTD_MAGIC) break;
    const end = frameEnd(reader, start);
    const frame = bytes.subarray(start, end);
    const options = { maxOutputLength: Math.max(room, 1) };
    const piece = decoding("zstd", start, limit, () => zlib.zstdDecompressSync(frame, options));
    pieces.push(piece);
    room -= piece.length;
    if (room < 0) throw tooLarge("zstd", limit);
    start = end;
  }
  if (pieces.length === 0) throw wrapperError("zstd", "cut short before the first frame ends");
  return { bytes: joined(pieces), end: start };
}
