/**
 * The file that a core is in, read where it is needed and never whole: a dump of a machine's memory
 * is larger than the memory of the kernel that saves it.
 */

import { KexecError } from "../core/error.ts";

/**
 * Reads at most `length` bytes at `offset`; fewer only where the file ends.
 * @throws KexecError whose message is the system's reason
 */
export type Read = (offset: number, length: number) => Uint8Array;

const BLOCK = 1 << 16;
/** Descriptors, their information and their texts are read side by side, each in order. */
const BLOCKS = 64;
/** What stands where a reason is expected, and nothing but the file's end was in the way. */
const NO_REASON = "Success";

/** A core file. Small reads of it cost little: the blocks that they are in are kept for a while. */
export class CoreFile {
  readonly path: string;
  readonly #read: Read;
  readonly #blocks = new Map<number, Uint8Array>();
  #reason = NO_REASON;

  constructor(path: string, read: Read) {
    this.path = path;
    this.#read = read;
  }

  /** Why the last read that failed did; `Success` where none did, as C's errno has it. */
  get reason(): string {
    return this.#reason;
  }

  /** `length` bytes at `offset`; fewer where the file ends or cannot be read. */
  read(offset: bigint, length: number): Uint8Array {
    if (length <= 0 || offset + BigInt(length) > BigInt(Number.MAX_SAFE_INTEGER)) {
      return new Uint8Array(0);
    }
    const start = Number(offset);
    const first = start - (start % BLOCK);
    if (length > BLOCK) return this.#tryRead(start, length);
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let at = first; at < start + length; at += BLOCK) {
      const block = this.#block(at);
      const from = start + done - at;
      const part = block.subarray(from, from + length - done);
      bytes.set(part, done);
      done += part.length;
      // A block may fail for a byte that nobody asked for.
      if (block.length < BLOCK && done < length) return this.#tryRead(start, length);
    }
    return bytes;
  }

  #block(at: number): Uint8Array {
    const known = this.#blocks.get(at);
    if (known !== undefined) return known;
    const oldest = this.#blocks.keys().next().value;
    if (this.#blocks.size >= BLOCKS && oldest !== undefined) this.#blocks.delete(oldest);
    const block = this.#tryRead(at, BLOCK);
    this.#blocks.set(at, block);
    return block;
  }

  #tryRead(offset: number, length: number): Uint8Array {
    try {
      return this.#read(offset, length);
    } catch (error) {
      if (!(error instanceof KexecError)) throw error;
      this.#reason = error.message;
      return new Uint8Array(0);
    }
  }
}
