/** Finds the program header that contains an address. A dump may have hundreds of thousands of
 * headers. */

import type { ProgramHeader } from "./elf-header.ts";

const ADDRESS_MAX = (1n << 64n) - 1n;
const NONE = -1;

/** An index of program headers by their virtual or by their physical addresses. */
export class HeaderIndex {
  readonly #headers: readonly ProgramHeader[];
  /** The starts and ends of the ranges, ascending; of equal ones the last counts. */
  readonly #edges: BigUint64Array;
  /** For each edge the index of the header that contains the addresses from there to the next
   * edge. */
  readonly #owners: Int32Array;

  constructor(headers: readonly ProgramHeader[], startOf: (header: ProgramHeader) => bigint) {
    this.#headers = headers;
    const ranges = new BigUint64Array(headers.length * 2);
    let [isSorted, last] = [true, 0n];
    headers.forEach((header, i) => {
      const start = startOf(header);
      const end = start + header.size;
      isSorted &&= start >= last;
      last = end < ADDRESS_MAX ? end : ADDRESS_MAX;
      ranges[i * 2] = start;
      ranges[i * 2 + 1] = last;
    });
    // Most dumps have sorted headers that do not overlap: each header then owns its own two edges.
    this.#edges = isSorted ? ranges : withoutRepeats(ranges.slice().sort());
    this.#owners = new Int32Array(this.#edges.length).fill(NONE);
    if (isSorted) for (let i = 0; i < headers.length; i += 1) this.#owners[i * 2] = i;
    else this.#own(ranges);
  }

  /** The first header, in the file's order, of those that contain `address`; null if none does. */
  find(address: bigint): ProgramHeader | null {
    const owner = this.#owners[this.#edgeBelow(address)] ?? NONE;
    return this.#headers[owner] ?? null;
  }

  /** Gives each edge its owner: where several headers contain an address, the first one. */
  #own(ranges: BigUint64Array): void {
    // For each edge the next edge that may be free, so that owned ones are skipped in one step.
    const next = Int32Array.from({ length: this.#owners.length + 1 }, (_, i) => i);
    const freeFrom = (edge: number): number => {
      let free = edge;
      while (next[free] !== free) {
        next[free] = next[next[free] ?? 0] ?? 0;
        free = next[free] ?? 0;
      }
      return free;
    };
    for (let owner = 0; owner < this.#headers.length; owner += 1) {
      const first = this.#edgeBelow(ranges[owner * 2] ?? 0n);
      const last = this.#edgeBelow(ranges[owner * 2 + 1] ?? 0n);
      for (let at = freeFrom(first); at < last; at = freeFrom(at)) {
        this.#owners[at] = owner;
        next[at] = at + 1;
      }
    }
  }

  /** The index of the last edge that is not above `address`; -1 where all are above it. */
  #edgeBelow(address: bigint): number {
    let [low, high] = [0, this.#edges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#edges[middle] ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function withoutRepeats(sorted: BigUint64Array): BigUint64Array {
  let used = 0;
  for (let i = 0; i < sorted.length; i += 1) {
    const edge = sorted[i] ?? 0n;
    if (used > 0 && sorted[used - 1] === edge) continue;
    sorted[used] = edge;
    used += 1;
  }
  return sorted.subarray(0, used);
}
