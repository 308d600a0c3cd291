/** Memory that compressed data is expanded into. */

import { tooLarge, wrapperError } from "./expand.ts";

/** What fits into this is held in an array of this size: most of what is small, at once. */
const SMALL = 1 << 16;
/** The largest buffer that the engine makes. */
const BUFFER_MAX = 2 ** 32;
/** Below this, one byte after the other is faster than a call. */
const LONG_REPETITION = 48;

/**
 * What was expanded so far, up to a limit. Repetitions reach back into it.
 *
 * It lies in one buffer, for which address space of the limit's size is kept. The buffer grows in
 * its place, and its pages take no memory before they are written to: so nothing is held twice, and
 * nothing is copied when it grows or is done.
 */
export class Output {
  /** The first `length` are made. Another array after each call that may grow it. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #format: string;
  readonly #limit: number;
  /** null while it is small. */
  #buffer: ArrayBuffer | null = null;

  /**
   * @param format as a user names it
   * @param limit the most bytes that it may hold
   */
  constructor(format: string, limit: number) {
    this.#format = format;
    this.#limit = limit;
    this.bytes = new Uint8Array(Math.min(limit, SMALL));
  }

  /** How many bytes may still be made. */
  get room(): number {
    return this.#limit - this.length;
  }

  /** Makes sure that `more` bytes fit.
   * @throws KexecError `image.wrapper` beyond the limit, or where there is not enough memory */
  reserve(more: number): void {
    if (more > this.room) throw tooLarge(this.#format, this.#limit);
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    try {
      this.#grow(Math.max(needed, Math.min(this.#limit, 2 * this.bytes.length)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw wrapperError(
        this.#format,
        `not enough memory for ${needed} bytes of expanded data`,
        error,
      );
    }
  }

  /** @throws RangeError where there is not enough memory */
  #grow(size: number): void {
    if (this.#buffer !== null) {
      this.#buffer.resize(size);
      return;
    }
    const small = this.bytes;
    this.#buffer = new ArrayBuffer(size, { maxByteLength: Math.min(this.#limit, BUFFER_MAX) });
    // It grows with its buffer.
    this.bytes = new Uint8Array(this.#buffer);
    this.bytes.set(small.subarray(0, this.length));
  }

  /** Where to write what comes next, from 1 to `most` bytes. At the limit it is one byte elsewhere:
   * `wrote` then finds out whether anything comes. */
  space(most: number): Uint8Array<ArrayBuffer> {
    if (this.room === 0) return new Uint8Array(1);
    this.reserve(1);
    const end = Math.min(this.bytes.length, this.length + most);
    return this.bytes.subarray(this.length, end);
  }

  /** `count` bytes were written to `space`. @throws KexecError `image.wrapper` beyond the limit */
  wrote(count: number): void {
    this.reserve(count);
    this.length += count;
  }

  /** @throws KexecError `image.wrapper` beyond the limit */
  push(byte: number): void {
    if (this.length >= this.bytes.length) this.reserve(1);
    this.bytes[this.length] = byte;
    this.length += 1;
  }

  /** @throws KexecError `image.wrapper` beyond the limit */
  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Repeats `length` bytes that begin `distance` before the end, which may overlap it.
   * @throws KexecError `image.wrapper` beyond the limit */
  repeat(distance: number, length: number): void {
    this.reserve(length);
    const { bytes } = this;
    let to = this.length;
    const from = to - distance;
    const end = to + length;
    this.length = end;
    if (length < LONG_REPETITION) {
      for (; to < end; to += 1) bytes[to] = bytes[to - distance] ?? 0;
      return;
    }
    // What was copied is copied again with it: a multiple of the distance each time but the last.
    while (to < end) {
      const count = Math.min(end - to, to - from);
      bytes.copyWithin(to, from, from + count);
      to += count;
    }
  }

  /** What was made; a part of the array that it is in, without a copy. */
  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
