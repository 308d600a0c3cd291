/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints the parameter block of a purgatory on standard input, field by field: by the headers that
 * the purgatory itself is compiled with, and by none of the loader's tables.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "entry.h"

static unsigned char blob[1 << 20];

static void number(const char *name, const unsigned char *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	printf("%-18s 0x%" PRIx64 "\n", name, value);
}

#define HEAD(field) number(#field, (const void *)&block->field, sizeof(block->field))
#define REGISTER(name, NAME) number(name, start + PARAMETERS_##NAME, 8)
#define SEGMENT(name, NAME) number(name, start + PARAMETERS_##NAME, 2)

static void head(const struct parameters *block)
{
	HEAD(magic);
	HEAD(version);
	HEAD(block_size);
	HEAD(flags);
	HEAD(region_count);
	HEAD(serial_base);
	HEAD(serial_baud);
	HEAD(backup_source);
	HEAD(backup_destination);
	HEAD(backup_size);
	HEAD(reserved);
}

static void entry(const unsigned char *start)
{
	const struct entry *block = (const void *)start;

	HEAD(entry_mode);
	REGISTER("rax", RAX);
	REGISTER("rbx", RBX);
	REGISTER("rcx", RCX);
	REGISTER("rdx", RDX);
	REGISTER("rsi", RSI);
	REGISTER("rdi", RDI);
	REGISTER("rsp", RSP);
	REGISTER("rbp", RBP);
	REGISTER("r8", R8);
	REGISTER("r9", R9);
	REGISTER("r10", R10);
	REGISTER("r11", R11);
	REGISTER("r12", R12);
	REGISTER("r13", R13);
	REGISTER("r14", R14);
	REGISTER("r15", R15);
	REGISTER("rip", RIP);
	SEGMENT("cs", CS);
	SEGMENT("ds", DS);
	SEGMENT("es", ES);
	SEGMENT("ss", SS);
	SEGMENT("fs", FS);
	SEGMENT("gs", GS);
	HEAD(flags_16);
	HEAD(jump_back_text);
	HEAD(reserved[0]);
	HEAD(reserved[1]);
	HEAD(reserved[2]);
	HEAD(reserved[3]);
	_Static_assert(sizeof(block->reserved) == 4 * sizeof(block->reserved[0]), "one is left out");
}

/* All places of the table: those behind the last region are empty, which is said once. */
static void regions(const struct parameters *block)
{
	static const struct region none;
	size_t empty = 0;

	for (size_t i = 0; i < REGIONS_MAX; i++) {
		const struct region *region = &block->regions[i];

		if (i >= block->region_count && memcmp(region, &none, sizeof(none)) == 0) {
			empty++;
			continue;
		}
		printf("region %zu: start 0x%" PRIx64 ", length 0x%" PRIx64 ", xxh64 %016" PRIx64 "\n",
		       i, region->start, region->length, region->xxh64);
	}
	printf("empty regions: %zu\n", empty);
}

int main(void)
{
	const struct parameters *block = (const void *)(blob + PARAMETERS_IN_BLOB);

	if (fread(blob, 1, sizeof(blob), stdin) < PARAMETERS_IN_BLOB + PARAMETERS_END)
		return 1;
	head(block);
	entry(blob + PARAMETERS_IN_BLOB);
	regions(block);
	return 0;
}
