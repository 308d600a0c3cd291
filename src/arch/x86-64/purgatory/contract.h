/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agreement between the purgatory and whoever loads it: the parameter block. The C code, the
 * assembly and src/purgatory/parameters.ts share it; a test holds the table there against the
 * #defines here. Numbers are little-endian, and offsets count from the start of the block.
 *
 * What it does not do: it says nothing of the code behind the block, which may change freely. Any
 * change of a field's place or meaning takes a new PARAMETERS_VERSION_NOW.
 */

#ifndef PURGATORY_CONTRACT_H
#define PURGATORY_CONTRACT_H

/* The block's distance from the blob's first byte, which is also the entry. */
#define PARAMETERS_IN_BLOB 0x10

/* "onekexec" as the bytes appear in memory. */
#define PARAMETERS_MAGIC_VALUE 0x636578656b656e6f
#define PARAMETERS_VERSION_NOW 1

/* Offsets of the fields. */
#define PARAMETERS_MAGIC 0x000
#define PARAMETERS_VERSION 0x008
#define PARAMETERS_BLOCK_SIZE 0x00c
#define PARAMETERS_FLAGS 0x010
#define PARAMETERS_REGION_COUNT 0x014
#define PARAMETERS_SERIAL_BASE 0x018
#define PARAMETERS_SERIAL_BAUD 0x01c
#define PARAMETERS_BACKUP_SOURCE 0x020
#define PARAMETERS_BACKUP_DESTINATION 0x028
#define PARAMETERS_BACKUP_SIZE 0x030
#define PARAMETERS_SHA256_ROUTINE 0x038
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
#define PARAMETERS_REGIONS 0x100
#define PARAMETERS_END 0x400

/* A region, and how many the block has room for: kexec_load(2) takes 16 segments at most. */
#define REGION_START 0x00
#define REGION_LENGTH 0x08
#define REGION_SHA256 0x10
#define REGION_END 0x30
#define REGIONS_MAX 16

/* Bytes behind the command line's NUL for " kexec_jump_back_entry=0x", 16 digits and a NUL. */
#define JUMP_BACK_ROOM 48

/* PARAMETERS_FLAGS. A purgatory that meets a flag it does not know refuses to go on. */
#define FLAG_SKIP_CHECKS 0x01
#define FLAG_CONSOLE_VGA 0x02
#define FLAG_CONSOLE_SERIAL 0x04
#define FLAG_RESET_VGA 0x08
#define FLAGS_KNOWN 0x0f

/* PARAMETERS_SHA256_ROUTINE. 2 is kept for one that uses the CPU's SHA instructions. */
#define SHA256_ROUTINE_BEST 0
#define SHA256_ROUTINE_GENERIC 1

/* PARAMETERS_ENTRY_MODE: how the next kernel is entered. In 32-bit protected mode paging is off and
 * segments are flat; the block, the code and what the registers name must then lie below 4 GiB, and
 * r8 to r15 do not exist. In real mode the block and the code must lie below 1 MiB, CS:RIP is the
 * entry, SS:RSP the stack, and the interrupt controllers and the timer are as a BIOS has them. */
#define ENTRY_MODE_64 0
#define ENTRY_MODE_32 1
#define ENTRY_MODE_16 2

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

struct region {
  uint64_t start;
  uint64_t length;
  uint8_t sha256[32];
};

struct parameters {
  uint64_t magic;
  uint32_t version;
  uint32_t block_size;
  uint32_t flags;
  uint32_t region_count;
  uint32_t serial_base;
  uint32_t serial_baud;
  uint64_t backup_source;
  uint64_t backup_destination;
  uint64_t backup_size;
  uint32_t sha256_routine;
  uint32_t entry_mode;
  /* rax rbx rcx rdx rsi rdi rsp rbp r8 to r15 rip, and cs ds es ss fs gs: only the assembly puts
   * them into the CPU. */
  uint64_t registers[17];
  uint16_t segments[6];
  uint32_t flags_16;
  /* The address of the command line's NUL. Behind it are JUMP_BACK_ROOM bytes to write to. */
  uint64_t jump_back_text;
  uint64_t reserved[4];
  struct region regions[REGIONS_MAX];
};

#define AT(field, offset) \
  _Static_assert(offsetof(struct parameters, field) == (offset), #field " is misplaced")
AT(magic, PARAMETERS_MAGIC);
AT(version, PARAMETERS_VERSION);
AT(block_size, PARAMETERS_BLOCK_SIZE);
AT(flags, PARAMETERS_FLAGS);
AT(region_count, PARAMETERS_REGION_COUNT);
AT(serial_base, PARAMETERS_SERIAL_BASE);
AT(serial_baud, PARAMETERS_SERIAL_BAUD);
AT(backup_source, PARAMETERS_BACKUP_SOURCE);
AT(backup_destination, PARAMETERS_BACKUP_DESTINATION);
AT(backup_size, PARAMETERS_BACKUP_SIZE);
AT(sha256_routine, PARAMETERS_SHA256_ROUTINE);
AT(entry_mode, PARAMETERS_ENTRY_MODE);
AT(registers, PARAMETERS_RAX);
AT(registers[16], PARAMETERS_RIP);
AT(segments, PARAMETERS_CS);
AT(flags_16, PARAMETERS_FLAGS_16);
AT(jump_back_text, PARAMETERS_JUMP_BACK_TEXT);
AT(regions, PARAMETERS_REGIONS);
#undef AT
_Static_assert(sizeof(struct parameters) == PARAMETERS_END, "the block has another size");
_Static_assert(offsetof(struct region, start) == REGION_START, "start is misplaced");
_Static_assert(offsetof(struct region, length) == REGION_LENGTH, "length is misplaced");
_Static_assert(offsetof(struct region, sha256) == REGION_SHA256, "sha256 is misplaced");
_Static_assert(sizeof(struct region) == REGION_END, "a region has another size");

#endif
#endif
