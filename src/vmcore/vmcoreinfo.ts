/**
 * vmcoreinfo: lines of text that a kernel leaves in a note of its dump, with what must be known to
 * read it. [linux Documentation/admin-guide/kdump/vmcoreinfo.rst]
 */

import { ADDRESS_END, hex } from "../core/address.ts";
import { Reader, textOf } from "../core/bytes.ts";
import { PT_NOTE } from "../core/elf.ts";
import type { CoreFile } from "./core-file.ts";
import type { CoreHeader } from "./elf-header.ts";
import { type Trouble, vmcoreError } from "./trouble.ts";

const NOTE_HEADER = 12;
const NOTE_NAME = "VMCOREINFO\0";
/** Of a machine with 8192 processors all notes together have 3 MiB. */
const NOTES_MAX = 64n << 20n;
/** The kernel has one page for it, of at most 64 KiB. */
const TEXT_MAX = 1 << 20;

/** The lines, by what is before their `=`; of two with the same name the later counts. */
export class Vmcoreinfo {
  readonly #values = new Map<string, string>();

  add(text: string): void {
    for (const line of text.split("\n")) {
      const equals = line.indexOf("=");
      if (equals > 0) this.#values.set(line.slice(0, equals), line.slice(equals + 1));
    }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** The address of a symbol; null where it is not there or 0. */
  symbol(name: string): bigint | null {
    return this.hex(`SYMBOL(${name})`) || null;
  }

  /** A size or an offset, by its whole name. */
  decimal(name: string): bigint | null {
    const digits = /^\s*(\d+)/.exec(this.#values.get(name) ?? "")?.[1];
    return digits === undefined ? null : clamp(BigInt(digits));
  }

  hex(name: string): bigint | null {
    const digits = /^\s*(?:0x)?([0-9a-f]+)/i.exec(this.#values.get(name) ?? "")?.[1];
    return digits === undefined ? null : clamp(BigInt(`0x${digits}`));
  }

  /** A number that some kernels write in decimal and some in hexadecimal. */
  number(name: string): bigint | null {
    const value = this.#values.get(name);
    if (value === undefined) return null;
    const signed = /^\s*(-?)(\d+)\s*$/.exec(value);
    if (signed === null) return this.hex(name);
    const digits = BigInt(signed[2] ?? "0");
    return signed[1] === "-" ? BigInt.asUintN(64, -digits) : clamp(digits);
  }
}

function clamp(value: bigint): bigint {
  return value < ADDRESS_END ? value : ADDRESS_END - 1n;
}

const padded = (size: number): number => Math.ceil(size / 4) * 4;

/** Gathers the VMCOREINFO notes of a core; its trouble is noted, whatever there is is used. */
export function readVmcoreinfo(file: CoreFile, header: CoreHeader, trouble: Trouble): Vmcoreinfo {
  const info = new Vmcoreinfo();
  for (const { type, offset, stored } of header.programHeaders) {
    if (type !== PT_NOTE) continue;
    if (stored > NOTES_MAX) {
      trouble.note(() => vmcoreError(`Unable to handle note section of ${stored} bytes`, 20));
    }
    const size = stored < NOTES_MAX ? stored : NOTES_MAX;
    readNotes(file, header, offset, Number(size), info, trouble);
  }
  return info;
}

function readNotes(
  file: CoreFile,
  { littleEndian }: CoreHeader,
  start: bigint,
  size: number,
  info: Vmcoreinfo,
  trouble: Trouble,
): void {
  const noteCut = () =>
    trouble.note(() =>
      vmcoreError(
        `Cannot read note section @ ${hex(start)} of ${size} bytes: ${file.reason}`,
        22,
        "The file is cut short.",
      ),
    );
  for (let at = 0; at + NOTE_HEADER < size; ) {
    const bytes = file.read(start + BigInt(at), NOTE_HEADER);
    if (bytes.length < NOTE_HEADER) {
      noteCut();
      return;
    }
    const reader = new Reader(bytes, "note", littleEndian);
    const [nameSize, textSize, type] = [reader.u32(0), reader.u32(4), reader.u32(8)];
    const name = at + NOTE_HEADER;
    const text = name + padded(nameSize);
    at = text + padded(textSize);
    if (at > size) return;
    if (type !== 0 || nameSize < NOTE_NAME.length) continue;
    const found = file.read(start + BigInt(name), NOTE_NAME.length);
    if (found.length === NOTE_NAME.length && textOf(found) !== NOTE_NAME) continue;
    const wanted = Math.min(textSize, TEXT_MAX);
    const lines = file.read(start + BigInt(text), wanted);
    info.add(textOf(lines));
    if (lines.length < wanted) noteCut();
  }
}
