/** Reads ELF executables: the PT_LOAD segments of the file and their physical addresses. [elf] */

import { alignDown, alignUp, hex, humanSize, isPowerOfTwo, MIB } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import {
  ELF_MAGIC,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  Elf32_Ehdr,
  Elf32_Phdr,
  Elf64_Ehdr,
  Elf64_Phdr,
  ET_DYN,
  ET_EXEC,
  PT_LOAD,
} from "../core/elf.ts";
import { failImage } from "../core/error.ts";

export type ElfBits = 32 | 64;

/** The most bytes of one image that are made beyond those of its file: zeros between the bytes of
 * PT_LOAD segments, and bytes that several of them share. Gaps in Linux have up to 2 MiB
 * each. */
const MADE_MAX = 32n * MIB;

/** Whether the file begins as all ELF files do. */
export const isElf = (file: Uint8Array): boolean => startsWith(file, ELF_MAGIC);

/** One PT_LOAD segment with memory: its bytes in the file, addresses, and size in bytes. */
export interface ElfLoad {
  readonly bytes: Uint8Array;
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly memorySize: bigint;
}

export interface ElfImage {
  readonly bits: ElfBits;
  /** ET_DYN: position-independent. */
  readonly relocatable: boolean;
  /** The physical address of the first instruction. */
  readonly entry: bigint;
  /** The largest p_align that is a power of two, in bytes; at least 1. */
  readonly alignment: bigint;
  /** Sorted by physical address, disjoint, at least one. */
  readonly loads: readonly ElfLoad[];
}

const physicalEnd = ({ physical, memorySize }: ElfLoad): bigint => physical + memorySize;

/** Why a file is not an ELF executable of `bits` for one of `machines` (e_machine); null: it is. */
export function whyNotElf(
  image: Uint8Array,
  bits: ElfBits,
  machines: readonly number[],
): string | null {
  if (!isElf(image)) return 'no 0x7f "ELF" at its start';
  const Header = bits === 64 ? Elf64_Ehdr : Elf32_Ehdr;
  if (image.length < Header.size) return `${image.length} bytes are too few for an ELF header`;
  const { e_ident, e_type, e_machine } = Header.read(image);
  if (e_ident[4] !== (bits === 64 ? ELFCLASS64 : ELFCLASS32)) return `not a ${bits}-bit ELF file`;
  if (e_ident[5] !== ELFDATA2LSB) return "not a little-endian ELF file";
  if (!machines.includes(e_machine)) return `wrong e_machine ${e_machine} at offset 0x12`;
  if (e_type !== ET_EXEC && e_type !== ET_DYN) {
    return `not an executable: e_type ${e_type} at offset 0x10`;
  }
  return null;
}

interface Header {
  readonly e_type: number;
  readonly e_entry: bigint;
  readonly e_phoff: bigint;
  readonly e_phentsize: number;
  readonly e_phnum: number;
}

interface ProgramHeader {
  readonly p_type: number;
  readonly p_offset: bigint;
  readonly p_vaddr: bigint;
  readonly p_paddr: bigint;
  readonly p_filesz: bigint;
  readonly p_memsz: bigint;
  readonly p_align: bigint;
}

function readHeader(image: Uint8Array, bits: ElfBits): Header {
  if (bits === 64) return Elf64_Ehdr.read(image);
  const header = Elf32_Ehdr.read(image);
  return { ...header, e_entry: BigInt(header.e_entry), e_phoff: BigInt(header.e_phoff) };
}

function readProgramHeader(image: Uint8Array, bits: ElfBits, at: number): ProgramHeader {
  if (bits === 64) return Elf64_Phdr.read(image, at);
  const header = Elf32_Phdr.read(image, at);
  return {
    p_type: header.p_type,
    p_offset: BigInt(header.p_offset),
    p_vaddr: BigInt(header.p_vaddr),
    p_paddr: BigInt(header.p_paddr),
    p_filesz: BigInt(header.p_filesz),
    p_memsz: BigInt(header.p_memsz),
    p_align: BigInt(header.p_align),
  };
}

function programHeaders(image: Uint8Array, bits: ElfBits, header: Header): ProgramHeader[] {
  const { e_phoff, e_phentsize, e_phnum } = header;
  const size = bits === 64 ? Elf64_Phdr.size : Elf32_Phdr.size;
  if (e_phentsize !== size) {
    failImage({
      code: "image.elf-header",
      message: `the program headers have ${e_phentsize} bytes each, ELF${bits}'s have ${size}`,
    });
  }
  const needed = e_phoff + BigInt(e_phnum * size);
  if (needed > BigInt(image.length)) return cutShort(image, "its program headers", needed);
  return Array.from({ length: e_phnum }, (_, i) =>
    readProgramHeader(image, bits, Number(e_phoff) + i * size),
  );
}

function cutShort(image: Uint8Array, what: string, needed: bigint): never {
  return failImage({
    code: "image.truncated",
    message: `the file is cut short: it has ${image.length} bytes, ${what} end at ${needed}`,
    hint: "Copy or build the kernel again, and compare its size.",
  });
}

function loadOf(image: Uint8Array, bits: ElfBits, header: ProgramHeader): ElfLoad {
  const { p_offset, p_filesz, p_memsz, p_paddr, p_vaddr } = header;
  const end = p_offset + p_filesz;
  // What has no bytes in the file may name any offset: linkers name one behind the file's end.
  if (p_filesz > 0n && end > BigInt(image.length))
    return cutShort(image, `the bytes for ${hex(p_paddr)}`, end);
  if (p_filesz > p_memsz || p_paddr + p_memsz > 1n << BigInt(bits)) {
    failImage({
      code: "image.elf-header",
      message:
        `a program header puts ${hex(p_filesz)} bytes into ${hex(p_memsz)} bytes of memory at ` +
        hex(p_paddr),
    });
  }
  const bytes = p_filesz === 0n ? new Uint8Array(0) : image.subarray(Number(p_offset), Number(end));
  return { bytes, virtual: p_vaddr, physical: p_paddr, memorySize: p_memsz };
}

/**
 * The executable with `entry`, a physical address, in place of e_entry.
 * @throws KexecError `image.elf-entry` where no PT_LOAD segment has it
 */
export function withEntry(elf: ElfImage, entry: bigint): ElfImage {
  const inside = elf.loads.some(
    ({ physical, bytes }) => entry >= physical && entry < physical + BigInt(bytes.length),
  );
  if (inside) return { ...elf, entry };
  return failImage({
    code: "image.elf-entry",
    message: `the entry point ${hex(entry)} is in no PT_LOAD segment`,
  });
}

/** In most files e_entry is a physical address. In some it is a virtual one, which is converted. */
function physicalEntry(entry: bigint, loads: readonly ElfLoad[]): bigint {
  const within = (start: bigint, { bytes }: ElfLoad) =>
    entry >= start && entry < start + BigInt(bytes.length);
  if (loads.some((load) => within(load.physical, load))) return entry;
  const load = loads.find((one) => within(one.virtual, one));
  if (load !== undefined) return entry - load.virtual + load.physical;
  return failImage({
    code: "image.elf-entry",
    message: `the entry point ${hex(entry)} is in no PT_LOAD segment`,
  });
}

/** Headers that name the same bytes again and again would fill any memory. */
function checkTotal(image: Uint8Array, headers: readonly ProgramHeader[]): void {
  const total = headers.reduce((sum, { p_filesz }) => sum + p_filesz, 0n);
  if (total <= BigInt(image.length) + MADE_MAX) return;
  failImage({
    code: "image.elf-header",
    message:
      `the program headers load ${humanSize(total)} from the file, which has ` +
      humanSize(image.length),
  });
}

/**
 * Reads a file for which `whyNotElf` returned null.
 * @throws KexecError `image.*` or `struct.truncated` for a file that is truncated or inconsistent
 */
export function readElf(image: Uint8Array, bits: ElfBits): ElfImage {
  const header = readHeader(image, bits);
  const used = programHeaders(image, bits, header).filter(
    ({ p_type, p_memsz }) => p_type === PT_LOAD && p_memsz > 0n,
  );
  if (used.length === 0) {
    failImage({
      code: "image.elf-header",
      message: "the ELF file has nothing to load (no PT_LOAD)",
    });
  }
  checkTotal(image, used);
  const loads = used
    .map((programHeader) => loadOf(image, bits, programHeader))
    .sort((a, b) => (a.physical < b.physical ? -1 : a.physical > b.physical ? 1 : 0));
  loads.forEach((load, i) => {
    const next = loads[i + 1];
    if (next === undefined || physicalEnd(load) <= next.physical) return;
    failImage({
      code: "image.elf-header",
      message: `two PT_LOAD segments overlap at physical address ${hex(next.physical)}`,
    });
  });
  const alignments = used.map(({ p_align }) => p_align).filter(isPowerOfTwo);
  return {
    bits,
    relocatable: header.e_type === ET_DYN,
    entry: physicalEntry(header.e_entry, loads),
    alignment: alignments.reduce((most, one) => (one > most ? one : most), 1n),
    loads,
  };
}

/** Whole pages and the PT_LOAD segments in them: segments that share a page are one piece. */
export interface ElfPiece {
  readonly start: bigint;
  readonly size: bigint;
  readonly loads: readonly ElfLoad[];
}

/** A piece's bytes, up to the last one that is in the file. Call it only once the piece has its
 * memory: a broken file may demand any size. */
export function pieceBytes({ start, loads }: ElfPiece): Uint8Array {
  const filled = loads.filter(({ bytes }) => bytes.length > 0);
  const bytes = new Uint8Array(Number(filledEnd(filled.at(-1), start) - start));
  for (const load of filled) bytes.set(load.bytes, Number(load.physical - start));
  return bytes;
}

/**
 * The image as pieces of whole pages, sorted.
 * @param page page size in bytes
 * @param whole one piece from the first to the last page, with the gaps between the segments
 */
export function elfPieces({ loads }: ElfImage, page: bigint, whole: boolean): ElfPiece[] {
  const pieces: { start: bigint; end: bigint; loads: ElfLoad[] }[] = [];
  for (const load of loads) {
    const start = alignDown(load.physical, page);
    const end = alignUp(physicalEnd(load), page);
    const before = pieces.at(-1);
    if (before !== undefined && (whole || start <= before.end)) {
      before.end = end;
      before.loads.push(load);
    } else pieces.push({ start, end, loads: [load] });
  }
  return pieces.map((piece) => ({ ...piece, size: piece.end - piece.start }));
}

/**
 * A piece as parts that become one segment each: the piece itself, unless more than 32 MiB of zeros
 * lie between its bytes. Then a part begins wherever a page has none: memory without bytes needs
 * none in this process, and gaps between PT_LOAD segments need none at all.
 * @param page page size in bytes
 */
export function loadedParts(piece: ElfPiece, page: bigint): ElfPiece[] {
  const filled = piece.loads.filter(({ bytes }) => bytes.length > 0);
  const given = filled.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (filledEnd(filled.at(-1), piece.start) - piece.start - BigInt(given) <= MADE_MAX) {
    return [piece];
  }
  const parts: { start: bigint; end: bigint; filledEnd: bigint; loads: ElfLoad[] }[] = [];
  for (const load of piece.loads) {
    const start = alignDown(load.physical, page);
    const end = alignUp(physicalEnd(load), page);
    const before = parts.at(-1);
    const isFilled = load.bytes.length > 0;
    const reach = isFilled ? before?.filledEnd : before?.end;
    if (before !== undefined && reach !== undefined && start <= alignUp(reach, page)) {
      before.end = end;
      before.loads.push(load);
      if (isFilled) before.filledEnd = filledEnd(load, start);
      continue;
    }
    if (before !== undefined && before.end > start) before.end = start;
    parts.push({ start, end, filledEnd: filledEnd(load, start), loads: [load] });
  }
  return parts.map((part) => ({ ...part, size: part.end - part.start }));
}

/** One past the last byte of `load` that is in the file; `otherwise` where it has none. */
const filledEnd = (load: ElfLoad | undefined, otherwise: bigint): bigint =>
  load === undefined || load.bytes.length === 0
    ? otherwise
    : load.physical + BigInt(load.bytes.length);
