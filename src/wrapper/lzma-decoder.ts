/**
 * The LZMA decoder: reads literals and matches by a range decoder. The output is the dictionary.
 * [lzma-sdk DOC/lzma-specification.txt]
 */

import type { Output } from "../core/output.ts";
import type { LzmaProperties } from "./lzma-header.ts";
import { EVEN, type RangeDecoder } from "./range-decoder.ts";

const STATES = 12;
const POSITIONS = 16;
/** States below this one come after a literal. */
const LITERAL_STATES = 7;
const MIN_MATCH = 2;

// All probabilities are in one array. These are the indices at which each kind begins.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITIONS;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const SLOT = IS_REP0_LONG + STATES * POSITIONS;
const SLOT_BITS = 6;
const LENGTH_CLASSES = 4;
const NEAR = SLOT + (LENGTH_CLASSES << SLOT_BITS);
/** The first slot whose distance has bits without probabilities. */
const FAR_SLOT = 14;
const ALIGN = NEAR + 128 - FAR_SLOT + 1;
const ALIGN_BITS = 4;
const LENGTH = ALIGN + (1 << ALIGN_BITS);
// Within a length: two choice bits, the trees of short and of middle lengths, the tree of long
// ones.
const SHORT = 2;
const MIDDLE = SHORT + POSITIONS * 8;
const LONG = MIDDLE + POSITIONS * 8;
const REP_LENGTH = LENGTH + LONG + 256;
const LITERAL = REP_LENGTH + LONG + 256;
const LITERAL_SIZE = 0x300;

/** The distance that marks the end of the data. */
const END_DISTANCE = 0xffffffff;

export class LzmaDecoder {
  readonly #output: Output;
  readonly #dictionarySize: number;
  /** Where the dictionary begins in the output. */
  #start: number;
  #probabilities = new Uint16Array(LITERAL);
  #literalContext = 0;
  #literalMask = 0;
  #positionMask = 0;
  #state = 0;
  /** The last four distances, each less one; the newest first. */
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;

  constructor(output: Output, dictionarySize: number) {
    this.#output = output;
    this.#dictionarySize = Math.max(4096, dictionarySize);
    this.#start = output.length;
  }

  /** Starts a new dictionary: later matches may not reach before the current end of the output. */
  resetDictionary(): void {
    this.#start = this.#output.length;
  }

  setProperties({ literalContext, literalPosition, position }: LzmaProperties): void {
    this.#literalContext = literalContext;
    this.#literalMask = (1 << literalPosition) - 1;
    this.#positionMask = (1 << position) - 1;
    const literals = LITERAL_SIZE << (literalContext + literalPosition);
    this.#probabilities = new Uint16Array(LITERAL + literals);
    this.resetState();
  }

  resetState(): void {
    this.#probabilities.fill(EVEN);
    this.#state = 0;
    this.#rep0 = 0;
    this.#rep1 = 0;
    this.#rep2 = 0;
    this.#rep3 = 0;
  }

  #literal(range: RangeDecoder): number {
    const { bytes, length } = this.#output;
    const probabilities = this.#probabilities;
    const position = length - this.#start;
    const before = position === 0 ? 0 : (bytes[length - 1] ?? 0);
    const high = (position & this.#literalMask) << this.#literalContext;
    const base = LITERAL + LITERAL_SIZE * (high + (before >> (8 - this.#literalContext)));
    let symbol = 1;
    if (this.#state >= LITERAL_STATES) {
      // After a match, the byte at the last distance selects the probabilities of the literal.
      let guess = bytes[length - this.#rep0 - 1] ?? 0;
      for (let same = 0x100; symbol < 0x100; ) {
        guess <<= 1;
        const expected = guess & same;
        const bit = range.bit(probabilities, base + same + expected + symbol);
        symbol = (symbol << 1) | bit;
        same &= bit === 0 ? ~expected : expected;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | range.bit(probabilities, base + symbol);
    this.#state -= this.#state < 4 ? this.#state : this.#state < 10 ? 3 : 6;
    return symbol & 0xff;
  }

  #length(range: RangeDecoder, base: number, position: number): number {
    const probabilities = this.#probabilities;
    if (range.bit(probabilities, base) === 0) {
      return MIN_MATCH + range.tree(probabilities, base + SHORT + 8 * position, 3);
    }
    if (range.bit(probabilities, base + 1) === 0) {
      return MIN_MATCH + 8 + range.tree(probabilities, base + MIDDLE + 8 * position, 3);
    }
    return MIN_MATCH + 16 + range.tree(probabilities, base + LONG, 8);
  }

  /** The distance of a match, less one. */
  #distance(range: RangeDecoder, length: number): number {
    const probabilities = this.#probabilities;
    const lengthClass = Math.min(length - MIN_MATCH, LENGTH_CLASSES - 1);
    const slot = range.tree(probabilities, SLOT + (lengthClass << SLOT_BITS), SLOT_BITS);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) << bits;
    if (slot < FAR_SLOT) return high + range.reverseTree(probabilities, NEAR + high - slot, bits);
    const middle = range.direct(bits - ALIGN_BITS) << ALIGN_BITS;
    return (high + middle + range.reverseTree(probabilities, ALIGN, ALIGN_BITS)) >>> 0;
  }

  /** The length of a match with one of the last distances, which becomes the newest. */
  #repeated(range: RangeDecoder, position: number): number {
    const probabilities = this.#probabilities;
    const state = this.#state;
    this.#state = state < LITERAL_STATES ? 8 : 11;
    if (range.bit(probabilities, IS_REP0 + state) === 0) {
      if (range.bit(probabilities, IS_REP0_LONG + state * POSITIONS + position) === 0) {
        this.#state = state < LITERAL_STATES ? 9 : 11;
        return 1;
      }
    } else {
      let distance = this.#rep1;
      if (range.bit(probabilities, IS_REP1 + state) !== 0) {
        distance = this.#rep2;
        if (range.bit(probabilities, IS_REP2 + state) !== 0) {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    return this.#length(range, REP_LENGTH, position);
  }

  /** The length of a match with a distance of its own. */
  #match(range: RangeDecoder, position: number): number {
    this.#rep3 = this.#rep2;
    this.#rep2 = this.#rep1;
    this.#rep1 = this.#rep0;
    this.#state = this.#state < LITERAL_STATES ? 7 : 10;
    const length = this.#length(range, LENGTH, position);
    this.#rep0 = this.#distance(range, length);
    return length;
  }

  /**
   * Decodes until the output has `until` bytes, or to the end marker.
   * @returns true at the end marker
   * @throws KexecError `image.wrapper`
   */
  decode(range: RangeDecoder, until: number): boolean {
    const output = this.#output;
    while (output.length < until) {
      if (this.#step(range, until)) return true;
    }
    return false;
  }

  /** Decodes one more step after the output is complete. @returns whether it was the end marker */
  isEndMarker(range: RangeDecoder): boolean {
    return this.#step(range, this.#output.length);
  }

  /** One literal, one match, or the end marker. */
  #step(range: RangeDecoder, until: number): boolean {
    const output = this.#output;
    const made = output.length - this.#start;
    const position = made & this.#positionMask;
    const probabilities = this.#probabilities;
    if (range.bit(probabilities, IS_MATCH + this.#state * POSITIONS + position) === 0) {
      if (output.length >= until) throw range.damaged();
      output.push(this.#literal(range));
      return false;
    }
    const isRepeated = range.bit(probabilities, IS_REP + this.#state) !== 0;
    const length = isRepeated ? this.#repeated(range, position) : this.#match(range, position);
    const distance = this.#rep0;
    if (distance === END_DISTANCE && !isRepeated) return true;
    const inside = distance < made && distance < this.#dictionarySize;
    if (!inside || output.length + length > until) throw range.damaged();
    output.repeat(distance + 1, length);
    return false;
  }
}
