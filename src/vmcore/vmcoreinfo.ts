/**
 * vmcoreinfo: lines of text that a kernel leaves in a note of its dump, with what must be known to
 * read it. [linux Documentation/admin-guide/kdump/vmcoreinfo.rst]
 */

import { ADDRESS_END } from "../core/address.ts";
import { textOf } from "../core/bytes.ts";
import type { CoreFile } from "./core-file.ts";
import { vmcoreError } from "./first-error.ts";
import type { Note } from "./notes.ts";
import type { XenCrashInfo } from "./xen-crash-info.ts";

const NOTE_NAME = "VMCOREINFO\0";
/** Of all such notes, in bytes: a kernel has one page for its own, of at most 64 KiB. */
const TEXT_MAX = 16 << 20;
/** Linux has some 200. */
const LINES_MAX = 1 << 16;
/** Of a number, with what is before it. */
const VALUE_MAX = 1024;

/** The lines, by what is before their `=`; of two with the same name the later counts. */
export class Vmcoreinfo {
  readonly #values = new Map<string, string>();
  /** Of a dump of a whole machine with Xen; these lines are dom0's. */
  xen: XenCrashInfo | null = null;

  #left = TEXT_MAX;

  /** Bytes of text that may be added yet. */
  get left(): number {
    return this.#left;
  }

  /** @throws KexecError where there are more lines than any kernel has */
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

  /** The address of a symbol; null where it is not there or 0. */
  symbol(name: string): bigint | null {
    return this.hex(`SYMBOL(${name})`) || null;
  }

  /** A size or an offset, by its whole name. */
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

/** The largest of 64 bits where it is larger, as C's strtoull has it. */
function numberOf(digits: string, prefix = ""): bigint {
  const value = BigInt(`${prefix}${digits}`);
  return value < ADDRESS_END ? value : ADDRESS_END - 1n;
}

/**
 * The text of a note, if it is vmcoreinfo: added to `info`.
 * @throws KexecError where it is far longer than any kernel's
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
