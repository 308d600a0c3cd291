/** The notes of a core: their names, types, and the places of their contents in the file. [elf] */

import { hex } from "../core/address.ts";
import { Reader, textOf } from "../core/bytes.ts";
import { PT_NOTE } from "../core/elf.ts";
import { KexecError } from "../core/error.ts";
import { Budget } from "./budget.ts";
import type { CoreFile } from "./core-file.ts";
import type { CoreHeader } from "./elf-header.ts";
import { type FirstError, vmcoreError } from "./first-error.ts";

const NOTE_HEADER = 12;
/** SSIZE_MAX, kexec-tools' limit in bytes. */
const NOTES_MAX = (1n << 63n) - 1n;
const SIZE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** The most bytes of a name that are read; no note that matters here has a longer name. */
const NAME_MAX = 64;
/** Note headers are read in pieces of the file of this many bytes; contents are skipped. */
const PIECE = 1 << 16;
const ZEROS = new Uint8Array(PIECE);

/**
 * The budget of all notes together: a note costs 256 units, a piece of the file a quarter of its
 * bytes. That allows 131,072 notes, 2016 notes that are far apart, or 128 MiB of zeros; a machine
 * with 8192 CPUs has some ten thousand notes, in a few MiB.
 */
const ALLOWANCE = 1 << 25;
const NOTE_COST = 256;
const PIECE_COST = PIECE / 4;

export interface Note {
  /** With its NUL. */
  readonly name: string;
  readonly type: number;
  /** In the file, in bytes. */
  readonly offset: bigint;
  readonly size: number;
  /** Reports that the contents are cut short; an earlier error takes precedence. */
  cut(): void;
}

const padded = (size: number): number => Math.ceil(size / 4) * 4;

/** Calls `see` for each note of a core. An error is kept, and the notes before it are still
 * used. */
export function readNotes(
  file: CoreFile,
  header: CoreHeader,
  firstError: FirstError,
  see: (note: Note) => void,
): void {
  const budget = new Budget(ALLOWANCE, () =>
    vmcoreError("The notes are damaged: there are too many", 22, "The other notes were not read."),
  );
  try {
    for (const { type, offset, stored } of header.programHeaders) {
      if (type !== PT_NOTE) continue;
      if (stored > NOTES_MAX) {
        firstError.keep(() => vmcoreError(`Unable to handle note section of ${stored} bytes`, 20));
      }
      // File offsets stay below 2^53, which a number holds exactly.
      const size = stored < SIZE_MAX ? Number(stored) : Number.MAX_SAFE_INTEGER;
      readSection(file, header, { offset, size }, { firstError, see, budget });
    }
  } catch (error) {
    if (!(error instanceof KexecError)) throw error;
    firstError.keep(() => error);
  }
}

interface Reading {
  readonly firstError: FirstError;
  readonly see: (note: Note) => void;
  readonly budget: Budget;
}

function readSection(
  file: CoreFile,
  { littleEndian }: CoreHeader,
  section: { readonly offset: bigint; readonly size: number },
  { firstError, see, budget }: Reading,
): void {
  const { offset: start, size } = section;
  const cut = () =>
    firstError.keep(() =>
      vmcoreError(
        `Cannot read note section @ ${hex(start)} of ${size} bytes: ${file.reason}`,
        22,
        "The file is cut short.",
      ),
    );
  const window = new Window(file, section, budget);
  for (let at = 0; at + NOTE_HEADER < size; ) {
    budget.spend(NOTE_COST);
    const head = window.at(at, NOTE_HEADER);
    if (head.length < NOTE_HEADER) {
      cut();
      return;
    }
    const reader = new Reader(head, "note", littleEndian);
    const [nameSize, contentSize, type] = [reader.u32(0), reader.u32(4), reader.u32(8)];
    if (nameSize === 0 && contentSize === 0 && type === 0) {
      at += window.zeros(at);
      continue;
    }
    const nameAt = at + NOTE_HEADER;
    const content = nameAt + padded(nameSize);
    at = content + padded(contentSize);
    // A section may end without the padding of its last note.
    if (content + contentSize > size) return;
    const nameLength = Math.min(nameSize, NAME_MAX);
    const name = window.at(nameAt, nameLength);
    if (name.length < nameLength) {
      cut();
      return;
    }
    see({ name: textOf(name), type, offset: start + BigInt(content), size: contentSize, cut });
  }
}

/** The piece of a note section that is in memory. */
class Window {
  readonly #file: CoreFile;
  readonly #section: { readonly offset: bigint; readonly size: number };
  readonly #budget: Budget;
  #from = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(
    file: CoreFile,
    section: { readonly offset: bigint; readonly size: number },
    budget: Budget,
  ) {
    this.#file = file;
    this.#section = section;
    this.#budget = budget;
  }

  /** `length` bytes within the section, at most a piece; fewer where the file ends. */
  at(offset: number, length: number): Uint8Array {
    const into = offset - this.#from;
    if (into >= 0 && into + length <= this.#bytes.length) {
      return this.#bytes.subarray(into, into + length);
    }
    this.#budget.spend(PIECE_COST);
    this.#from = offset;
    this.#bytes = this.#read(Math.min(PIECE, this.#section.size - offset));
    // A piece may be unreadable only outside the bytes that are needed.
    if (this.#bytes.length < length) this.#bytes = this.#read(length);
    return this.#bytes.subarray(0, length);
  }

  #read(length: number): Uint8Array {
    return this.#file.read(this.#section.offset + BigInt(this.#from), length);
  }

  /** The number of bytes from `offset` on that are notes of zeros only; at least 12. */
  zeros(offset: number): number {
    const rest = this.#bytes.subarray(offset - this.#from);
    let zeros = rest.length;
    if (Buffer.compare(rest, ZEROS.subarray(0, zeros)) !== 0) {
      zeros = rest.findIndex((byte) => byte !== 0);
    }
    return Math.max(zeros - (zeros % NOTE_HEADER), NOTE_HEADER);
  }
}
