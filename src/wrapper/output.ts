/** Memory that what is expanded grows into. */

import { tooLarge } from "../core/expand.ts";

const FIRST_SIZE = 1 << 20;

/** What was expanded so far. It grows up to a limit, and repetitions reach back into it. */
export class Output {
  /** The first `length` are made. Another array after each call that may grow it. */
  bytes = new Uint8Array(FIRST_SIZE);
  length = 0;
  readonly #format: string;
  readonly #limit: number;

  /** @param format as a user names it */
  constructor(format: string, limit: number) {
    this.#format = format;
    this.#limit = limit;
  }

  /** Makes sure that `more` bytes fit. @throws KexecError `image.wrapper` beyond the limit */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed > this.#limit) throw tooLarge(this.#format, this.#limit);
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, 2 * this.bytes.length)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** @throws KexecError `image.wrapper` beyond the limit */
  push(byte: number): void {
    if (this.length >= this.bytes.length || this.length >= this.#limit) this.reserve(1);
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
    for (let to = this.length, end = to + length; to < end; to += 1) {
      bytes[to] = bytes[to - distance] ?? 0;
    }
    this.length += length;
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
