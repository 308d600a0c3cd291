/** The headers of an ELF core, of either class and byte order. [elf] */

import { hex } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import {
  ELF_MAGIC,
  Elf32_Ehdr,
  Elf32_Phdr,
  Elf64_Ehdr,
  Elf64_Phdr,
  EM_AARCH64,
  EM_X86_64,
  EV_CURRENT,
} from "../core/elf.ts";
import { fail, type KexecError } from "../core/error.ts";
import type { CoreFile } from "./core-file.ts";
import { vmcoreError } from "./first-error.ts";

export interface ProgramHeader {
  readonly type: number;
  readonly offset: bigint;
  readonly virtual: bigint;
  readonly physical: bigint;
  /** Bytes in the file; of memory there may be more. */
  readonly stored: bigint;
  readonly size: bigint;
}

export interface CoreHeader {
  /** Addresses in the headers have 64 bits. */
  readonly wide: boolean;
  readonly littleEndian: boolean;
  readonly machine: number;
  /** Bytes of a pointer, and of an `unsigned long`, of the kernel that died. */
  readonly pointerSize: 4 | 8;
  readonly programHeaders: readonly ProgramHeader[];
}

const IDENT_SIZE = 16;
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;

/** PAE kernels of 32 bits have 64-bit headers: EM_386, EM_PPC, EM_ARM.
 * [linux include/uapi/linux/elf-em.h] */
const MACHINES_32: readonly number[] = [3, 20, 40];
/** And 64-bit kernels may have 32-bit ones: EM_PPC64, EM_IA_64, EM_X86_64, EM_AARCH64. */
const MACHINES_64: readonly number[] = [21, 50, EM_X86_64, EM_AARCH64];

/** @throws what kexec-tools says with a second line, and the status. [kexec-tools] */
function notCore(message: string, exitStatus: number): never {
  const both = `${message}\nUnable to read ELF information from vmcore`;
  return fail({ code: "vmcore.elf", message: both, exitStatus });
}

function cutShort(message: string, exitStatus: number, need: bigint): KexecError {
  return vmcoreError(message, exitStatus, `The file must have ${need} bytes at least.`);
}

function pointerSizeOf(machine: number, wide: boolean): 4 | 8 {
  if (MACHINES_32.includes(machine)) return 4;
  return wide || MACHINES_64.includes(machine) ? 8 : 4;
}

function checkIdent(ident: Uint8Array): void {
  if (!startsWith(ident, ELF_MAGIC)) notCore("Missing elf signature", 4);
  if (ident[EI_VERSION] !== EV_CURRENT) notCore("Bad elf version", 5);
  const [kind, order] = [ident[EI_CLASS] ?? 0, ident[EI_DATA] ?? 0];
  if (kind !== 1 && kind !== 2) notCore(`Unknown elf class ${kind}`, 6);
  if (order !== 1 && order !== 2) notCore(`Unkown elf data order ${order}`, 7);
}

/** @throws KexecError with kexec-tools' words and statuses, 3 to 16 */
export function readCoreHeader(file: CoreFile): CoreHeader {
  const { path } = file;
  const ident = file.read(0n, IDENT_SIZE);
  if (ident.length !== IDENT_SIZE) {
    notCore(`Read of e_ident from ${path} failed: ${file.reason}`, 3);
  }
  checkIdent(ident);
  const wide = ident[EI_CLASS] === 2;
  const littleEndian = ident[EI_DATA] === 1;
  const [Ehdr, Phdr] = wide ? [Elf64_Ehdr, Elf64_Phdr] : [Elf32_Ehdr, Elf32_Phdr];
  const bytes = file.read(0n, Ehdr.size);
  if (bytes.length !== Ehdr.size) {
    const message = `Read of Elf header from ${path} failed: ${file.reason}`;
    throw cutShort(message, 10, BigInt(Ehdr.size));
  }
  const header = Ehdr.read(bytes, 0, littleEndian);
  const { e_version, e_phentsize, e_phnum } = header;
  if (e_version !== EV_CURRENT) throw vmcoreError(`Bad Elf header version ${e_version}`, 11);
  if (e_phentsize !== Phdr.size) {
    const message = `Bad Elf progra header size ${e_phentsize} expected ${Phdr.size}`;
    throw vmcoreError(message, 12);
  }
  const table = BigInt(header.e_phoff);
  const size = e_phnum * Phdr.size;
  const programHeaders = file.read(table, size);
  if (programHeaders.length !== size) {
    const where = wide ? `${table}` : hex(table);
    const message = `Read of program header @ ${where} for ${size} bytes failed: ${file.reason}`;
    throw cutShort(message, 16, table + BigInt(size));
  }
  return {
    wide,
    littleEndian,
    machine: header.e_machine,
    pointerSize: pointerSizeOf(header.e_machine, wide),
    programHeaders: Array.from({ length: e_phnum }, (_, i) => {
      const one = Phdr.read(programHeaders, i * Phdr.size, littleEndian);
      return {
        type: one.p_type,
        offset: BigInt(one.p_offset),
        virtual: BigInt(one.p_vaddr),
        physical: BigInt(one.p_paddr),
        stored: BigInt(one.p_filesz),
        size: BigInt(one.p_memsz),
      };
    }),
  };
}
