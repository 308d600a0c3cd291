/** The ELF structures and constants that this program uses. [elf] */

import { blob, defineStruct, u16, u32, u64 } from "./struct.ts";

export const Elf64_Ehdr = defineStruct("Elf64_Ehdr", 64, {
  e_ident: blob(0, 16),
  e_type: u16(16),
  e_machine: u16(18),
  e_version: u32(20),
  e_entry: u64(24),
  e_phoff: u64(32),
  e_shoff: u64(40),
  e_flags: u32(48),
  e_ehsize: u16(52),
  e_phentsize: u16(54),
  e_phnum: u16(56),
  e_shentsize: u16(58),
  e_shnum: u16(60),
  e_shstrndx: u16(62),
});

export const Elf64_Phdr = defineStruct("Elf64_Phdr", 56, {
  p_type: u32(0),
  p_flags: u32(4),
  p_offset: u64(8),
  p_vaddr: u64(16),
  p_paddr: u64(24),
  p_filesz: u64(32),
  p_memsz: u64(40),
  p_align: u64(48),
});

export const Elf32_Ehdr = defineStruct("Elf32_Ehdr", 52, {
  e_ident: blob(0, 16),
  e_type: u16(16),
  e_machine: u16(18),
  e_version: u32(20),
  e_entry: u32(24),
  e_phoff: u32(28),
  e_shoff: u32(32),
  e_phentsize: u16(42),
  e_phnum: u16(44),
});

export const Elf32_Phdr = defineStruct("Elf32_Phdr", 32, {
  p_type: u32(0),
  p_offset: u32(4),
  p_vaddr: u32(8),
  p_paddr: u32(12),
  p_filesz: u32(16),
  p_memsz: u32(20),
  p_flags: u32(24),
  p_align: u32(28),
});

/** 0x7f "ELF", 64 bits, little endian, version 1; the rest is 0. */
export const ELF64_IDENT = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...new Uint8Array(9));

export const ELF_MAGIC = ELF64_IDENT.subarray(0, 4);

/** Section header 0: its sh_info is the number of program headers where e_phnum is PN_XNUM. */
export const Elf64_Shdr = defineStruct("Elf64_Shdr", 64, { sh_info: u32(44) });
export const Elf32_Shdr = defineStruct("Elf32_Shdr", 40, { sh_info: u32(28) });

/** The value of e_phnum where the number of program headers does not fit into its 16 bits. */
export const PN_XNUM = 0xffff;

/** e_machine. [linux include/uapi/linux/elf-em.h] */
export const EM_386 = 3;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;
export const EM_RISCV = 243;

/** e_ident[4], the class, and e_ident[5], the byte order. */
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;

export const ET_EXEC = 2;
export const ET_DYN = 3;
export const ET_CORE = 4;
export const EV_CURRENT = 1;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
/** PF_R, PF_W and PF_X. */
export const PF_RWX = 7;
