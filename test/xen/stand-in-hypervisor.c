/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stand-in-hypervisor PROGRAM ARGUMENT...
 *
 * Runs PROGRAM and answers its ioctls on /dev/xen/privcmd, as Xen and Linux would. The environment
 * is that of stand-in-xenctrl.c: STAND_IN_LOG, a file; STAND_IN_FAIL, "NAME:ERRNO:N", with the
 * names of the library's functions; STAND_IN_LOADED and STAND_IN_CRASH.
 * Further names for STAND_IN_FAIL: machphys, the hypercall for the table of frames; and Linux's
 * mmap, for memory that a hypercall can read, mmapbatch, and mmapbatch_frame, for one of its
 * frames.
 *
 * It intercepts system calls with answer-calls.h.
 *
 * It also blocks kexec_load, kexec_file_load, reboot and taking an interface down: they fail with
 * EPERM, whatever PROGRAM is.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>

#define NAME "stand-in-hypervisor"
#include "../answer-calls.h"
#include "told-to-fail.h"

#include <xenctrl.h>
#include <xen/kexec.h>
#include <xen/memory.h>
#include <xen/version.h>
#include PRIVCMD_H

#define SIOCSIFFLAGS 0x8914
#define LOCKED_MEMORY (MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED)
#define PAGE 4096ul

/* At least 0, or minus an error number; Xen and Linux have the same numbers. */
typedef long answer;

static int pid, memory;
static unsigned mark, loaded;

static void say(const char *format, ...)
{
	const char *path = getenv("STAND_IN_LOG");
	va_list words;
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	va_start(words, format);
	vfprintf(file, format, words);
	va_end(words);
	fputc('\n', file);
	fclose(file);
}

/* Minus the error number if this call of `name` must fail, else 0. */
static answer failure(const char *name)
{
	static int calls;
	int error;

	if (!told_to_fail(getenv("STAND_IN_FAIL"), name, &calls, &error))
		return 0;
	say("failed %s", name);
	return -error;
}

static int get(uint64_t address, void *to, size_t size)
{
	return pread(memory, to, size, address) == (ssize_t)size ? 0 : -EFAULT;
}

static int put(uint64_t address, const void *from, size_t size)
{
	return pwrite(memory, from, size, address) == (ssize_t)size ? 0 : -EFAULT;
}

/* The path of an open file; "" if the descriptor is not open. */
static const char *path_of(int fd)
{
	static char path[4096];
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length < 0 ? 0 : length] = 0;
	return path;
}

static int is_privcmd(int fd)
{
	return !strcmp(path_of(fd), "/dev/xen/privcmd");
}

/*
 * Goes through the mappings for hypercalls: those of the hypercall device, whose place /dev/zero
 * takes, those of privcmd, and memory that is locked and not copied on fork. Returns how many there
 * are; or, if `address` is not 0, whether it is in one that is not privcmd's.
 */
static int mappings(uint64_t address)
{
	char path[64], line[4096], name[4096];
	uint64_t from = 0, to = 0;
	int count = 0, device = 0, inside = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	file = fopen(path, "r");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &from, &to, name) >= 2) {
			device = !strncmp(name, "/dev/zero", 9);
			count += device || !strcmp(name, "/dev/xen/privcmd");
			inside |= device && address >= from && address < to;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " lo") && strstr(line, " dc")) {
			count++;
			inside |= address >= from && address < to;
		}
	}
	fclose(file);
	return address ? inside : count;
}

/* Reads an argument; it must be in memory for hypercalls, since Xen can read no other. */
static int argument(uint64_t address, void *to, size_t size)
{
	return mappings(address) ? get(address, to, size) : -EFAULT;
}

static answer version(uint64_t command, uint64_t address)
{
	const char *text = command == XENVER_extraversion ? ".7" : "xen-3.0-x86_64 hvm-3.0-x86_32 ";
	answer failed = failure("xc_version");

	if (failed || command == XENVER_version)
		return failed ? failed : 4 << 16 | 17;
	return mappings(address) ? put(address, text, strlen(text) + 1) : -EFAULT;
}

static answer memory_map(uint64_t address)
{
	static const struct { uint64_t start, size; uint32_t type; } __attribute__((packed)) map[] = {
		{ 0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 }, { 0x100000, 0x7fee0000, 1 },
	};
	struct xen_memory_map told;
	answer failed = failure("xc_get_machine_memory_map");

	if (failed || argument(address, &told, sizeof(told)))
		return failed ? failed : -EFAULT;
	if (told.nr_entries < 3)
		return -EINVAL;
	told.nr_entries = 3;
	if (put((uint64_t)told.buffer.p, map, sizeof(map)))
		return -EFAULT;
	return put(address, &told, sizeof(told));
}

/* The frames of the machine-to-guest table; each extent has 512 frames. */
static const uint64_t extents[] = { 0x1000, 0x2000 };
#define EXTENTS (sizeof(extents) / sizeof(*extents))
#define EXTENT_FRAMES 512

static answer machine_frames(uint64_t address)
{
	struct xen_machphys_mfn_list told;
	answer failed = failure("machphys");

	if (failed || argument(address, &told, sizeof(told)))
		return failed ? failed : -EFAULT;
	if (told.max_extents < EXTENTS)
		return -EINVAL;
	told.nr_extents = EXTENTS;
	if (put((uint64_t)told.extent_start.p, extents, sizeof(extents)))
		return -EFAULT;
	return put(address, &told, sizeof(told));
}

static uint64_t digest(uint64_t address, uint64_t size)
{
	uint64_t hash = 0xcbf29ce484222325;
	unsigned char bytes[PAGE];

	while (size) {
		size_t part = size < sizeof(bytes) ? size : sizeof(bytes);

		if (argument(address, bytes, part))
			return 0;
		for (size_t i = 0; i < part; i++)
			hash = (hash ^ bytes[i]) * 0x100000001b3;
		address += part;
		size -= part;
	}
	return hash;
}

static answer load(uint64_t address)
{
	xen_kexec_load_t told;
	xen_kexec_segment_t segment;
	answer failed;
	uint64_t buf;

	if (argument(address, &told, sizeof(told)))
		return -EFAULT;
	say("load type=%u arch=%u entry=0x%lx segments=%u", told.type, told.arch, told.entry_maddr,
	    told.nr_segments);
	for (unsigned i = 0; i < told.nr_segments; i++) {
		if (argument((uint64_t)told.segments.h.p + i * sizeof(segment), &segment,
			     sizeof(segment)))
			return -EFAULT;
		buf = (uint64_t)segment.buf.h.p;
		say("segment buf=%s size=0x%lx dest=0x%lx+0x%lx fnv=%lx", buf ? "yes" : "no",
		    segment.buf_size, segment.dest_maddr, segment.dest_size,
		    digest(buf, segment.buf_size));
	}
	failed = failure("xc_kexec_load");
	if (failed)
		return failed;
	mark ^= 1 << told.type;
	loaded |= 1 << told.type;
	return 0;
}

static answer exec(uint64_t address)
{
	xen_kexec_exec_t told;

	if (argument(address, &told, sizeof(told)))
		return -EFAULT;
	say("exec type=%d", told.type);
	return failure("xc_kexec_exec");
}

/* The ranges of a Xen that has a crash region, and two CPUs. */
static answer crash_range(xen_kexec_range_t *told)
{
	if (told->range == KEXEC_RANGE_MA_CRASH) {
		told->start = 0x60000000;
		told->size = 0x8000000;
	} else if (told->range == KEXEC_RANGE_MA_VMCOREINFO) {
		told->start = 0x7f9fe000;
		told->size = 0x1000;
	} else if (told->nr < 2) {
		told->start = 0x7f9ff000 + told->nr * 0x400;
		told->size = 0x158;
	} else {
		return -ERANGE;
	}
	return 0;
}

static answer range(uint64_t address)
{
	xen_kexec_range_t told;
	answer failed = failure("xc_kexec_get_range");

	if (failed || argument(address, &told, sizeof(told)))
		return failed ? failed : -EFAULT;
	told.start = told.size = 0;
	if (told.range == KEXEC_RANGE_MA_XEN) {
		told.start = 0x7fa00000;
		told.size = 0x3a6140;
	} else if (getenv("STAND_IN_CRASH")) {
		failed = crash_range(&told);
	} else if (told.range == KEXEC_RANGE_MA_CPU) {
		failed = -EINVAL;
	}
	if (failed)
		return failed;
	return put(address, &told, sizeof(told));
}

static answer unload(uint64_t address)
{
	xen_kexec_unload_t told;
	answer failed;

	if (argument(address, &told, sizeof(told)))
		return -EFAULT;
	say("unload type=%u", told.type);
	failed = failure("xc_kexec_unload");
	if (failed)
		return failed;
	mark ^= 1 << told.type;
	loaded &= ~(1 << told.type);
	return 0;
}

static answer status(uint64_t address)
{
	xen_kexec_status_t told;
	answer failed = failure("xc_kexec_status");

	if (failed || argument(address, &told, sizeof(told)))
		return failed ? failed : -EFAULT;
	return mark >> told.type & 1;
}

static answer kexec(uint64_t command, uint64_t address)
{
	switch (command) {
	case KEXEC_CMD_kexec:
		return exec(address);
	case KEXEC_CMD_kexec_get_range:
		return range(address);
	case KEXEC_CMD_kexec_load:
		return load(address);
	case KEXEC_CMD_kexec_unload:
		return unload(address);
	case KEXEC_CMD_kexec_status:
		return status(address);
	default:
		return -ENOSYS;
	}
}

static answer hypercall(uint64_t op, uint64_t command, uint64_t address)
{
	if (op == __HYPERVISOR_xen_version)
		return version(command, address);
	if (op == __HYPERVISOR_kexec_op)
		return kexec(command, address);
	if (op == __HYPERVISOR_memory_op && command == XENMEM_machine_memory_map)
		return memory_map(address);
	if (op == __HYPERVISOR_memory_op && command == XENMEM_machphys_mfn_list)
		return machine_frames(address);
	return -ENOSYS;
}

/* multicall, which libxenctrl uses for results that are longer than an ioctl's. */
static answer multicall(uint64_t address, uint64_t count)
{
	multicall_entry_t call;

	for (uint64_t at = address; count--; at += sizeof(call)) {
		if (argument(at, &call, sizeof(call)))
			return -EFAULT;
		call.result = hypercall(call.op, call.args[0], call.args[1]);
		if (put(at, &call, sizeof(call)))
			return -EFAULT;
	}
	return 0;
}

static answer privcmd_hypercall(uint64_t address)
{
	struct privcmd_hypercall call;

	/* This argument is read by Linux, which can read all memory. */
	if (get(address, &call, sizeof(call)))
		return -EFAULT;
	if (call.op == __HYPERVISOR_multicall)
		return multicall(call.arg[0], call.arg[1]);
	return hypercall(call.op, call.arg[0], call.arg[1]);
}

static int is_in_extents(uint64_t frame)
{
	for (unsigned i = 0; i < EXTENTS; i++)
		if (frame >= extents[i] && frame < extents[i] + EXTENT_FRAMES)
			return 1;
	return 0;
}

/* The device is a file whose mapping already shows the extent, so there is nothing to map. */
static answer map_frames(uint64_t address)
{
	struct privcmd_mmapbatch_v2 told;
	answer failed = failure("mmapbatch");
	int error = failure("mmapbatch_frame");
	uint64_t frame;

	if (failed || get(address, &told, sizeof(told)))
		return failed ? failed : -EFAULT;
	if (told.dom != DOMID_XEN || told.num != EXTENT_FRAMES)
		return -EPERM;
	for (unsigned i = 0; i < told.num; i++) {
		if (get((uint64_t)(told.arr + i), &frame, sizeof(frame)))
			return -EFAULT;
		if (!is_in_extents(frame))
			return -EINVAL;
	}
	return error ? put((uint64_t)told.err, &error, sizeof(error)) : 0;
}

/* Answers a call; sets `passed` if Linux must execute it. */
static answer judge(const struct seccomp_data *data, int *passed)
{
	const __u64 *args = data->args;
	answer failed;

	*passed = 1;
	switch (data->nr) {
	case __NR_ioctl:
		if (!is_privcmd(args[0]))
			return 0;
		*passed = 0;
		if ((unsigned)args[1] == IOCTL_PRIVCMD_HYPERCALL)
			return privcmd_hypercall(args[2]);
		return map_frames(args[2]);
	case __NR_mmap:
		if (args[3] != LOCKED_MEMORY && strncmp(path_of(args[4]), "/dev/xen/", 9))
			return 0;
		failed = failure("mmap");
		*passed = !failed;
		return failed;
	case __NR_close:
		if (is_privcmd(args[0]))
			say("close held=%d loaded=%u", mappings(0), loaded);
	}
	return 0;
}

static void serve(const struct seccomp_notif *notice, struct seccomp_notif_resp *response)
{
	char path[64];
	int passed;

	pid = notice->pid;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDWR | O_CLOEXEC);
	if (memory < 0)
		die(path);
	response->val = judge(&notice->data, &passed);
	if (passed)
		response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if ((long)response->val < 0) {
		response->error = response->val;
		response->val = 0;
	}
	close(memory);
}

#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF(value, then) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, 0)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

/* The filter compares the lower halves of arguments only, since all numbers here fit into them.
 * Linux executes a call with other upper halves, because judge() passes it on. */
static int filter_calls(void)
{
	struct sock_filter code[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(__NR_kexec_load, 14),
		IF(__NR_kexec_file_load, 13),
		IF(__NR_reboot, 12),
		IF(__NR_close, 12),
		IF(__NR_mmap, 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 8),
		LOAD(ARGUMENT(1)),
		IF(SIOCSIFFLAGS, 7),
		IF(IOCTL_PRIVCMD_HYPERCALL, 7),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IOCTL_PRIVCMD_MMAPBATCH_V2, 6, 4),
		LOAD(ARGUMENT(3)),
		IF(MAP_SHARED, 4),
		IF(LOCKED_MEMORY, 3),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
		RETURN(SECCOMP_RET_USER_NOTIF),
	};

	return install(code, sizeof(code) / sizeof(code[0]));
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 125;
	mark = loaded = getenv("STAND_IN_LOADED") != NULL;
	return run_answered(argv + 1, filter_calls, serve);
}
