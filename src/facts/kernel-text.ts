/**
 * Where the running x86_64 kernel is mapped: its text, and all physical memory. /proc/kcore has a
 * program header for each mapping; the address of `_stext` in /proc/kallsyms shows which mapping
 * the text is in. Pure.
 */

import { ADDRESS_END, alignDown, alignUp, GIB, hex, MIB } from "../core/address.ts";
import { startsWith } from "../core/bytes.ts";
import { ELF64_IDENT, Elf64_Ehdr, Elf64_Phdr, PT_LOAD } from "../core/elf.ts";
import { fail } from "../core/error.ts";
import type { Range } from "../core/range.ts";

export const KCORE = "/proc/kcore";
export const KALLSYMS = "/proc/kallsyms";

/** The highest offset at which kcore's program headers may begin, in bytes: the kernel puts them
 * behind the ELF header. */
const KCORE_PHOFF_MAX = 65536n;

/** The virtual address at which x86_64 kernels since 4.20 map physical memory, if KASLR does not
 * move it. [linux Documentation/arch/x86/x86_64/mm.rst] */
export const USUAL_PAGE_OFFSET = 0xffff888000000000n;

/** __START_KERNEL_map, and the 1 GiB from there in which kernels with KASLR lie. kexec-tools looks
 * in 512 MiB. [linux arch/x86/include/asm/page_64_types.h KERNEL_IMAGE_SIZE] */
const KERNEL_MAP: Range = { start: 0xffffffff80000000n, end: 0xffffffffc0000000n };
const PAGE = 4096n;

/** What e_ident must begin with: ELF, 64 bits, little endian. */
const IDENT = ELF64_IDENT.subarray(0, 6);

/** kexec-tools' message for everything that may be wrong with kcore. */
export const KCORE_DAMAGED = "ELF core (kcore) parse failed";

function damaged(why: string): never {
  return fail({ code: "facts.kcore", message: `${KCORE_DAMAGED}: ${why}` });
}

/** The fields of the ELF header that are used. @throws KexecError `facts.kcore` for another file */
function kcoreHeader(bytes: Uint8Array) {
  if (bytes.length < Elf64_Ehdr.size) damaged(`${KCORE} has ${bytes.length} bytes`);
  const { e_ident, e_phoff, e_phentsize, e_phnum } = Elf64_Ehdr.read(bytes);
  if (!startsWith(e_ident, IDENT)) damaged(`${KCORE} is no 64-bit ELF file`);
  if (e_phentsize !== Elf64_Phdr.size) damaged(`program headers of ${e_phentsize} bytes`);
  if (e_phoff > KCORE_PHOFF_MAX) damaged(`its program headers begin at ${hex(e_phoff)}`);
  return { e_phoff, e_phnum, end: e_phoff + BigInt(e_phnum * Elf64_Phdr.size) };
}

/** The size of the ELF header at the start of kcore, in bytes. */
export const KCORE_HEADER_SIZE = Elf64_Ehdr.size;

/**
 * The size of the start of kcore that has all its headers, in bytes; at most 3.7 MB. Machines with
 * much memory in pieces have more headers than the 1,168 that kexec-tools reads.
 * @param start the start of the file, with its ELF header
 * @throws KexecError `facts.kcore`
 */
export const kcoreHeadersSize = (start: Uint8Array): number => Number(kcoreHeader(start).end);

/**
 * The virtual address ranges that kcore has, in the order of its program headers.
 * @param bytes the start of the file, with all its program headers
 * @throws KexecError `facts.kcore` for a file that is not 64-bit ELF, or has headers beyond `bytes`
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
 * The address of `_stext` in a part of kallsyms that begins at a line's start; null where it is
 * missing or hidden: the kernel shows zeros to processes that may not see addresses.
 */
export function findStext(kallsyms: string): bigint | null {
  const [, digits] = /^([0-9a-f]{1,16}) [a-z] _stext$/im.exec(kallsyms) ?? [];
  const address = digits === undefined ? 0n : BigInt(`0x${digits}`);
  return address === 0n ? null : address;
}

/** The virtual address of physical address 0: the start of the lowest mapping, aligned down to
 * 1 GiB. [kexec-tools] */
export function pageOffsetOf(mappings: readonly Range[]): bigint {
  const starts = mappings.map(({ start }) => alignDown(start, GIB));
  return starts.reduce((low, start) => (start < low ? start : low), starts[0] ?? USUAL_PAGE_OFFSET);
}

/**
 * The mapping of the kernel's text; null where there is none. Its start is aligned down to 1 MiB,
 * as in kexec-tools.
 * @param stext address of `_stext`; null or outside all mappings: the first mapping inside
 *   `KERNEL_MAP` counts
 */
export function kernelMapping(mappings: readonly Range[], stext: bigint | null): Range | null {
  const found =
    mappings.find(({ start, end }) => stext !== null && start <= stext && stext < end) ??
    mappings.find(({ start, end }) => start >= KERNEL_MAP.start && end <= KERNEL_MAP.end);
  if (found === undefined) return null;
  const start = alignDown(found.start, MIB);
  return { start, end: start + alignUp(found.end - start, PAGE) };
}
