/**
 * vmcoreinfo: lines of text that a kernel leaves in a note of its dump, with what must be known to
 * read it. [linux Documentation/admin-guide/kdump/vmcoreinfo.rst]
 */

import { ADDRESS_END } from "../core/address.ts";
import { textOf } from "../core/bytes.ts";
import type { CoreFile } from "./core-file.ts";
import type { Note } from "./notes.ts";
import type { XenCrashInfo } from "./xen-crash-info.ts";

const NOTE_NAME = "VMCOREINFO\0";
/** The kernel has one page for it, of at most 64 KiB. */
const TEXT_MAX = 1 << 20;

/** The lines, by what is before their `=`; of two with the same name the later counts. */
export class Vmcoreinfo {
  readonly #values = new Map<string, string>();
  /** Of a dump of a whole machine with Xen; these lines are dom0's. */
  xen: XenCrashInfo | null = null;

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

/** The text of a note, if it is vmcoreinfo: added to `info`. */
export function addVmcoreinfo(info: Vmcoreinfo, file: CoreFile, note: Note): void {
  const { name, type, offset, size } = note;
  if (type !== 0 || !name.startsWith(NOTE_NAME)) return;
  const wanted = Math.min(size, TEXT_MAX);
  const lines = file.read(offset, wanted);
  info.add(textOf(lines));
  if (lines.length < wanted) note.cut();
}
