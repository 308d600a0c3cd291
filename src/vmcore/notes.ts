/** The notes of a core: names, types, and where their contents are in the file. [elf] */

import { hex } from "../core/address.ts";
import { Reader, textOf } from "../core/bytes.ts";
import { PT_NOTE } from "../core/elf.ts";
import type { CoreFile } from "./core-file.ts";
import type { CoreHeader } from "./elf-header.ts";
import { type FirstError, vmcoreError } from "./first-error.ts";

const NOTE_HEADER = 12;
/** Of a machine with 8192 processors all notes together have 3 MiB. */
const NOTES_MAX = 64n << 20n;
/** Names beyond this are nobody's. */
const NAME_MAX = 64;

export interface Note {
  /** With its NUL. */
  readonly name: string;
  readonly type: number;
  /** In the file, in bytes. */
  readonly offset: bigint;
  readonly size: number;
  /** Says that the contents are cut short: an error, unless there was one before. */
  cut(): void;
}

const padded = (size: number): number => Math.ceil(size / 4) * 4;

/** Calls `see` for each note of a core; an error is kept, whatever there is is used. */
export function readNotes(
  file: CoreFile,
  header: CoreHeader,
  firstError: FirstError,
  see: (note: Note) => void,
): void {
  for (const { type, offset, stored } of header.programHeaders) {
    if (type !== PT_NOTE) continue;
    if (stored > NOTES_MAX) {
      firstError.keep(() => vmcoreError(`Unable to handle note section of ${stored} bytes`, 20));
    }
    const size = stored < NOTES_MAX ? stored : NOTES_MAX;
    readSection(file, header, { offset, size: Number(size) }, firstError, see);
  }
}

function readSection(
  file: CoreFile,
  { littleEndian }: CoreHeader,
  { offset: start, size }: { readonly offset: bigint; readonly size: number },
  firstError: FirstError,
  see: (note: Note) => void,
): void {
  const cut = () =>
    firstError.keep(() =>
      vmcoreError(
        `Cannot read note section @ ${hex(start)} of ${size} bytes: ${file.reason}`,
        22,
        "The file is cut short.",
      ),
    );
  for (let at = 0; at + NOTE_HEADER < size; ) {
    const bytes = file.read(start + BigInt(at), NOTE_HEADER);
    if (bytes.length < NOTE_HEADER) {
      cut();
      return;
    }
    const reader = new Reader(bytes, "note", littleEndian);
    const [nameSize, contentSize, type] = [reader.u32(0), reader.u32(4), reader.u32(8)];
    const nameAt = at + NOTE_HEADER;
    const content = nameAt + padded(nameSize);
    at = content + padded(contentSize);
    if (at > size) return;
    const nameLength = Math.min(nameSize, NAME_MAX);
    const name = textOf(file.read(start + BigInt(nameAt), nameLength));
    if (name.length < nameLength) {
      cut();
      return;
    }
    see({ name, type, offset: start + BigInt(content), size: contentSize, cut });
  }
}
