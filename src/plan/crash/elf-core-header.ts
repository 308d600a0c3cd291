/**
 * elfcorehdr: the ELF header that describes the crashed kernel's memory, for /proc/vmcore.
 * It has a PT_NOTE for each CPU, one for vmcoreinfo, a PT_LOAD for the kernel's text, and one for
 * each range of RAM, field for field as in kexec-tools. [kexec-tools] [linux fs/proc/vmcore.c]
 */

import { alignUp } from "../../core/address.ts";
import {
  ELF64_IDENT,
  Elf64_Ehdr,
  Elf64_Phdr,
  ET_CORE,
  EV_CURRENT,
  PF_RWX,
  PT_LOAD,
  PT_NOTE,
} from "../../core/elf.ts";
import { type Range, rangeSize } from "../../core/range.ts";
import type { StructValue } from "../../core/struct.ts";
import type { CrashFacts } from "../../model/host-facts.ts";

/** In bytes: the kernel parameter elfcorehdr= has the header's address in KiB. */
export const ELF_CORE_HEADER_ALIGN = 1024;

type Phdr = Partial<StructValue<typeof Elf64_Phdr.fields>>;

/** Memory that the purgatory copies to `destination` before the crash kernel runs. */
export interface MovedMemory {
  readonly source: Range;
  readonly destination: bigint;
}

function note({ start, end }: Range): Phdr {
  const size = end - start;
  return { p_type: PT_NOTE, p_offset: start, p_paddr: start, p_filesz: size, p_memsz: size };
}

function load(memory: Range, virtual: bigint, offset: bigint): Phdr {
  const size = rangeSize(memory);
  return {
    p_type: PT_LOAD,
    p_flags: PF_RWX,
    p_offset: offset,
    p_vaddr: BigInt.asUintN(64, virtual),
    p_paddr: memory.start,
    p_filesz: size,
    p_memsz: size,
  };
}

function ramHeader(ram: Range, pageOffset: bigint, moved: MovedMemory | null): Phdr {
  const isMoved =
    moved !== null && ram.start === moved.source.start && ram.end === moved.source.end;
  return load(ram, ram.start + pageOffset, isMoved ? moved.destination : ram.start);
}

function headers(facts: CrashFacts, ram: readonly Range[], moved: MovedMemory | null): Phdr[] {
  const { cpuNotes, vmcoreinfo, dom0Vmcoreinfo, kernelText, pageOffset } = facts;
  const text =
    kernelText === null
      ? []
      : [
          load(
            { start: kernelText.physical, end: kernelText.physical + kernelText.size },
            kernelText.virtual,
            kernelText.physical,
          ),
        ];
  return [
    ...cpuNotes.map(note),
    ...(vmcoreinfo === null ? [] : [note(vmcoreinfo)]),
    // kexec-tools leaves this note out, so that tools cannot find dom0's log; this differs.
    ...(dom0Vmcoreinfo === null ? [] : [note(dom0Vmcoreinfo)]),
    ...text,
    ...ram.map((r) => ramHeader(r, pageOffset, moved)),
  ];
}

/** The size of the header, in bytes, a multiple of `ELF_CORE_HEADER_ALIGN`. */
export function elfCoreHeaderSize(facts: CrashFacts, ram: readonly Range[]): number {
  const count = headers(facts, ram, null).length;
  const size = Elf64_Ehdr.size + count * Elf64_Phdr.size;
  return Number(alignUp(BigInt(size), BigInt(ELF_CORE_HEADER_ALIGN)));
}

/**
 * The header's bytes.
 * @param ram the RAM that the dump contains, sorted, disjoint
 * @param machine e_machine of the crashed kernel
 */
export function elfCoreHeader(
  facts: CrashFacts,
  ram: readonly Range[],
  moved: MovedMemory | null,
  machine: number,
): Uint8Array {
  const all = headers(facts, ram, moved);
  const bytes = new Uint8Array(elfCoreHeaderSize(facts, ram));
  Elf64_Ehdr.write(bytes, {
    e_ident: ELF64_IDENT,
    e_type: ET_CORE,
    e_machine: machine,
    e_version: EV_CURRENT,
    e_phoff: BigInt(Elf64_Ehdr.size),
    e_ehsize: Elf64_Ehdr.size,
    e_phentsize: Elf64_Phdr.size,
    e_phnum: all.length,
  });
  all.forEach((header, i) => {
    Elf64_Phdr.write(bytes, header, Elf64_Ehdr.size + i * Elf64_Phdr.size);
  });
  return bytes;
}
