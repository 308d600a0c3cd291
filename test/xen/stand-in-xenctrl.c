/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for libxenctrl: it logs its calls, fails as requested, and counts allocations, so that
 * a test detects leaks.
 *
 * -DOMIT_xc_NAME leaves a function out, -DNAME="..." is the library's name in its log. The
 * environment controls it: STAND_IN_LOG, a file; STAND_IN_FAIL, "NAME:ERRNO:N": the Nth call of
 * NAME, from 0, fails; STAND_IN_LOADED: an image is loaded, and its status bit is set;
 * STAND_IN_CRASH: there is a crash region. A test in the same process calls stand_in_fail in place
 * of STAND_IN_FAIL.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library's own header, so that the compiler checks these prototypes. */
#include <xenctrl.h>
#include <xen/kexec.h>

#include "told-to-fail.h"

#ifndef NAME
#define NAME "stand-in"
#endif

struct xc_interface_core { int opened; };
struct xc_hypercall_buffer_array { unsigned count; void **memory; };

static char fail[256], text[1 << 16];
static size_t text_length;
static int held, opened, calls_of_name, mark[3], loaded[3];

static void write_line(const char *line)
{
	const char *path = getenv("STAND_IN_LOG");
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\n", line);
	fclose(file);
}

static void say(const char *format, ...)
{
	char line[512];
	va_list words;

	va_start(words, format);
	vsnprintf(line, sizeof(line), format, words);
	va_end(words);
	if (text_length + strlen(line) + 2 < sizeof(text))
		text_length += sprintf(text + text_length, "%s\n", line);
	write_line(line);
}

/* Whether this call of `name` must fail; sets errno if so. */
static int fails(const char *name)
{
	char line[160];
	const char *told = fail[0] ? fail : getenv("STAND_IN_FAIL");
	int error;

	if (!told_to_fail(told, name, &calls_of_name, &error))
		return 0;
	/* The log tells the test that the call was made and failed. */
	snprintf(line, sizeof(line), "failed %s", name);
	write_line(line);
	errno = error;
	return 1;
}

void stand_in_fail(const char *told)
{
	snprintf(fail, sizeof(fail), "%s", told);
	calls_of_name = text_length = text[0] = 0;
	memset(mark, 0, sizeof(mark));
	memset(loaded, 0, sizeof(loaded));
}

const char *stand_in_log(void)
{
	return text;
}

/* Number of allocations that are not freed, and of interfaces that are not closed. */
int stand_in_held(void)
{
	return held + opened;
}

static uint64_t digest(const uint8_t *bytes, uint64_t size)
{
	uint64_t hash = 0xcbf29ce484222325, i;

	for (i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

#ifndef OMIT_xc_interface_open
xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
				unsigned flags)
{
	say("open %s", NAME);
	if (fails("xc_interface_open"))
		return NULL;
	opened++;
	if (getenv("STAND_IN_LOADED"))
		mark[0] = loaded[0] = 1;
	return calloc(1, sizeof(xc_interface));
}
#endif

#ifndef OMIT_xc_interface_close
int xc_interface_close(xc_interface *xch)
{
	say("close held=%d loaded=%d", held, loaded[0] | loaded[1] << 1 | loaded[2] << 2);
	opened--;
	free(xch);
	return 0;
}
#endif

#ifndef OMIT_xc_version
int xc_version(xc_interface *xch, int cmd, void *arg)
{
	if (fails("xc_version"))
		return -1;
	if (cmd == 0)
		return 4 << 16 | 17;
	strcpy(arg, cmd == 1 ? ".7" : "xen-3.0-x86_64 hvm-3.0-x86_32 ");
	return 0;
}
#endif

#ifndef OMIT_xc_get_machine_memory_map
int xc_get_machine_memory_map(xc_interface *xch, struct e820entry entries[], uint32_t max_entries)
{
	static const struct e820entry map[] = {
		{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 }, { 0x100000, 0x7fee0000, 1 },
	};

	if (fails("xc_get_machine_memory_map"))
		return -1;
	memcpy(entries, map, sizeof(map));
	return 3;
}
#endif

#ifndef OMIT_xc_kexec_exec
int xc_kexec_exec(xc_interface *xch, int type)
{
	say("exec type=%d", type);
	if (fails("xc_kexec_exec"))
		return -1;
	return 0;
}
#endif

/* The ranges of a Xen that has a crash region, and two CPUs. */
static int crash_range(int range, int nr, uint64_t *size, uint64_t *start)
{
	if (range == KEXEC_RANGE_MA_CRASH) {
		*start = 0x60000000;
		*size = 0x8000000;
	} else if (range == KEXEC_RANGE_MA_VMCOREINFO) {
		*start = 0x7f9fe000;
		*size = 0x1000;
	} else if (nr < 2) {
		*start = 0x7f9ff000 + nr * 0x400;
		*size = 0x158;
	} else {
		errno = ERANGE;
		return -1;
	}
	return 0;
}

#ifndef OMIT_xc_kexec_get_range
int xc_kexec_get_range(xc_interface *xch, int range, int nr, uint64_t *size, uint64_t *start)
{
	/* Like the real function, it writes its results even if it fails. */
	*size = *start = 0xdead;
	if (fails("xc_kexec_get_range"))
		return -1;
	*size = *start = 0;
	if (range == KEXEC_RANGE_MA_XEN) {
		*start = 0x7fa00000;
		*size = 0x3a6140;
	} else if (getenv("STAND_IN_CRASH")) {
		return crash_range(range, nr, size, start);
	} else if (range == KEXEC_RANGE_MA_CPU) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}
#endif

#ifndef OMIT_xc_kexec_load
int xc_kexec_load(xc_interface *xch, uint8_t type, uint16_t arch, uint64_t entry_maddr,
		  uint32_t nr_segments, xen_kexec_segment_t *segments)
{
	uint32_t i;

	say("load type=%u arch=%u entry=0x%llx segments=%u", type, arch,
	    (unsigned long long)entry_maddr, nr_segments);
	for (i = 0; i < nr_segments; i++)
		say("segment buf=%s size=0x%llx dest=0x%llx+0x%llx fnv=%llx",
		    segments[i].buf.h.p ? "yes" : "no", (unsigned long long)segments[i].buf_size,
		    (unsigned long long)segments[i].dest_maddr,
		    (unsigned long long)segments[i].dest_size,
		    (unsigned long long)digest(segments[i].buf.h.p, segments[i].buf_size));
	if (fails("xc_kexec_load"))
		return -1;
	loaded[type] = 1;
	mark[type] ^= 1;
	return 0;
}
#endif

#ifndef OMIT_xc_kexec_unload
int xc_kexec_unload(xc_interface *xch, int type)
{
	say("unload type=%d", type);
	if (fails("xc_kexec_unload"))
		return -1;
	loaded[type] = 0;
	mark[type] ^= 1;
	return 0;
}
#endif

#ifndef OMIT_xc_kexec_status
int xc_kexec_status(xc_interface *xch, int type)
{
	if (fails("xc_kexec_status"))
		return -1;
	return mark[type];
}
#endif

#ifndef OMIT_xc_hypercall_buffer_array_create
xc_hypercall_buffer_array_t *xc_hypercall_buffer_array_create(xc_interface *xch, unsigned n)
{
	xc_hypercall_buffer_array_t *array;

	if (fails("xc_hypercall_buffer_array_create"))
		return NULL;
	held++;
	array = calloc(1, sizeof(*array));
	array->count = n;
	array->memory = calloc(n ? n : 1, sizeof(void *));
	return array;
}
#endif

#ifndef OMIT_xc__hypercall_buffer_array_alloc
void *xc__hypercall_buffer_array_alloc(xc_interface *xch, xc_hypercall_buffer_array_t *array,
				       unsigned index, xc_hypercall_buffer_t *buffer, size_t size)
{
	/* The real function aborts the program too. */
	if (index >= array->count || array->memory[index] || buffer->ubuf != (void *)-1)
		abort();
	if (fails("xc__hypercall_buffer_array_alloc"))
		return NULL;
	held++;
	return buffer->hbuf = array->memory[index] = malloc(size ? size : 1);
}
#endif

#ifndef OMIT_xc_hypercall_buffer_array_destroy
void xc_hypercall_buffer_array_destroy(xc_interface *xch, xc_hypercall_buffer_array_t *array)
{
	unsigned i;

	for (i = 0; i < array->count; i++)
		if (array->memory[i]) {
			free(array->memory[i]);
			held--;
		}
	free(array->memory);
	free(array);
	held--;
}
#endif
