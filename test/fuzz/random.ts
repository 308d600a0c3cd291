/** Numbers that look random, and the same ones for the same seed: every case can be repeated. */

/** SplitMix32: one 32-bit state, good enough to choose cases. */
export class Random {
  #state: number;

  /** @param seed any integer; its lowest 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** 0 to `count` - 1; 0 for a count below 1. */
  below(count: number): number {
    return count < 1 ? 0 : this.u32() % count;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}

/** The seed of one case: of the run's seed, the target's name and the case's number. */
export function caseSeed(seed: number, name: string, index: number): number {
  let hash = seed >>> 0;
  for (const char of `${name}/${index}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }
  return hash;
}
