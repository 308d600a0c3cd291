/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in front of the real libxenctrl and says on stderr what is loaded through it, then loads
 * it: for any program that calls xc_kexec_load, by LD_PRELOAD or as the library that it opens. All
 * other functions are the real library's, which this one needs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

struct segment {
	const unsigned char *buf;
	uint64_t buf_size, dest_maddr, dest_size;
};

/* FNV-1a: enough to tell equal bytes from others. */
static uint64_t digest(const unsigned char *bytes, uint64_t size)
{
	uint64_t hash = 0xcbf29ce484222325, i;

	for (i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

int xc_kexec_load(void *xch, uint8_t type, uint16_t arch, uint64_t entry, uint32_t count,
		  struct segment *segments)
{
	int (*real)(void *, uint8_t, uint16_t, uint64_t, uint32_t, struct segment *);
	void *library = dlopen("libxenctrl.so.4.17", RTLD_NOW);
	uint32_t i;

	fprintf(stderr, "xc_kexec_load type=%u arch=%u entry=0x%llx count=%u\n", type, arch,
		(unsigned long long)entry, count);
	for (i = 0; i < count; i++)
		fprintf(stderr, "segment buf=%s buf_size=0x%llx dest_maddr=0x%llx dest_size=0x%llx fnv=%llx\n",
			segments[i].buf ? "yes" : "null", (unsigned long long)segments[i].buf_size,
			(unsigned long long)segments[i].dest_maddr,
			(unsigned long long)segments[i].dest_size,
			(unsigned long long)digest(segments[i].buf, segments[i].buf_size));
	real = dlsym(library, "xc_kexec_load");
	return real(xch, type, arch, entry, count, segments);
}
