/**
 * The header of a network boot image: the load addresses of the file's pieces, and the entry point.
 *
 * [nbi] "Draft Net Boot Image Proposal 0.3", with the linear entry that Etherboot added
 */

import { GIB, hex } from "../../../core/address.ts";
import { failImage } from "../../../core/error.ts";
import { defineStruct, u8, u16, u32 } from "../../../core/struct.ts";

export const NBI_MAGIC = 0x1b031336;
/** Size of the header with its records, which are loaded too, in bytes. */
const HEAD_SIZE = 512;
/** The unit of the lengths in headers, in bytes. */
const WORD = 4;

/** Bits of the header's `flags`; 9 to 30 must be 0. */
const RETURNS = 1 << 8;
const RESERVED = 0x7fff_fe00;
const LINEAR_ENTRY = 0x8000_0000;

const Header = defineStruct("NBI header", 16, {
  magic: u32(0),
  /** Bits 0 to 3: length of the header, bits 4 to 7: of the vendor's part, in words. */
  flags: u32(4),
  location_offset: u16(8),
  location_segment: u16(10),
  /** Offset and segment, or a linear address. */
  entry: u32(12),
});

const Record = defineStruct("NBI record", 16, {
  lengths: u8(0),
  vendor_tag: u8(1),
  reserved: u8(2),
  flags: u8(3),
  load_address: u32(4),
  image_length: u32(8),
  memory_length: u32(12),
});

/** Bits of a record's `flags`: two bits for the base of its address, one for the last record. */
const FROM = 0x03;
const LAST = 0x04;
const UNKNOWN = 0xf8;
const [FROM_ZERO, FROM_LAST_END, FROM_MEMORY_END, FROM_LAST_START] = [0, 1, 2, 3];

/** A piece at physical address `start`: `bytes`, and zeros up to `size` bytes. */
export interface NbiPiece {
  readonly start: bigint;
  readonly size: bigint;
  readonly bytes: Uint8Array;
}

export interface NbiImage {
  /** In the order of the file: a later piece overwrites an earlier one. */
  readonly pieces: readonly NbiPiece[];
  /** The physical address of the header. */
  readonly location: { readonly segment: number; readonly offset: number };
  readonly entry:
    | { readonly bits: 16; readonly segment: number; readonly offset: number }
    | { readonly bits: 32; readonly address: bigint };
}

function refuse(message: string, hint?: string): never {
  return failImage({ code: "image.nbi", message, ...(hint === undefined ? {} : { hint }) });
}

const linear = (segment: number, offset: number): bigint => BigInt(segment * 16 + offset);
/** The sum of the two lengths in a byte, in bytes. */
const ownLength = (lengths: number): number => (lengths & 0xf) * WORD;
const vendorLength = (lengths: number): number => (lengths >> 4) * WORD;

function readHeader(image: Uint8Array) {
  if (image.length < HEAD_SIZE) refuse(`the file is cut short: it has ${image.length} bytes`);
  const header = Header.read(image);
  const { flags } = header;
  if (ownLength(flags & 0xff) !== Header.size) {
    refuse(`the header length at offset 4 is ${ownLength(flags & 0xff)} bytes, not 16`);
  }
  if ((flags & RETURNS) !== 0) {
    refuse("the image returns to its loader (bit 8 at offset 4), but kexec leaves none in memory");
  }
  if ((flags & RESERVED) !== 0) {
    refuse(`reserved bits ${hex(flags & RESERVED)} at offset 4 are set, but must be 0`);
  }
  return header;
}

interface RecordAt {
  readonly record: ReturnType<typeof Record.read>;
  readonly at: number;
}

/** The records up to the one that is marked as the last. */
function readRecords(image: Uint8Array, first: number): RecordAt[] {
  const records: RecordAt[] = [];
  for (let at = first; ; ) {
    if (at + Record.size > HEAD_SIZE) {
      refuse(`no record in the first ${HEAD_SIZE} bytes is marked as the last`);
    }
    const record = Record.read(image, at);
    const { lengths, flags } = record;
    if (ownLength(lengths) !== Record.size) {
      refuse(`the record at ${hex(at)} has a length of ${ownLength(lengths)} bytes, not 16`);
    }
    if ((flags & UNKNOWN) !== 0) {
      refuse(
        `unknown bits ${hex(flags & UNKNOWN)} of the record's flags at ${hex(at + 3)} are set, ` +
          "but must be 0",
      );
    }
    records.push({ record, at });
    if ((flags & LAST) !== 0) return records;
    at += Record.size + vendorLength(lengths);
  }
}

/** The physical address of a record's piece. @param last the piece before it */
function startOf({ record, at }: RecordAt, last: NbiPiece, memoryEnd: bigint): bigint {
  const { flags, load_address, memory_length } = record;
  const address = BigInt(load_address);
  const starts = {
    [FROM_ZERO]: address,
    [FROM_LAST_END]: last.start + last.size + address,
    [FROM_MEMORY_END]: memoryEnd - address,
    [FROM_LAST_START]: last.start - address,
  };
  const start = starts[flags & FROM] ?? address;
  if (start >= 0n && start + BigInt(memory_length) <= 4n * GIB) return start;
  return refuse(
    `the record at ${hex(at)} needs ${hex(memory_length)} bytes of memory outside the first 4 GiB`,
  );
}

function readEntry({ flags, entry }: ReturnType<typeof Header.read>): NbiImage["entry"] {
  if ((flags & LINEAR_ENTRY) !== 0) return { bits: 32, address: BigInt(entry) };
  return { bits: 16, segment: entry >>> 16, offset: entry & 0xffff };
}

/** @throws KexecError `image.nbi` for an entry point outside the loaded bytes */
function checkEntry(entry: NbiImage["entry"], pieces: readonly NbiPiece[]): void {
  const at = entry.bits === 32 ? entry.address : linear(entry.segment, entry.offset);
  const inside = pieces.some(
    ({ start, bytes }) => at >= start && at < start + BigInt(bytes.length),
  );
  if (!inside) refuse(`the entry point ${hex(at)} is outside the loaded bytes`);
}

/** A file that begins with `NBI_MAGIC`: its header and records. */
export interface NbiFile {
  readonly bytes: Uint8Array;
  readonly header: ReturnType<typeof Header.read>;
  readonly records: readonly RecordAt[];
}

/** @throws KexecError `image.nbi` */
export function readNbi(bytes: Uint8Array): NbiFile {
  const header = readHeader(bytes);
  const records = readRecords(bytes, Header.size + vendorLength(header.flags & 0xff));
  return { bytes, header, records };
}

/**
 * The pieces of the file with their addresses.
 * @param memoryEnd one past the last address of memory, the base of some pieces' addresses
 * @throws KexecError `image.nbi`
 */
export function nbiImage({ bytes: file, header, records }: NbiFile, memoryEnd: bigint): NbiImage {
  const { location_segment: segment, location_offset: offset } = header;
  const head = file.subarray(0, HEAD_SIZE);
  let last: NbiPiece = { start: linear(segment, offset), size: BigInt(HEAD_SIZE), bytes: head };
  const pieces = [last];
  let at = HEAD_SIZE;
  for (const found of records) {
    const { image_length, memory_length } = found.record;
    const bytes = file.subarray(at, at + image_length);
    if (bytes.length < image_length) {
      refuse(
        `the file is cut short: it has ${file.length} bytes, but the record at ` +
          `${hex(found.at)} needs ${at + image_length}`,
      );
    }
    const size = BigInt(Math.max(memory_length, image_length));
    last = { start: startOf(found, last, memoryEnd), size, bytes };
    pieces.push(last);
    at += image_length;
  }
  const entry = readEntry(header);
  checkEntry(entry, pieces);
  return { pieces, location: { segment, offset }, entry };
}
