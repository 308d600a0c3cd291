/**
 * Where the running x86_64 kernel is mapped: its text, and all of memory. /proc/kcore has a program
 * header for each mapping, /proc/kallsyms tells in which one the text is. Pure.
 */

import { alignDown, alignUp } from "../core/address.ts";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../core/elf.ts";
import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";

export const KCORE = "/proc/kcore";
export const KALLSYMS = "/proc/kallsyms";

/** As much of kcore as kexec-tools reads: room for more than a thousand headers. */
export const KCORE_HEADERS_SIZE = 65536;

/** Where x86_64 kernels since 4.20 map memory, unless they choose by chance.
 * [linux Documentation/arch/x86/x86_64/mm.rst] */
export const USUAL_PAGE_OFFSET = 0xffff888000000000n;

/** __START_KERNEL_map, and what is mapped there at most. */
const KERNEL_MAP: Range = { start: 0xffffffff80000000n, end: 0xffffffffa0000000n };
const GIB = 1n << 30n;
const MIB = 1n << 20n;
const PAGE = 4096n;

/** The mappings of kcore. @throws KexecError `facts.kcore` for what is no such file */
export function parseKcore(bytes: Uint8Array): Range[] {
  const broken = (why: string): never => fail({ code: "facts.kcore", message: `${KCORE}: ${why}` });
  if (bytes.length < Elf64_Ehdr.size) broken("it is cut short");
  const header = Elf64_Ehdr.read(bytes);
  if (!ELF64_IDENT.subarray(0, 6).every((byte, i) => header.e_ident[i] === byte)) {
    broken("it is no 64-bit ELF file");
  }
  const at = Number(header.e_phoff);
  if (header.e_phentsize !== Elf64_Phdr.size || at > bytes.length)
    broken("its headers are damaged");
  const room = Math.floor((bytes.length - at) / Elf64_Phdr.size);
  return Array.from({ length: Math.min(header.e_phnum, room) }, (_, i) =>
    Elf64_Phdr.read(bytes, at + i * Elf64_Phdr.size),
  )
    .filter(({ p_type, p_memsz }) => p_type === PT_LOAD && p_memsz > 0n)
    .map(({ p_vaddr, p_memsz }) => ({ start: p_vaddr, end: p_vaddr + p_memsz }));
}

/** The address of `_stext` in a part of kallsyms; null where it is not there, or is hidden. */
export function findStext(kallsyms: string): bigint | null {
  const [, digits] = /^([0-9a-f]{1,16}) [tT] _stext$/m.exec(kallsyms) ?? [];
  const address = digits === undefined ? 0n : BigInt(`0x${digits}`);
  return address === 0n ? null : address;
}

/** The virtual address of physical 0: the lowest mapping, which begins at a GiB. [kexec-tools] */
export function pageOffsetOf(mappings: readonly Range[]): bigint {
  const starts = mappings.map(({ start }) => alignDown(start, GIB));
  return starts.reduce((low, start) => (start < low ? start : low), starts[0] ?? USUAL_PAGE_OFFSET);
}

/**
 * The mapping of the kernel's text; null where none is. Its start is cut down to a MiB, as
 * kexec-tools does.
 * @param stext address of `_stext`; null: the mapping is known by where it lies
 */
export function kernelMapping(mappings: readonly Range[], stext: bigint | null): Range | null {
  const found =
    mappings.find(({ start, end }) => stext !== null && start <= stext && stext < end) ??
    mappings.find(({ start, end }) => start >= KERNEL_MAP.start && end <= KERNEL_MAP.end);
  if (found === undefined) return null;
  const start = alignDown(found.start, MIB);
  return { start, end: start + alignUp(found.end - start, PAGE) };
}
