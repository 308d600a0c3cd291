/**
 * The range decoder of LZMA: bits out of numbers, each with a probability that learns.
 * [lzma-sdk DOC/lzma-specification.txt]
 *
 * Numbers are signed 32 bits wide, which is what the engine is fast with; `SIGN` turns them for a
 * comparison without sign.
 */

import { hex } from "../core/address.ts";
import type { KexecError } from "../core/error.ts";
import { wrapperError } from "../core/expand.ts";

/** Where a probability starts: either bit is as likely. */
export const EVEN = 1024;
const ONE = 2048;
const LEARN = 5;
const SIGN = 1 << 31;
const START_LENGTH = 5;

/** Reads from `start`, and never at or beyond `end`. */
export class RangeDecoder {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #format: string;
  #range = -1;
  #code = 0;

  /** @throws KexecError `image.wrapper` */
  constructor(bytes: Uint8Array, start: number, end: number, format: string) {
    this.#bytes = bytes;
    this.#end = Math.min(end, bytes.length);
    this.#format = format;
    this.at = start;
    if (start < this.#end && bytes[start] !== 0) throw this.damaged();
    for (let i = 0; i < START_LENGTH; i += 1) this.#code = (this.#code << 8) | this.#next();
  }

  damaged(): KexecError {
    return wrapperError(this.#format, `damaged before offset ${hex(this.at)}`);
  }

  /** Whether nothing is left over, as an encoder leaves it. */
  get isFinished(): boolean {
    return this.#code === 0;
  }

  #next(): number {
    if (this.at >= this.#end) {
      if (this.#end < this.#bytes.length) throw this.damaged();
      throw wrapperError(this.#format, `cut short at offset ${hex(this.at)}`);
    }
    const byte = this.#bytes[this.at] ?? 0;
    this.at += 1;
    return byte;
  }

  #shift(): void {
    this.#range <<= 8;
    this.#code = (this.#code << 8) | this.#next();
  }

  /** One bit, by the probability at `index`. */
  bit(probabilities: Uint16Array, index: number): number {
    const probability = probabilities[index] ?? EVEN;
    const bound = Math.imul(this.#range >>> 11, probability);
    let bit = 0;
    if ((this.#code ^ SIGN) < (bound ^ SIGN)) {
      this.#range = bound;
      probabilities[index] = probability + ((ONE - probability) >> LEARN);
    } else {
      this.#range = (this.#range - bound) | 0;
      this.#code = (this.#code - bound) | 0;
      probabilities[index] = probability - (probability >> LEARN);
      bit = 1;
    }
    if (this.#range >>> 24 === 0) this.#shift();
    return bit;
  }

  /** `count` bits without probabilities, highest first. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      this.#range >>>= 1;
      this.#code = (this.#code - this.#range) | 0;
      const below = this.#code >> 31;
      this.#code = (this.#code + (this.#range & below)) | 0;
      value = (value << 1) + below + 1;
      if (this.#range >>> 24 === 0) this.#shift();
    }
    return value;
  }

  /** `count` bits, highest first; each has a probability for what came before it. */
  tree(probabilities: Uint16Array, base: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i += 1) node = (node << 1) | this.bit(probabilities, base + node);
    return node - (1 << count);
  }

  /** As `tree`, lowest bit first. */
  reverseTree(probabilities: Uint16Array, base: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      const bit = this.bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }
}
