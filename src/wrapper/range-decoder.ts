/**
 * The range decoder of LZMA: decodes bits by probabilities that adapt.
 * [lzma-sdk DOC/lzma-specification.txt]
 *
 * All numbers are signed 32-bit integers, with which the engine is fast; XOR with `SIGN` makes a
 * comparison unsigned.
 */

import { hex } from "../core/address.ts";
import type { KexecError } from "../core/error.ts";
import { wrapperError } from "../core/expand.ts";

/** The initial probability of a bit, in units of 1/2048: 0 and 1 are equally likely. */
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

  /** True if the code is 0, as it is at the end of undamaged data. */
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

  /** Decodes one bit by the probability at `index`, and adapts the probability. */
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

  /** Decodes `count` bits without probabilities, highest first. */
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

  /** Decodes `count` bits, highest first; the bits before it select the probability of each bit. */
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
