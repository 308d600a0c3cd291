/**
 * Where the running x86_64 kernel is mapped: its text, and all of memory. /proc/kcore has a program
 * header for each mapping, /proc/kallsyms tells in which one the text is. Pure.
 */

import { ADDRESS_END, alignDown, alignUp, GIB, hex, MIB } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../core/elf.ts";
import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";

export const KCORE = "/proc/kcore";
export const KALLSYMS = "/proc/kallsyms";

/** Where kcore's program headers may begin at the latest, in bytes: the kernel has them behind the
 * ELF header. */
const KCORE_PHOFF_MAX = 65536n;

/** Where x86_64 kernels since 4.20 map memory, unless they choose by chance.
 * [linux Documentation/arch/x86/x86_64/mm.rst] */
export const USUAL_PAGE_OFFSET = 0xffff888000000000n;

/** __START_KERNEL_map and the 1 GiB that kernels with KASLR lie in. kexec-tools looks in 512 MiB.
 * [linux arch/x86/include/asm/page_64_types.h KERNEL_IMAGE_SIZE] */
const KERNEL_MAP: Range = { start: 0xffffffff80000000n, end: 0xffffffffc0000000n };
const PAGE = 4096n;

/** What e_ident must begin with: ELF, 64 bits, little endian. */
const IDENT = ELF64_IDENT.subarray(0, 6);

/** kexec-tools' line for all that may be wrong with kcore. */
export const KCORE_DAMAGED = "ELF core (kcore) parse failed";

function damaged(why: string): never {
  return fail({ code: "facts.kcore", message: `${KCORE_DAMAGED}: ${why}` });
}

/** What is needed of the ELF header. @throws KexecError `facts.kcore` for another file */
function kcoreHeader(bytes: Uint8Array) {
  if (bytes.length < Elf64_Ehdr.size) damaged(`${KCORE} has ${bytes.length} bytes`);
  const { e_ident, e_phoff, e_phentsize, e_phnum } = Elf64_Ehdr.read(bytes);
  if (!startsWith(e_ident, IDENT)) damaged(`${KCORE} is no 64-bit ELF file`);
  if (e_phentsize !== Elf64_Phdr.size) damaged(`program headers of ${e_phentsize} bytes`);
  if (e_phoff > KCORE_PHOFF_MAX) damaged(`its program headers begin at ${hex(e_phoff)}`);
  return { e_phoff, e_phnum, end: e_phoff + BigInt(e_phnum * Elf64_Phdr.size) };
}

/** In bytes: how much of kcore has its ELF header. */
export const KCORE_HEADER_SIZE = Elf64_Ehdr.size;

/**
 * In bytes, at most 3.7 MB: how much of kcore has all its headers. Machines with much memory in
 * pieces have more than the 1,168 that kexec-tools reads; differs.
 * @param start at least its ELF header
 * @throws KexecError `facts.kcore`
 */
export const kcoreHeadersSize = (start: Uint8Array): number => Number(kcoreHeader(start).end);

/**
 * The virtual addresses that kcore has, in its order.
 * @param bytes at least its headers, from the start
 * @throws KexecError `facts.kcore` for what is no such file, or has headers beyond `bytes`
 */
export function parseKcore(bytes: Uint8Array): Range[] {
  const { e_phoff, e_phnum, end } = kcoreHeader(bytes);
  if (end > BigInt(bytes.length)) {
    damaged(`its ${e_phnum} program headers end at ${hex(end)}, ${hex(bytes.length)} were read`);
  }
  const mappings: Range[] = [];
  for (let i = 0; i < e_phnum; i += 1) {
    const { p_type, p_vaddr, p_memsz } = Elf64_Phdr.read(
      bytes,
      Number(e_phoff) + i * Elf64_Phdr.size,
    );
    if (p_type !== PT_LOAD || p_memsz === 0n) continue;
    const last = p_vaddr + p_memsz;
    mappings.push({ start: p_vaddr, end: last > ADDRESS_END ? ADDRESS_END : last });
  }
  return mappings;
}

/**
 * The address of `_stext` in a part of kallsyms that begins at a line's start; null where it is not
 * there, or is hidden: the kernel shows zeros to those without rights.
 */
export function findStext(kallsyms: string): bigint | null {
  const [, digits] = /^([0-9a-f]{1,16}) [a-z] _stext$/im.exec(kallsyms) ?? [];
  const address = digits === undefined ? 0n : BigInt(`0x${digits}`);
  return address === 0n ? null : address;
}

/** The virtual address of physical 0: that of the lowest mapping, cut down to a GiB.
 * [kexec-tools] */
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
