/** Expands `.xz` files where the system has no liblzma: blocks of LZMA2, the delta and x86 filters,
 * and all checksums of the format. [xz-format] */

import * as zlib from "node:zlib";
import { hex } from "../core/address.ts";
import { Reader, startsWith } from "../core/bytes.ts";
import { sha256 } from "../core/digest.ts";
import {
  type CheckStart,
  type Expanded,
  isXz,
  nextXzStream,
  wrapperError,
} from "../core/expand.ts";
import { Output } from "../core/output.ts";
import { crc64 } from "./crc64.ts";
import { expandLzma2, expandLzmaFile } from "./lzma.ts";
import { undoDelta, undoX86 } from "./xz-filters.ts";

const FORMAT = "xz";
/** "YZ" */
const FOOTER_MAGIC = 0x5a59;
const STREAM_HEADER = 12;
const STREAM_FOOTER = 12;

const FILTER_DELTA = 0x03;
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;
const HAS_COMPRESSED_SIZE = 0x40;
const HAS_SIZE = 0x80;
const RESERVED = 0x3c;

const damaged = (what: string, at: number) =>
  wrapperError(FORMAT, `the ${what} at offset ${hex(at)} is damaged`);

/** A checksum of the expanded data of a block. */
interface Check {
  readonly size: number;
  matches(data: Uint8Array, reader: Reader, at: number): boolean;
}

const NO_CHECK: Check = { size: 0, matches: () => true };
const CHECKS: ReadonlyMap<number, Check> = new Map([
  [0, NO_CHECK],
  [1, { size: 4, matches: (data, reader, at) => reader.u32(at) === zlib.crc32(data) }],
  [4, { size: 8, matches: (data, reader, at) => reader.u64(at) === crc64(data) }],
  [10, { size: 32, matches: (data, reader, at) => startsWith(reader.slice(at, 32), sha256(data)) }],
]);

/** Reads the format's variable-length integers: seven bits in each byte, lowest first. */
class Fields {
  readonly #reader: Reader;
  readonly #end: number;
  readonly #what: string;
  at: number;

  constructor(reader: Reader, start: number, end: number, what: string) {
    this.#reader = reader;
    this.#end = end;
    this.#what = what;
    this.at = start;
  }

  byte(): number {
    if (this.at >= this.#end) throw damaged(this.#what, this.at);
    this.at += 1;
    return this.#reader.u8(this.at - 1);
  }

  number(): number {
    const start = this.at;
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && scale > 1)) break;
        return value;
      }
      if (scale > Number.MAX_SAFE_INTEGER) break;
    }
    throw damaged(this.#what, start);
  }

  /** Skips zeros up to `end`, or without it up to a multiple of 4 bytes from `start`. */
  padding(start: number, end: number | null = null): void {
    const isDone = () => (end === null ? (this.at - start) % 4 === 0 : this.at === end);
    while (!isDone()) if (this.byte() !== 0) throw damaged(this.#what, this.at - 1);
  }
}

/** Undoes one filter on a block's data, after LZMA2; a block lists its filters in the order of
 * undoing. */
type Filter = (bytes: Uint8Array) => void;

interface BlockHeader {
  readonly size: number;
  /** null where the header has no size. */
  readonly compressedSize: number | null;
  readonly expandedSize: number | null;
  readonly filters: readonly Filter[];
  readonly dictionarySize: number;
}

function readFilter(id: number, properties: Uint8Array, at: number): Filter {
  const [byte = 0] = properties;
  const { length } = properties;
  if (id === FILTER_DELTA && length === 1) return (bytes) => undoDelta(bytes, byte + 1);
  if (id === FILTER_X86 && (length === 0 || length === 4)) {
    const start = length === 0 ? 0 : new Reader(properties, FORMAT).u32(0);
    return (bytes) => undoX86(bytes, start);
  }
  throw wrapperError(FORMAT, `the filter ${hex(id)} at offset ${hex(at)} is not supported`);
}

function readDictionarySize(properties: Uint8Array, at: number): number {
  const [bits] = properties;
  if (properties.length !== 1 || bits === undefined || bits > 40) throw damaged("header", at);
  return bits === 40 ? 0xffffffff : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
}

function readBlockHeader(reader: Reader, start: number): BlockHeader {
  const size = 4 * (reader.u8(start) + 1);
  const end = start + size - 4;
  if (reader.u32(end) !== zlib.crc32(reader.slice(start, size - 4))) throw damaged("header", start);
  const fields = new Fields(reader, start + 1, end, "header");
  const flags = fields.byte();
  if ((flags & RESERVED) !== 0) throw damaged("header", start);
  const compressedSize = (flags & HAS_COMPRESSED_SIZE) === 0 ? null : fields.number();
  const expandedSize = (flags & HAS_SIZE) === 0 ? null : fields.number();
  const filters: Filter[] = [];
  for (let i = flags & 3; ; i -= 1) {
    const at = fields.at;
    const id = fields.number();
    const length = fields.number();
    if (fields.at + length > end) throw damaged("header", at);
    const properties = reader.slice(fields.at, length);
    fields.at += length;
    if (i > 0) {
      filters.unshift(readFilter(id, properties, at));
      continue;
    }
    if (id !== FILTER_LZMA2) {
      throw wrapperError(FORMAT, `the last filter at ${hex(at)} is ${hex(id)}, not LZMA2`);
    }
    const dictionarySize = readDictionarySize(properties, at);
    fields.padding(start, end);
    return { size, compressedSize, expandedSize, filters, dictionarySize };
  }
}

/** A block as the index lists it. */
interface Block {
  /** Bytes in the file, without padding. */
  readonly size: number;
  readonly expandedSize: number;
}

interface ExpandedBlock extends Block {
  readonly end: number;
}

function expandBlock(reader: Reader, start: number, check: Check, output: Output): ExpandedBlock {
  const header = readBlockHeader(reader, start);
  const from = output.length;
  const dataStart = start + header.size;
  const dataEnd = expandLzma2(reader, dataStart, header.dictionarySize, output);
  const compressedSize = dataEnd - dataStart;
  const expandedSize = output.length - from;
  if ((header.compressedSize ?? compressedSize) !== compressedSize) throw damaged("header", start);
  if ((header.expandedSize ?? expandedSize) !== expandedSize) throw damaged("header", start);
  const data = output.bytes.subarray(from, output.length);
  for (const undo of header.filters) undo(data);
  const fields = new Fields(reader, dataEnd, reader.length + 1, "block");
  fields.padding(start);
  if (!check.matches(data, reader, fields.at)) {
    throw wrapperError(FORMAT, `the checksum at offset ${hex(fields.at)} does not match`);
  }
  const size = header.size + compressedSize + check.size;
  return { size, expandedSize, end: fields.at + check.size };
}

/** Compares the index at `start` and the footer with the blocks that were read; returns where the
 * stream ends. */
function checkEnd(reader: Reader, start: number, flags: number, blocks: readonly Block[]): number {
  const fields = new Fields(reader, start + 1, reader.length + 1, "index");
  let same = fields.number() === blocks.length;
  for (const { size, expandedSize } of same ? blocks : []) {
    same &&= fields.number() === size;
    same &&= fields.number() === expandedSize;
  }
  if (!same) throw damaged("index", start);
  fields.padding(start);
  const footer = fields.at + 4;
  const index = reader.slice(start, fields.at - start);
  if (reader.u32(fields.at) !== zlib.crc32(index)) throw damaged("index", start);
  const isFooter =
    reader.u16(footer + 10) === FOOTER_MAGIC &&
    reader.u16(footer + 8) === flags &&
    4 * (reader.u32(footer + 4) + 1) === footer - start &&
    reader.u32(footer) === zlib.crc32(reader.slice(footer + 4, 6));
  if (!isFooter) throw damaged("end", footer);
  return footer + STREAM_FOOTER;
}

/** Expands the stream at `start`; returns where it ends. */
function expandStream(reader: Reader, start: number, output: Output): number {
  const flags = reader.u16(start + 6);
  if (reader.u32(start + 8) !== zlib.crc32(reader.slice(start + 6, 2))) {
    throw damaged("header", start);
  }
  const check = CHECKS.get(flags >> 8);
  if (check === undefined || (flags & 0xff) !== 0) {
    throw wrapperError(FORMAT, `a kind of checksum that is not supported: ${hex(flags)}`);
  }
  const blocks: Block[] = [];
  let at = start + STREAM_HEADER;
  while (reader.u8(at) !== 0) {
    const block = expandBlock(reader, at, check, output);
    blocks.push(block);
    at = block.end;
  }
  return checkEnd(reader, at, flags, blocks);
}

/**
 * Expands `.xz` (all its streams, with the padding between them) and `.lzma`; other data after them
 * are ignored.
 * @throws KexecError `image.wrapper`, `struct.truncated`
 */
export function expandXz(bytes: Uint8Array, limit: number, checkStart?: CheckStart): Expanded {
  if (!isXz(bytes)) return expandLzmaFile(bytes, limit, checkStart);
  const reader = new Reader(bytes, FORMAT);
  const output = new Output(FORMAT, limit, checkStart);
  let end = 0;
  for (let start: number | null = 0; start !== null; start = nextXzStream(bytes, end)) {
    end = expandStream(reader, start, output);
  }
  return { bytes: output.done(), end };
}
