/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface between a purgatory and its loader: the head of the parameter block, and its
 * regions. The C code, each architecture's assembly and parameters.ts use it; a test compares the
 * tables of parameters.ts with the #defines here. Numbers are little-endian. Offsets are in bytes
 * from the start of the block.
 *
 * The bytes from PARAMETERS_ENTRY to PARAMETERS_REGIONS, which say how the next kernel is entered,
 * are laid out by the entry.h of each architecture. A change of a field's place or meaning needs a
 * new PARAMETERS_VERSION_NOW; a change of the code that follows the block does not.
 */

#ifndef PURGATORY_CONTRACT_H
#define PURGATORY_CONTRACT_H

/* Offset of the block in the blob, in bytes. The blob's first byte is the entry point. */
#define PARAMETERS_IN_BLOB 0x10

/* The bytes "onekexec" in memory. */
#define PARAMETERS_MAGIC_VALUE 0x636578656b656e6f
#define PARAMETERS_VERSION_NOW 2

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
/* 0x038 to 0x03b are reserved, and zero. */
#define PARAMETERS_ENTRY 0x03c
#define PARAMETERS_REGIONS 0x100
#define PARAMETERS_END 0x280

/* A region: three numbers of 64 bits, without padding. The most regions of a block: kexec_load(2)
 * accepts at most 16 segments. */
#define REGION_START 0x00
#define REGION_LENGTH 0x08
#define REGION_XXH64 0x10
#define REGION_END 0x18
#define REGIONS_MAX 16

/* PARAMETERS_FLAGS. FLAGS_KNOWN in each architecture's entry.h has the flags that it supports: a
 * purgatory halts if another flag is set. */
#define FLAG_SKIP_CHECKS 0x01
#define FLAG_CONSOLE_VGA 0x02
#define FLAG_CONSOLE_SERIAL 0x04
#define FLAG_RESET_VGA 0x08

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

struct region {
  uint64_t start;
  uint64_t length;
  /* XXH64 with seed 0 of the region. */
  uint64_t xxh64;
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
  uint32_t reserved;
  /* Read only through the struct of entry.h. */
  uint8_t entry[PARAMETERS_REGIONS - PARAMETERS_ENTRY];
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
AT(entry, PARAMETERS_ENTRY);
AT(regions, PARAMETERS_REGIONS);
#undef AT
_Static_assert(sizeof(struct parameters) == PARAMETERS_END, "the block has another size");
_Static_assert(offsetof(struct region, start) == REGION_START, "start is misplaced");
_Static_assert(offsetof(struct region, length) == REGION_LENGTH, "length is misplaced");
_Static_assert(offsetof(struct region, xxh64) == REGION_XXH64, "xxh64 is misplaced");
_Static_assert(sizeof(struct region) == REGION_END, "a region has another size");

#endif
#endif
