/*
 * record-load OUTPUT PROGRAM ARGUMENT...
 *
 * Runs PROGRAM so that its kexec_load and kexec_file_load succeed without reaching the kernel, and
 * writes to OUTPUT what the kernel would have been given, memory contents included. reboot fails
 * with EPERM. So the built file can be run to its end on any machine, and nothing is ever loaded.
 *
 * By a seccomp filter whose notices another process answers: it sees every thread, and unlike a
 * tracer it leaves the program's speed and signals alone. The exit status is PROGRAM's own.
 *
 * Lines of OUTPUT, numbers in decimal, bytes in hexadecimal after an 'x':
 *	kexec_load ENTRY FLAGS
 *	segment BUFSZ MEM MEMSZ xBYTES		the first SHOWN of them
 *	kexec_file_load FLAGS xKERNEL-PATH xINITRD-PATH xCOMMAND-LINE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kexec.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN (1 << 20)

static void die(const char *what)
{
	fprintf(stderr, "record-load: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void write_hex(FILE *out, const unsigned char *bytes, size_t length)
{
	fputs(" x", out);
	for (size_t i = 0; i < length; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void write_memory(FILE *out, int memory, unsigned long address, size_t length)
{
	static unsigned char bytes[SHOWN];
	size_t shown = length < SHOWN ? length : SHOWN;

	if (shown && pread(memory, bytes, shown, address) != (ssize_t)shown)
		die("the program's memory");
	write_hex(out, bytes, shown);
}

static void write_path(FILE *out, int pid, int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
	length = readlink(link, path, sizeof(path));
	write_hex(out, (unsigned char *)path, length < 0 ? 0 : length);
}

static void record(FILE *out, const struct seccomp_notif *notice)
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
			write_memory(out, memory, (unsigned long)segment.buf, segment.bufsz);
			fputc('\n', out);
		}
	} else {
		fprintf(out, "kexec_file_load %llu", args[4]);
		write_path(out, notice->pid, args[0]);
		write_path(out, notice->pid, args[1]);
		write_memory(out, memory, args[3], args[2]);
		fputc('\n', out);
	}
	close(memory);
	fflush(out);
}

static int answer(int listener, FILE *out)
{
	struct pollfd poller = { .fd = listener, .events = POLLIN };
	struct seccomp_notif notice;
	struct seccomp_notif_resp response;

	for (;;) {
		if (poll(&poller, 1, -1) < 0 && errno != EINTR)
			die("poll");
		if (!(poller.revents & POLLIN)) {
			if (poller.revents & POLLHUP)
				return 0;
			continue;
		}
		memset(&notice, 0, sizeof(notice));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice))
			continue;
		record(out, &notice);
		memset(&response, 0, sizeof(response));
		response.id = notice.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
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
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

int main(int argc, char **argv)
{
	int announce[2], listener;
	pid_t answerer;
	FILE *out;

	if (argc < 3)
		return 125;
	out = fopen(argv[1], "we");
	if (!out || pipe2(announce, O_CLOEXEC))
		die(argv[1]);
	/* They share descriptors until exec, so that the answerer gets the listener. */
	answerer = syscall(SYS_clone, SIGCHLD | CLONE_FILES, NULL, NULL, NULL, NULL);
	if (answerer < 0)
		die("clone");
	if (answerer == 0) {
		setsid();
		if (read(announce[0], &listener, sizeof(listener)) != sizeof(listener))
			_exit(125);
		/* Until here the program's exec may not have parted the tables: then a copy. */
		if (unshare(CLONE_FILES))
			die("unshare");
		close(0);
		close(1);
		close(2);
		_exit(answer(listener, out));
	}
	listener = filter_calls();
	if (listener < 0)
		die("seccomp");
	if (write(announce[1], &listener, sizeof(listener)) != sizeof(listener))
		die("pipe");
	execvp(argv[2], argv + 2);
	die(argv[2]);
}
