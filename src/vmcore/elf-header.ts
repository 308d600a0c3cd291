/** The headers of an ELF core, of either class and byte order. [elf] */

import { hex } from "../core/address.ts";
import { startsWith, textOf } from "../core/bytes.ts";
import {
  ELF_MAGIC,
  Elf32_Ehdr,
  Elf32_Phdr,
  Elf32_Shdr,
  Elf64_Ehdr,
  Elf64_Phdr,
  Elf64_Shdr,
  EM_AARCH64,
  EM_X86_64,
  EV_CURRENT,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
} from "../core/elf.ts";
import { fail, type KexecError } from "../core/error.ts";
import type { CoreFile } from "./core-file.ts";
import { vmcoreError } from "./first-error.ts";

export interface ProgramHeader {
  readonly type: number;
  readonly offset: bigint;
  readonly virtual: bigint;
  readonly physical: bigint;
  /** Bytes in the file. */
  readonly stored: bigint;
  /** Bytes of memory; at least `stored`. */
  readonly size: bigint;
}

export interface CoreHeader {
  /** True for ELF headers of 64 bits. */
  readonly wide: boolean;
  readonly littleEndian: boolean;
  readonly machine: number;
  /** Bytes of a pointer, and of an `unsigned long`, of the crashed kernel. */
  readonly pointerSize: 4 | 8;
  /** Those of types PT_LOAD and PT_NOTE, in the order of the file. */
  readonly programHeaders: readonly ProgramHeader[];
}

const IDENT_SIZE = 16;
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;

/** Machines of 32 bits, whose kernels with PAE have 64-bit headers: EM_386, EM_PPC, EM_ARM.
 * [linux include/uapi/linux/elf-em.h] */
const MACHINES_32: readonly number[] = [3, 20, 40];
/** Machines of 64 bits, whose dumps may have 32-bit headers: EM_PPC64, EM_IA_64, EM_X86_64,
 * EM_AARCH64. */
const MACHINES_64: readonly number[] = [21, 50, EM_X86_64, EM_AARCH64];

/** The most program headers that are read; each takes 56 bytes in the file and about 300 bytes
 * here. */
const HEADERS_MAX = 1 << 18;

/** @throws KexecError with kexec-tools' message, its second line, and its status. [kexec-tools] */
function notCore(message: string, exitStatus: number, hint?: string): never {
  const both = `${message}\nUnable to read ELF information from vmcore`;
  return fail({ code: "vmcore.elf", message: both, exitStatus, hint });
}

/** The signatures of makedumpfile's other formats. [makedumpfile diskdump_mod.h, makedumpfile.h] */
const COMPRESSED: readonly string[] = ["KDUMP   ", "DISKDUMP"];
const FLATTENED = "makedumpfile\0";

/** A hint with the command that reads a file in one of these formats; undefined for other files. */
function whoReads(path: string, ident: Uint8Array): string | undefined {
  const start = textOf(ident);
  if (COMPRESSED.some((signature) => start.startsWith(signature))) {
    return (
      `${path} is a compressed dump, as makedumpfile and QEMU write them. This prints its log:\n` +
      `makedumpfile --dump-dmesg ${path} LOGFILE`
    );
  }
  if (!start.startsWith(FLATTENED)) return undefined;
  return (
    `${path} is a flattened dump, as makedumpfile -F writes it. This converts it to a dump:\n` +
    `makedumpfile -R DUMPFILE < ${path}`
  );
}

function cutShort(message: string, exitStatus: number, need: bigint): KexecError {
  return vmcoreError(message, exitStatus, `The file must have ${need} bytes at least.`);
}

function pointerSizeOf(machine: number, wide: boolean): 4 | 8 {
  if (MACHINES_32.includes(machine)) return 4;
  return wide || MACHINES_64.includes(machine) ? 8 : 4;
}

function checkIdent(path: string, ident: Uint8Array): void {
  if (!startsWith(ident, ELF_MAGIC)) {
    notCore("Missing elf signature", 4, whoReads(path, ident));
  }
  if (ident[EI_VERSION] !== EV_CURRENT) notCore("Bad elf version", 5);
  const [kind, order] = [ident[EI_CLASS] ?? 0, ident[EI_DATA] ?? 0];
  if (kind !== 1 && kind !== 2) notCore(`Unknown elf class ${kind}`, 6);
  if (order !== 1 && order !== 2) notCore(`Unkown elf data order ${order}`, 7);
}

/**
 * Reads the ELF header and the program headers.
 * @throws KexecError with kexec-tools' words and statuses, 3 to 16
 */
export function readCoreHeader(file: CoreFile): CoreHeader {
  const { path } = file;
  const ident = file.read(0n, IDENT_SIZE);
  if (ident.length !== IDENT_SIZE) {
    notCore(`Read of e_ident from ${path} failed: ${file.reason}`, 3);
  }
  checkIdent(path, ident);
  const wide = ident[EI_CLASS] === 2;
  const littleEndian = ident[EI_DATA] === 1;
  const [Ehdr, Phdr] = wide ? [Elf64_Ehdr, Elf64_Phdr] : [Elf32_Ehdr, Elf32_Phdr];
  const bytes = file.read(0n, Ehdr.size);
  if (bytes.length !== Ehdr.size) {
    const message = `Read of Elf header from ${path} failed: ${file.reason}`;
    throw cutShort(message, 10, BigInt(Ehdr.size));
  }
  const header = Ehdr.read(bytes, 0, littleEndian);
  const { e_version, e_phentsize } = header;
  if (e_version !== EV_CURRENT) throw vmcoreError(`Bad Elf header version ${e_version}`, 11);
  if (e_phentsize !== Phdr.size) {
    const message = `Bad Elf progra header size ${e_phentsize} expected ${Phdr.size}`;
    throw vmcoreError(message, 12);
  }
  const form = { wide, littleEndian };
  const table = { at: BigInt(header.e_phoff), count: headerCount(file, form, header) };
  return {
    ...form,
    machine: header.e_machine,
    pointerSize: pointerSizeOf(header.e_machine, wide),
    programHeaders: readProgramHeaders(file, form, table),
  };
}

type Form = Pick<CoreHeader, "wide" | "littleEndian">;

/** The number of program headers. [elf "e_phnum"] */
function headerCount(
  file: CoreFile,
  { wide, littleEndian }: Form,
  { e_phnum, e_shoff }: { readonly e_phnum: number; readonly e_shoff: bigint | number },
): number {
  if (e_phnum !== PN_XNUM || BigInt(e_shoff) === 0n) return e_phnum;
  const Shdr = wide ? Elf64_Shdr : Elf32_Shdr;
  const bytes = file.read(BigInt(e_shoff), Shdr.size);
  if (bytes.length < Shdr.size) return e_phnum;
  // Where sh_info is 0, the dump really has PN_XNUM (65,535) headers.
  return Shdr.read(bytes, 0, littleEndian).sh_info || e_phnum;
}

/** @throws KexecError where the table is cut short or has more than HEADERS_MAX entries */
function readProgramHeaders(
  file: CoreFile,
  { wide, littleEndian }: Form,
  { at, count }: { readonly at: bigint; readonly count: number },
): readonly ProgramHeader[] {
  const Phdr = wide ? Elf64_Phdr : Elf32_Phdr;
  const size = count * Phdr.size;
  if (count > HEADERS_MAX) {
    const what = wide ? "phdrs64" : "phdrs32";
    throw vmcoreError(`Calloc of ${count} ${what} failed: Cannot allocate memory`, 14);
  }
  const bytes = file.readLong(at, size);
  if (bytes.length !== size) {
    const where = wide ? `${at}` : hex(at);
    const message = `Read of program header @ ${where} for ${size} bytes failed: ${file.reason}`;
    throw cutShort(message, 16, at + BigInt(size));
  }
  // A DataView reads the fields: the struct's own reader would take a second for this many headers.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz } = Phdr.fields;
  const word = (offset: number) =>
    wide ? view.getBigUint64(offset, littleEndian) : BigInt(view.getUint32(offset, littleEndian));
  const headers: ProgramHeader[] = [];
  for (let base = 0; base < size; base += Phdr.size) {
    const type = view.getUint32(base + p_type.offset, littleEndian);
    if (type !== PT_LOAD && type !== PT_NOTE) continue;
    const stored = word(base + p_filesz.offset);
    const memory = word(base + p_memsz.offset);
    headers.push({
      type,
      offset: word(base + p_offset.offset),
      virtual: word(base + p_vaddr.offset),
      physical: word(base + p_paddr.offset),
      stored,
      // Where a damaged header has more bytes in the file than in memory, all of them count as
      // memory.
      size: memory > stored ? memory : stored,
    });
  }
  return headers;
}
