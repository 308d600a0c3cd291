/** Memory that compressed data is expanded into. */

import { tooLarge, wrapperError } from "./expand.ts";

/** The largest array that the engine makes. */
const ARRAY_MAX = 2 ** 32;
/** With less than this there is no use in trying. */
const ARRAY_MIN = 1 << 16;
/** Below this, one byte after the other is faster than a call. */
const LONG_REPETITION = 48;

/** An array of `size` bytes, or, where there is no address space for it, the largest half, quarter
 * and so on that there is. */
function allocate(format: string, size: number): Uint8Array<ArrayBuffer> {
  for (let tried = size; ; tried = Math.floor(tried / 2)) {
    try {
      return new Uint8Array(tried);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (tried < ARRAY_MIN) throw wrapperError(format, "there is not enough memory", error);
    }
  }
}

/**
 * What was expanded so far, up to a limit. Repetitions reach back into it.
 *
 * It is one array of the limit's size from the start. Its pages take no memory until they are
 * written to, so nothing is held twice and nothing is copied when it grows or is done.
 */
export class Output {
  /** The first `length` bytes are made. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #format: string;
  readonly #limit: number;

  /**
   * @param format as a user names it
   * @param limit the most bytes that it may hold
   * @throws KexecError `image.wrapper` where there is no memory at all
   */
  constructor(format: string, limit: number) {
    this.#format = format;
    this.#limit = limit;
    this.bytes = allocate(format, Math.min(limit, ARRAY_MAX));
  }

  /** How many bytes may still be made. */
  get room(): number {
    return this.bytes.length - this.length;
  }

  /** Makes sure that `more` bytes fit. @throws KexecError `image.wrapper` beyond the limit */
  reserve(more: number): void {
    if (more <= this.room) return;
    const size = this.bytes.length;
    if (size === this.#limit) throw tooLarge(this.#format, size);
    throw wrapperError(
      this.#format,
      `expands to more than ${size} bytes, and there is no memory for more`,
    );
  }

  /** Where to write what comes next, from 1 to `most` bytes. At the limit it is one byte elsewhere:
   * `wrote` then finds out whether anything comes. */
  space(most: number): Uint8Array<ArrayBuffer> {
    if (this.room === 0) return new Uint8Array(1);
    return this.bytes.subarray(this.length, this.length + Math.min(most, this.room));
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
