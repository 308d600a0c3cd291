/**
 * Bytes, byte strings, and numbers in bytes.
 *
 * Command lines, file names and the kernel's own texts are bytes, not Unicode. This program keeps
 * them as **byte strings**: JavaScript strings in which each character is one byte (U+0000 to
 * U+00FF). `textOf` and `bytesOf` are the only way in and out, and lose nothing.
 */

import { fail } from "./error.ts";

/** The byte string with these bytes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/**
 * The bytes of a byte string.
 * @throws RangeError for a character above U+00FF: a bug, since all text from outside is read as a
 *   byte string
 */
export function bytesOf(text: string): Uint8Array {
  if (!isByteString(text)) throw new RangeError(`not a byte string: ${JSON.stringify(text)}`);
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** True if every character of `text` is one byte. */
export function isByteString(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 0xff) return false;
  }
  return true;
}

/** Without ASCII's blanks at both ends. JavaScript's `trim` treats the byte 0xa0 as one, which may
 * be part of a letter. */
export function withoutBlanks(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+/, "").replace(/[ \t\n\v\f\r]+$/, "");
}

/** The byte string up to, not including, the first NUL; all of it where there is none. */
export function textUntilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return textOf(end < 0 ? bytes : bytes.subarray(0, end));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}

/** The pieces concatenated; a single piece is returned without a copy. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads numbers at absolute offsets of a file or structure, little-endian by default.
 *
 * A read beyond the end throws a `KexecError` `struct.truncated` that names the structure, the
 * field's offset, and both sizes, so that no parser throws a bare RangeError.
 */
export class Reader {
  readonly bytes: Uint8Array;
  readonly what: string;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, what: string, littleEndian = true) {
    this.bytes = bytes;
    this.what = what;
    this.#little = littleEndian;
    this.#view = view(bytes);
  }

  get length(): number {
    return this.bytes.length;
  }

  u8(offset: number): number {
    this.#need(offset, 1);
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    this.#need(offset, 2);
    return this.#view.getUint16(offset, this.#little);
  }

  u32(offset: number): number {
    this.#need(offset, 4);
    return this.#view.getUint32(offset, this.#little);
  }

  u64(offset: number): bigint {
    this.#need(offset, 8);
    return this.#view.getBigUint64(offset, this.#little);
  }

  slice(offset: number, length: number): Uint8Array {
    this.#need(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  #need(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.bytes.length) return;
    fail({
      code: "struct.truncated",
      message:
        `${this.what}: cut short: ${length} bytes at offset 0x${offset.toString(16)} are needed, ` +
        `there are ${this.bytes.length} bytes in all`,
    });
  }
}

/** Writes little-endian numbers at absolute offsets; a write out of bounds throws RangeError. */
export class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = view(bytes);
  }

  u8(offset: number, value: number): void {
    this.#view.setUint8(offset, checkedUint(value, 8));
  }

  u16(offset: number, value: number): void {
    this.#view.setUint16(offset, checkedUint(value, 16), true);
  }

  u32(offset: number, value: number): void {
    this.#view.setUint32(offset, checkedUint(value, 32), true);
  }

  u64(offset: number, value: bigint): void {
    if (value < 0n || value >= 1n << 64n) throw new RangeError(`${value} is not a u64`);
    this.#view.setBigUint64(offset, value, true);
  }

  set(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
  }
}

function checkedUint(value: number, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(`${value} is not a u${bits}`);
  }
  return value;
}
