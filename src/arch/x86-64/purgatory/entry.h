/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86_64's part of the parameter block: how the next kernel is entered. It lies between the head
 * and the regions of contract.h, and its offsets too count from the start of the block. A test holds
 * the table of parameters.ts beside it against the #defines here.
 *
 * What it does not do: it sets no register; purgatory.S does.
 */

#ifndef PURGATORY_ENTRY_H
#define PURGATORY_ENTRY_H

#include "contract.h"

/* Offsets of the fields. */
#define PARAMETERS_ENTRY_MODE 0x03c
#define PARAMETERS_RAX 0x040
#define PARAMETERS_RBX 0x048
#define PARAMETERS_RCX 0x050
#define PARAMETERS_RDX 0x058
#define PARAMETERS_RSI 0x060
#define PARAMETERS_RDI 0x068
#define PARAMETERS_RSP 0x070
#define PARAMETERS_RBP 0x078
#define PARAMETERS_R8 0x080
#define PARAMETERS_R9 0x088
#define PARAMETERS_R10 0x090
#define PARAMETERS_R11 0x098
#define PARAMETERS_R12 0x0a0
#define PARAMETERS_R13 0x0a8
#define PARAMETERS_R14 0x0b0
#define PARAMETERS_R15 0x0b8
#define PARAMETERS_RIP 0x0c0
/* For real mode only. */
#define PARAMETERS_CS 0x0c8
#define PARAMETERS_DS 0x0ca
#define PARAMETERS_ES 0x0cc
#define PARAMETERS_SS 0x0ce
#define PARAMETERS_FS 0x0d0
#define PARAMETERS_GS 0x0d2
#define PARAMETERS_FLAGS_16 0x0d4
/* Where the command line ends, if it is to say where to jump back to; 0: it is not. */
#define PARAMETERS_JUMP_BACK_TEXT 0x0d8
/* 0x0e0 to 0x0ff are kept for later, and zero. */

/* Bytes behind the command line's NUL for " kexec_jump_back_entry=0x", 16 digits and a NUL. */
#define JUMP_BACK_ROOM 48

/* The bits of PARAMETERS_FLAGS that this purgatory obeys: all of contract.h's. */
#define FLAGS_KNOWN 0x0f

/* PARAMETERS_ENTRY_MODE: how the next kernel is entered. In 32-bit protected mode paging is off and
 * segments are flat; the block, the code and what the registers name must then lie below 4 GiB, and
 * r8 to r15 do not exist. In real mode the block and the code must lie below 1 MiB, CS:RIP is the
 * entry, SS:RSP the stack, and the interrupt controllers and the timer are as a BIOS has them. */
#define ENTRY_MODE_64 0
#define ENTRY_MODE_32 1
#define ENTRY_MODE_16 2

#ifndef __ASSEMBLER__

/* The block from its start, so that every field is aligned; only the part behind the head is
 * named. */
struct entry {
  uint8_t head[PARAMETERS_ENTRY];
  uint32_t entry_mode;
  /* rax rbx rcx rdx rsi rdi rsp rbp r8 to r15 rip, and cs ds es ss fs gs: only the assembly puts
   * them into the CPU. */
  uint64_t registers[17];
  uint16_t segments[6];
  uint32_t flags_16;
  /* The address of the command line's NUL. Behind it are JUMP_BACK_ROOM bytes to write to. */
  uint64_t jump_back_text;
  uint64_t reserved[4];
};

#define AT(field, offset) \
  _Static_assert(offsetof(struct entry, field) == (offset), #field " is misplaced")
AT(entry_mode, PARAMETERS_ENTRY_MODE);
AT(registers, PARAMETERS_RAX);
AT(registers[16], PARAMETERS_RIP);
AT(segments, PARAMETERS_CS);
AT(flags_16, PARAMETERS_FLAGS_16);
AT(jump_back_text, PARAMETERS_JUMP_BACK_TEXT);
#undef AT
_Static_assert(sizeof(struct entry) == PARAMETERS_REGIONS, "the entry has another size");

#endif
#endif
