/**
 * vmcoreinfo: lines of text in a note of the dump, with the symbols, sizes and offsets of the
 * kernel that are needed to read the dump. [linux Documentation/admin-guide/kdump/vmcoreinfo.rst]
 */

import { ADDRESS_END } from "../core/address.ts";
import { textOf } from "../core/bytes.ts";
import type { CoreFile } from "./core-file.ts";
import { vmcoreError } from "./first-error.ts";
import type { Note } from "./notes.ts";
import type { XenCrashInfo } from "./xen-crash-info.ts";

const NOTE_NAME = "VMCOREINFO\0";
/** The most bytes of all such notes together; a kernel has one page for its own, of at most 64
 * KiB. */
const TEXT_MAX = 16 << 20;
/** The most lines; Linux writes some 200. */
const LINES_MAX = 1 << 16;
/** The most characters of a value. */
const VALUE_MAX = 1024;

/** The lines, by their names in front of `=`; of two with the same name the later counts. */
export class Vmcoreinfo {
  readonly #values = new Map<string, string>();
  /** Set for a dump of a whole machine with Xen; these lines are dom0's then. */
  xen: XenCrashInfo | null = null;

  #left = TEXT_MAX;

  /** Bytes of text that may still be added. */
  get left(): number {
    return this.#left;
  }

  /** Adds the lines of `text`. @throws KexecError where there are more lines than any kernel has */
  add(text: string): void {
    this.#left -= text.length;
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? text.length : newline;
      this.#addLine(text.slice(at, end));
      at = end + 1;
    }
  }

  #addLine(line: string): void {
    const equals = line.indexOf("=");
    if (equals <= 0) return;
    this.#values.set(line.slice(0, equals), line.slice(equals + 1, equals + 1 + VALUE_MAX));
    if (this.#values.size > LINES_MAX) {
      throw vmcoreError(`vmcoreinfo is damaged: it has more than ${LINES_MAX} lines`, 65);
    }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** The address of a symbol; null where the line is missing or the address is 0. */
  symbol(name: string): bigint | null {
    return this.hex(`SYMBOL(${name})`) || null;
  }

  /** A decimal number, such as a size or an offset, by the whole name of its line. */
  decimal(name: string): bigint | null {
    const digits = /^[ \t]*([0-9]+)/.exec(this.#values.get(name) ?? "")?.[1];
    return digits === undefined ? null : numberOf(digits);
  }

  hex(name: string): bigint | null {
    const digits = /^[ \t]*(?:0x)?([0-9a-f]+)/i.exec(this.#values.get(name) ?? "")?.[1];
    return digits === undefined ? null : numberOf(digits, "0x");
  }

  /** A number that some kernels write in decimal and some in hexadecimal. */
  number(name: string): bigint | null {
    const text = this.#values.get(name);
    if (text === undefined) return null;
    const signed = /^[ \t]*(-?)([0-9]+)[ \t]*$/.exec(text);
    if (signed === null) return this.hex(name);
    const value = numberOf(signed[2] ?? "0");
    return signed[1] === "-" ? BigInt.asUintN(64, -value) : value;
  }
}

/** The number, at most 2^64 - 1: a larger one becomes that, as in strtoull(3). */
function numberOf(digits: string, prefix = ""): bigint {
  const value = BigInt(`${prefix}${digits}`);
  return value < ADDRESS_END ? value : ADDRESS_END - 1n;
}

/**
 * Adds the lines of `note` to `info` if it is a vmcoreinfo note.
 * @throws KexecError where the note is far longer than any kernel's
 */
export function addVmcoreinfo(info: Vmcoreinfo, file: CoreFile, note: Note): void {
  const { name, type, offset, size } = note;
  if (type !== 0 || !name.startsWith(NOTE_NAME)) return;
  const wanted = Math.min(size, info.left);
  const lines = file.readLong(offset, wanted);
  info.add(textOf(lines));
  if (lines.length < wanted) note.cut();
  else if (wanted < size) {
    const message = `vmcoreinfo is damaged: its notes have more than ${TEXT_MAX} bytes`;
    throw vmcoreError(message, 65);
  }
}
