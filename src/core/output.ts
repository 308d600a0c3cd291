/** The output buffer of a decompressor. */

import { type CheckStart, START_SIZE, tooLarge, wrapperError } from "./expand.ts";

/** The initial size of the buffer, in bytes, unless the limit is smaller. */
const SMALL = START_SIZE;
/** The largest buffer that the JavaScript engine allocates, in bytes. */
const BUFFER_MAX = 2 ** 32;
/** For fewer bytes a loop is faster than a call of `copyWithin`. */
const LONG_REPETITION = 48;

/**
 * The expanded bytes so far, up to a limit. Repetitions (matches) copy earlier bytes of it.
 *
 * Once it is large, it is one buffer with reserved address space of the limit's size. The buffer
 * grows in place, and its pages take no memory before they are written: there is never a second
 * copy, neither when it grows nor when it is done.
 */
export class Output {
  /** The first `length` bytes are the output. Growing the output may replace the array. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #format: string;
  readonly #limit: number;
  /** null while the output fits into `SMALL` bytes. */
  #buffer: ArrayBuffer | null = null;
  /** null after it was called. */
  #checkStart: CheckStart | null;

  /**
   * @param format the format's name in errors, e.g. `gzip`
   * @param limit the most bytes that the output may have
   */
  constructor(format: string, limit: number, checkStart: CheckStart | null = null) {
    this.#format = format;
    this.#limit = limit;
    this.#checkStart = checkStart;
    this.bytes = new Uint8Array(Math.min(limit, SMALL));
  }

  /** The number of bytes up to the limit. */
  get room(): number {
    return this.#limit - this.length;
  }

  /** Makes sure that `more` bytes fit.
   * @throws KexecError `image.wrapper` beyond the limit, or where there is not enough memory; what
   *   `checkStart` throws */
  reserve(more: number): void {
    if (this.#checkStart !== null && this.length >= START_SIZE) {
      const check = this.#checkStart;
      this.#checkStart = null;
      check(this.bytes.subarray(0, this.length));
    }
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
    // This array has no fixed length: it grows with its buffer.
    this.bytes = new Uint8Array(this.#buffer);
    this.bytes.set(small.subarray(0, this.length));
  }

  /** The array for the next bytes of the output, of 1 to `most` bytes. At the limit it is a spare
   * array of one byte: `wrote` refuses if the decompressor writes to it. */
  space(most: number): Uint8Array<ArrayBuffer> {
    if (this.room === 0) return new Uint8Array(1);
    this.reserve(1);
    const end = Math.min(this.bytes.length, this.length + most);
    return this.bytes.subarray(this.length, end);
  }

  /** Adds `count` bytes that were written to `space` to the output.
   * @throws KexecError `image.wrapper` beyond the limit */
  wrote(count: number): void {
    this.reserve(count);
    this.length += count;
  }

  /** Adds one byte. @throws KexecError `image.wrapper` beyond the limit */
  push(byte: number): void {
    if (this.length >= this.bytes.length) this.reserve(1);
    this.bytes[this.length] = byte;
    this.length += 1;
  }

  /** Adds bytes. @throws KexecError `image.wrapper` beyond the limit */
  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Adds `length` bytes that begin `distance` bytes before the end. With `length` above `distance`
   * they repeat.
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
    // Each round copies all bytes from `from` on, the copies of earlier rounds included.
    while (to < end) {
      const count = Math.min(end - to, to - from);
      bytes.copyWithin(to, from, from + count);
      to += count;
    }
  }

  /** The output, a view of the buffer, without a copy. */
  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
