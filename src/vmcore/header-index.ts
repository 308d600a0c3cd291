/** Which program header has an address. A dump may have a million of them. */

import type { ProgramHeader } from "./elf-header.ts";

const ADDRESS_MAX = (1n << 64n) - 1n;
const NONE = -1;

/** Program headers by their virtual or by their physical addresses. */
export class HeaderIndex {
  readonly #headers: readonly ProgramHeader[];
  /** Where ranges begin and end, ascending, each once. */
  readonly #edges: BigUint64Array;
  /** For each edge the header that has the addresses from there to the next one. */
  readonly #owners: Int32Array;

  constructor(headers: readonly ProgramHeader[], startOf: (header: ProgramHeader) => bigint) {
    this.#headers = headers;
    const ranges = headers.map((header) => {
      const start = startOf(header);
      const end = start + header.size;
      return [start, end < ADDRESS_MAX ? end : ADDRESS_MAX] as const;
    });
    const all = BigUint64Array.from(ranges.flat()).sort();
    this.#edges = all.filter((edge, i) => i === 0 || edge !== all[i - 1]);
    this.#owners = new Int32Array(this.#edges.length).fill(NONE);
    this.#own(ranges);
  }

  /** The first header, in the file's order, of those that have `address`; null if none has. */
  find(address: bigint): ProgramHeader | null {
    const owner = this.#owners[this.#edgeBelow(address)] ?? NONE;
    return this.#headers[owner] ?? null;
  }

  /** Where several have an address the first one keeps it. */
  #own(ranges: readonly (readonly [bigint, bigint])[]): void {
    // For each edge the next one that may be free: what is taken is passed over at once.
    const next = Int32Array.from({ length: this.#owners.length + 1 }, (_, i) => i);
    const freeFrom = (edge: number): number => {
      let free = edge;
      while (next[free] !== free) {
        next[free] = next[next[free] ?? 0] ?? 0;
        free = next[free] ?? 0;
      }
      return free;
    };
    ranges.forEach(([start, end], owner) => {
      const last = this.#edgeBelow(end);
      for (let at = freeFrom(this.#edgeBelow(start)); at < last; at = freeFrom(at)) {
        this.#owners[at] = owner;
        next[at] = at + 1;
      }
    });
  }

  /** The last edge that is not above `address`; -1 where all are. */
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
