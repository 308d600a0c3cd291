/*
 * record-load OUTPUT PROGRAM ARGUMENT...
 *
 * Runs PROGRAM so that its kexec_load and kexec_file_load succeed without reaching the kernel, and
 * writes to OUTPUT what the kernel would have been given, memory contents included. reboot fails
 * with EPERM. So the built file can be run to its end on any machine, and nothing is ever loaded.
 *
 * By answer-calls.h. The exit status is PROGRAM's own.
 *
 * Lines of OUTPUT, numbers in decimal, bytes in hexadecimal after an 'x':
 *	kexec_load ENTRY FLAGS
 *	segment BUFSZ MEM MEMSZ xBYTES		the first SHOWN of them
 *	kexec_file_load FLAGS xKERNEL-PATH xINITRD-PATH xCOMMAND-LINE
 */
#define _GNU_SOURCE
#include <linux/kexec.h>

#define NAME "record-load"
#include "../answer-calls.h"

#define SHOWN (1 << 20)

static FILE *out;

static void write_hex(const unsigned char *bytes, size_t length)
{
	fputs(" x", out);
	for (size_t i = 0; i < length; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void write_memory(int memory, unsigned long address, size_t length)
{
	static unsigned char bytes[SHOWN];
	size_t shown = length < SHOWN ? length : SHOWN;

	if (shown && pread(memory, bytes, shown, address) != (ssize_t)shown)
		die("the program's memory");
	write_hex(bytes, shown);
}

static void write_path(int pid, int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
	length = readlink(link, path, sizeof(path));
	write_hex((unsigned char *)path, length < 0 ? 0 : length);
}

static void record(const struct seccomp_notif *notice)
{
	const unsigned long long *args = (const unsigned long long *)notice->data.args;
	struct kexec_segment segment;
	char path[64];
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", notice->pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		die(path);
	if (notice->data.nr == __NR_kexec_load) {
		fprintf(out, "kexec_load %llu %llu\n", args[0], args[3]);
		for (unsigned i = 0; i < args[1]; i++) {
			if (pread(memory, &segment, sizeof(segment), args[2] + i * sizeof(segment))
			    != sizeof(segment))
				die("the table of segments");
			fprintf(out, "segment %zu %lu %zu", segment.bufsz,
				(unsigned long)segment.mem, segment.memsz);
			write_memory(memory, (unsigned long)segment.buf, segment.bufsz);
			fputc('\n', out);
		}
	} else {
		fprintf(out, "kexec_file_load %llu", args[4]);
		write_path(notice->pid, args[0]);
		write_path(notice->pid, args[1]);
		write_memory(memory, args[3], args[2]);
		fputc('\n', out);
	}
	close(memory);
	fflush(out);
}

static void answer(const struct seccomp_notif *notice, struct seccomp_notif_resp *response)
{
	(void)response;
	record(notice);
}

static int filter_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_kexec_load, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_kexec_file_load, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_reboot, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};

	return install(code, sizeof(code) / sizeof(code[0]));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;
	out = fopen(argv[1], "we");
	if (!out)
		die(argv[1]);
	return run_answered(argv + 2, filter_calls, answer);
}
