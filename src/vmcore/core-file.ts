/**
 * The file that a core is in, read where it is needed and never whole: a dump of a machine's memory
 * is larger than the memory of the kernel that saves it.
 */

import { joined } from "../core/bytes.ts";
import { KexecError } from "../core/error.ts";
import { Budget } from "./budget.ts";
import { vmcoreError } from "./first-error.ts";

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

/** A small read costs as much as so many bytes. */
const READ_COST = 64;
/** And a block that is fetched once more. */
const BLOCK_COST = 2048;
/** What may be read without reading anything new: a quarter of a million small reads. */
const ALLOWANCE = 1 << 24;
/**
 * Each byte of an undamaged log is read once, so each that is read for the first time allows some
 * more: no log is too large, and no small file takes long.
 */
const EARNED = 8;

/** A core file. Small reads of it cost little: the blocks that they are in are kept for a while. */
export class CoreFile {
  readonly path: string;
  readonly #read: Read;
  readonly #blocks = new Map<number, Uint8Array>();
  /** Where each block that was ever read starts. */
  readonly #seen = new Set<number>();
  #reason = NO_REASON;
  #budget = newBudget();

  constructor(path: string, read: Read) {
    this.path = path;
    this.#read = read;
  }

  /** Why the last read that failed did; `Success` where none did, as C's errno has it. */
  get reason(): string {
    return this.#reason;
  }

  /** Another part of the work begins: what an earlier one cost does not count for it. */
  renewBudget(): void {
    this.#budget = newBudget();
  }

  /** For bytes of memory that the file leaves out. @throws KexecError as `read` */
  spend(bytes: number): void {
    this.#budget.spend(bytes);
  }

  /**
   * `length` bytes at `offset`; fewer where the file ends or cannot be read.
   * @throws KexecError where far more was read than the file has: the core leads in circles
   */
  read(offset: bigint, length: number): Uint8Array {
    this.#budget.spend(READ_COST + Math.max(length, 0));
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

  /** As `read`, for any length: in pieces, so that a length that is nonsense takes no memory. */
  readLong(offset: bigint, length: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    for (let done = 0; done < length; ) {
      const wanted = Math.min(length - done, BLOCK);
      const piece = this.read(offset + BigInt(done), wanted);
      pieces.push(piece);
      done += piece.length;
      if (piece.length < wanted) break;
    }
    return joined(pieces);
  }

  #block(at: number): Uint8Array {
    const known = this.#blocks.get(at);
    if (known !== undefined) return known;
    const oldest = this.#blocks.keys().next().value;
    if (this.#blocks.size >= BLOCKS && oldest !== undefined) this.#blocks.delete(oldest);
    if (this.#seen.has(at)) this.#budget.spend(BLOCK_COST);
    const block = this.#tryRead(at, BLOCK);
    if (!this.#seen.has(at)) this.#budget.earn(EARNED * block.length);
    this.#seen.add(at);
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

function newBudget(): Budget {
  return new Budget(ALLOWANCE, () =>
    vmcoreError(
      "The dump is damaged: it leads to the same memory again and again",
      68,
      "Far more was read than it has; what was found until then is printed.",
    ),
  );
}
