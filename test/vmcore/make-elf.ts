/** ELF cores made for tests of any program headers: 64 bits, little endian. */

import { Writer } from "../../src/core/bytes.ts";
import {
  ELF64_IDENT,
  Elf64_Ehdr,
  Elf64_Phdr,
  Elf64_Shdr,
  EM_X86_64,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
} from "../../src/core/elf.ts";
import { KexecError } from "../../src/core/error.ts";
import type { Read } from "../../src/vmcore/core-file.ts";
import { dumpLog } from "../../src/vmcore/dump-log.ts";

export interface Piece {
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly virtual?: bigint;
  readonly physical?: bigint;
  /** Of p_filesz and p_memsz: the bytes' unless given. */
  readonly stored?: bigint;
  readonly size?: bigint;
}

export interface ElfOptions {
  readonly machine?: number;
  /** The number of program headers is in section 0, and e_phnum is PN_XNUM. */
  readonly extended?: boolean;
  /** Without that section, so that e_phnum is the number itself. */
  readonly withoutSection?: boolean;
}

/** The bytes of a core file. Pieces with the very same bytes share them in the file. */
export function makeElf(pieces: readonly Piece[], options: ElfOptions = {}): Uint8Array {
  const extended = options.extended ?? false;
  const headers = Elf64_Ehdr.size + pieces.length * Elf64_Phdr.size;
  const section = headers + (extended ? Elf64_Shdr.size : 0);
  const places = new Map<Uint8Array, number>();
  let end = section;
  for (const { bytes } of pieces) {
    if (places.has(bytes)) continue;
    places.set(bytes, end);
    end += bytes.length;
  }
  const core = new Uint8Array(end);
  const withSection = extended && options.withoutSection !== true;
  Elf64_Ehdr.write(core, {
    ...{ e_ident: ELF64_IDENT, e_type: 4, e_machine: options.machine ?? EM_X86_64, e_version: 1 },
    ...{ e_phoff: BigInt(Elf64_Ehdr.size), e_shoff: withSection ? BigInt(headers) : 0n },
    ...{ e_ehsize: Elf64_Ehdr.size, e_phentsize: Elf64_Phdr.size },
    ...{ e_phnum: extended ? PN_XNUM : pieces.length },
  });
  if (withSection) Elf64_Shdr.write(core, { sh_info: pieces.length }, headers);
  pieces.forEach(({ type, bytes, virtual, physical, stored, size }, i) => {
    const length = BigInt(bytes.length);
    const row = { p_type: type, p_offset: BigInt(places.get(bytes) ?? 0) };
    const where = { p_vaddr: virtual ?? 0n, p_paddr: physical ?? 0n };
    const sizes = { p_filesz: stored ?? length, p_memsz: size ?? stored ?? length };
    Elf64_Phdr.write(core, { ...row, ...where, ...sizes }, Elf64_Ehdr.size + i * Elf64_Phdr.size);
  });
  for (const [bytes, at] of places) core.set(bytes, at);
  return core;
}

export const load = (piece: Omit<Piece, "type">): Piece => ({ type: PT_LOAD, ...piece });
export const notes = (...all: readonly Uint8Array[]): Piece => ({
  type: PT_NOTE,
  bytes: new Uint8Array(Buffer.concat(all)),
});

/** One note. `name` without its NUL. */
export function note(name: string, type: number, content: Uint8Array): Uint8Array {
  const padded = (size: number) => Math.ceil(size / 4) * 4;
  const named = padded(name.length + 1);
  const bytes = new Uint8Array(12 + named + padded(content.length));
  const writer = new Writer(bytes);
  writer.u32(0, name.length + 1);
  writer.u32(4, content.length);
  writer.u32(8, type);
  bytes.set(Buffer.from(name, "latin1"), 12);
  bytes.set(content, 12 + named);
  return bytes;
}

export const vmcoreinfo = (lines: readonly string[]): Uint8Array =>
  note("VMCOREINFO", 0, new Uint8Array(Buffer.from(`${lines.join("\n")}\n`, "latin1")));

export interface Outcome {
  readonly text: string;
  readonly error: KexecError | null;
  /** Of processor time. */
  readonly seconds: number;
}

/** What is printed and what is thrown; any other error than ours is thrown on. */
export function logOf(core: Uint8Array | Read): Outcome {
  const read: Read =
    core instanceof Uint8Array ? (offset, length) => core.slice(offset, offset + length) : core;
  let text = "";
  let error: KexecError | null = null;
  const before = process.cpuUsage();
  try {
    dumpLog("CORE", read, (more) => {
      text += more;
    });
  } catch (thrown) {
    if (!(thrown instanceof KexecError)) throw thrown;
    error = thrown;
  }
  const { user, system } = process.cpuUsage(before);
  return { text, error, seconds: (user + system) / 1e6 };
}
