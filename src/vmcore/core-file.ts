/**
 * The file that contains a core. It is read in parts and never as a whole: a dump of a machine's
 * memory is larger than the memory of the kernel that saves it.
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
/** The most cached blocks. Descriptors, record information and texts are read alternately, each in
 * order. */
const BLOCKS = 64;
/** The reason in a message where no read failed and only the file ended: strerror(3) of errno 0. */
const NO_REASON = "Success";

/** The cost of a read besides its bytes, in units of the budget; each byte costs one unit. */
const READ_COST = 64;
/** The cost of fetching a block again. */
const BLOCK_COST = 2048;
/** The first budget: a quarter of a million small reads of blocks that were read before. */
const ALLOWANCE = 1 << 24;
/**
 * The units that each byte earns when it is read for the first time. An undamaged log is read once,
 * so no log is too large for its budget, and no small file takes long.
 */
const EARNED = 8;

/** A core file. It caches the blocks around small reads, so that small reads cost little. */
export class CoreFile {
  readonly path: string;
  readonly #read: Read;
  readonly #blocks = new Map<number, Uint8Array>();
  /** The offset of each block that was ever read. */
  readonly #seen = new Set<number>();
  #reason = NO_REASON;
  #budget = newBudget();

  constructor(path: string, read: Read) {
    this.path = path;
    this.#read = read;
  }

  /** Why the last failing read failed; `Success` where none failed, as strerror(3) says of errno
   * 0. */
  get reason(): string {
    return this.#reason;
  }

  /** Starts a new budget for the next part of the work. */
  renewBudget(): void {
    this.#budget = newBudget();
  }

  /** Spends units for bytes of memory that the file does not store. @throws KexecError as `read` */
  spend(bytes: number): void {
    this.#budget.spend(bytes);
  }

  /**
   * `length` bytes at `offset`; fewer where the file ends or cannot be read.
   * @throws KexecError where the budget is spent: the core makes its reader read the same bytes
   *   over and over
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
      // A block may be unreadable only outside the bytes that the caller needs.
      if (block.length < BLOCK && done < length) return this.#tryRead(start, length);
    }
    return bytes;
  }

  /** As `read`, in pieces, so that the length in a damaged core does not allocate memory. */
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
      "The dump is damaged: its structures refer to the same memory over and over",
      68,
      "vmcore-dmesg stopped reading; it printed the records that it had found.",
    ),
  );
}
