/*
 * step-load [-f] [-W WAIT] -o OUTPUT -i FILE -n STEP {-c COMMAND | -m NEW} PROGRAM ARGUMENT...
 *
 * Runs PROGRAM, and changes FILE at one step of it: by COMMAND, with /bin/sh, whose $0 is FILE; or
 * with -m through a mapping of FILE that is there from the beginning, into which the bytes of the
 * file NEW go. A step is the start or the end of a system call of PROGRAM's main thread that
 * concerns FILE, from the opening of it on, or that loads. COMMAND has WAIT ms (100) to end before
 * PROGRAM goes on; it may end later, and is waited for. With STEP 0 FILE is changed before PROGRAM runs,
 * with the STEP "load" at the start of its first kexec_load.
 * -f: nothing is loaded; the calls that load succeed without reaching the kernel.
 *
 * OUTPUT gets the segment that begins as FILE did, as the last call of kexec_load read it after
 * FILE was changed; there is no such file after a call that failed or unloaded. On stdout, at the
 * end:
 *	steps COUNT		as many as there were: STEP may be more
 *	loads COUNT		calls of kexec_load that loaded
 *	anonymous KIB		PROGRAM's own memory (RssAnon) at the last of them
 *	waited 0 or 1		whether COMMAND had not ended after WAIT ms
 *	writer STATUS		COMMAND's exit status; -1: it did not run
 * The exit status is PROGRAM's own, 124 where the two wait for each other, 125 for trouble here.
 *
 * step-load -w FILE NEW		writes the bytes of NEW into FILE through a mapping
 * step-load -t FILE		truncates FILE by opening it for reading, which breaks no lease
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kexec.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 60
#define MARK 16
/* The step "load". */
#define AT_LOAD -1
#define MADV_WILLNEED 3

static const char *output, *file, *command;
static long step, steps, loads, anonymous, wait_ms = 100;
static int fake, waited;
static char mark[MARK];
static pid_t child, writer;
static int writer_status = -1;

/* A file in memory, and with -m the one that it is written over. */
struct mapping {
	char *bytes;
	size_t size;
};
static struct mapping target, source;

static void die(const char *what)
{
	fprintf(stderr, "step-load: %s: %s\n", what, strerror(errno));
	if (child > 0)
		kill(child, SIGKILL);
	_exit(125);
}

/* Calls of kexec succeed at once, and reboot fails: nothing of the machine is touched. */
static void deny_loads(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_kexec_load, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_kexec_file_load, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_reboot, 1, 2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		die("seccomp");
}

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static struct mapping map_file(const char *path, int flags, int protection)
{
	int fd = open(path, flags | O_CLOEXEC);
	struct mapping map;
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat))
		die(path);
	map.size = stat.st_size;
	map.bytes = mmap(NULL, map.size, protection, MAP_SHARED, fd, 0);
	if (map.bytes == MAP_FAILED)
		die(path);
	close(fd);
	return map;
}

static void map_both(const char *path, const char *new)
{
	target = map_file(path, O_RDWR, PROT_READ | PROT_WRITE);
	source = map_file(new, O_RDONLY, PROT_READ);
}

static void write_through_mapping(void)
{
	memcpy(target.bytes, source.bytes, target.size < source.size ? target.size : source.size);
}

/* The number of KiB behind `name` in the status of a process. */
static long status_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	long found = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	in = fopen(path, "r");
	while (in && found < 0 && fgets(line, sizeof(line), in))
		if (!strncmp(line, name, strlen(name)))
			found = atol(line + strlen(name));
	if (in)
		fclose(in);
	return found;
}

static void change_file(void)
{
	if (!command) {
		write_through_mapping();
		return;
	}
	writer = fork();
	if (writer < 0)
		die("fork");
	if (!writer) {
		execl("/bin/sh", "sh", "-c", command, file, NULL);
		_exit(127);
	}
	for (int i = 0; i < wait_ms / 5; i++) {
		if (waitpid(writer, &writer_status, WNOHANG) == writer) {
			writer = 0;
			return;
		}
		sleep_ms(5);
	}
	waited = 1;
}

static void count_step(void)
{
	if (++steps == step)
		change_file();
}

static void at_load(void)
{
	static int seen;

	if (step == AT_LOAD && !seen)
		change_file();
	seen = 1;
}

/* Whether the descriptor is of FILE. */
static int is_file(pid_t pid, long fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%ld", pid, fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return 0;
	path[length] = 0;
	return !strcmp(path, file);
}

/* Writes the segment to OUTPUT, if it is FILE's. A page that cannot be read leaves it short. */
static void write_segment(int memory, const struct kexec_segment *segment)
{
	static char bytes[1 << 20];
	char start[MARK];
	size_t done = 0;
	ssize_t got;
	FILE *out;

	if (segment->bufsz < MARK || pread(memory, start, MARK, (off_t)segment->buf) != MARK ||
	    memcmp(start, mark, MARK))
		return;
	out = fopen(output, "w");
	if (!out)
		die(output);
	while (done < segment->bufsz) {
		size_t length = segment->bufsz - done;

		if (length > sizeof(bytes))
			length = sizeof(bytes);
		got = pread(memory, bytes, length, (off_t)segment->buf + done);
		if (got <= 0)
			break;
		fwrite(bytes, 1, got, out);
		done += got;
	}
	fclose(out);
}

static void record_load(pid_t pid, const struct __ptrace_syscall_info *info)
{
	unsigned long count = info->entry.args[1];
	struct kexec_segment segment;
	char path[64];
	int memory;

	anonymous = status_of(pid, "RssAnon:");
	unlink(output);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		die(path);
	/* More than there may be are the question whether the call works. */
	for (unsigned long i = 0; i < count && count <= KEXEC_SEGMENT_MAX; i++) {
		off_t at = info->entry.args[2] + i * sizeof(segment);

		if (pread(memory, &segment, sizeof(segment), at) != sizeof(segment))
			die("the segments");
		write_segment(memory, &segment);
	}
	close(memory);
}

/* Whether the call concerns FILE, open as `fd`, or loads. */
static int concerns(pid_t pid, const struct __ptrace_syscall_info *info, long fd)
{
	const uint64_t *args = info->entry.args;

	switch (info->entry.nr) {
	case __NR_kexec_load:
	case __NR_kexec_file_load:
		return 1;
	case __NR_mmap:
		return fd >= 0 && args[4] == (uint64_t)fd && is_file(pid, fd);
	case __NR_madvise:
		return fd >= 0 && args[2] == MADV_WILLNEED;
	case __NR_read:
	case __NR_pread64:
	case __NR_fstat:
	case __NR_statx:
	case __NR_fcntl:
	case __NR_lseek:
	case __NR_close:
		return fd >= 0 && args[0] == (uint64_t)fd && is_file(pid, fd);
	default:
		return 0;
	}
}

/* A system call of the main thread begins or ends. */
static void at_call(pid_t pid)
{
	static struct __ptrace_syscall_info entry;
	static long fd = -1;
	static int counts;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		die("PTRACE_GET_SYSCALL_INFO");
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		entry = info;
		counts = concerns(pid, &info, fd);
		if (counts)
			count_step();
		if (info.entry.nr == __NR_kexec_load) {
			at_load();
			record_load(pid, &info);
		}
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		if ((entry.entry.nr == __NR_openat || entry.entry.nr == __NR_open) &&
		    info.exit.rval >= 0 && is_file(pid, info.exit.rval)) {
			fd = info.exit.rval;
			counts = 1;
		}
		if (entry.entry.nr == __NR_kexec_load) {
			if (info.exit.rval)
				unlink(output);
			else if (entry.entry.args[1])
				loads++;
		}
		if (counts)
			count_step();
	}
}

static void at_alarm(int signal)
{
	(void)signal;
}

static int run(char **argv)
{
	/* It need not do more than end a wait. */
	struct sigaction action = { .sa_handler = at_alarm };
	int status;

	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		if (ptrace(PTRACE_TRACEME))
			die("PTRACE_TRACEME");
		raise(SIGSTOP);
		if (fake)
			deny_loads();
		execv(argv[0], argv);
		die(argv[0]);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (ptrace(PTRACE_SETOPTIONS, child, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		die("PTRACE_SETOPTIONS");
	sigaction(SIGALRM, &action, NULL);
	alarm(SECONDS);
	ptrace(PTRACE_SYSCALL, child, 0, 0);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		int signal = 0;

		if (pid < 0 && errno == EINTR) {
			kill(child, SIGKILL);
			return 124;
		}
		if (pid < 0)
			die("waitpid");
		if (pid == writer) {
			writer_status = status;
			writer = 0;
			continue;
		}
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			at_call(pid);
		else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP)
			signal = WSTOPSIG(status);
		/* Other threads than the main one go on to their next signal. */
		ptrace(pid == child ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, signal);
	}
}

static void read_mark(void)
{
	FILE *in = fopen(file, "r");

	if (!in || fread(mark, MARK, 1, in) != 1)
		die(file);
	fclose(in);
}

int main(int argc, char **argv)
{
	const char *new = NULL;
	int option, status;

	while ((option = getopt(argc, argv, "+fW:o:i:n:c:m:w:t:")) >= 0) {
		switch (option) {
		case 'f': fake = 1; break;
		case 'W': wait_ms = atol(optarg); break;
		case 'o': output = optarg; break;
		case 'i': file = optarg; break;
		case 'n': step = strcmp(optarg, "load") ? atol(optarg) : AT_LOAD; break;
		case 'c': command = optarg; break;
		case 'm': new = optarg; break;
		case 'w':
			map_both(optarg, argv[optind]);
			write_through_mapping();
			return 0;
		case 't': return open(optarg, O_RDONLY | O_TRUNC) < 0;
		default: return 125;
		}
	}
	if (!output || !file || !command == !new || optind == argc)
		return 125;
	read_mark();
	unlink(output);
	if (new)
		map_both(file, new);
	if (!step)
		change_file();
	status = run(argv + optind);
	if (writer && waitpid(writer, &writer_status, 0) < 0)
		die("the writer");
	printf("steps %ld\nloads %ld\nanonymous %ld\nwaited %d\nwriter %d\n", steps, loads,
	       anonymous, waited, WIFEXITED(writer_status) ? WEXITSTATUS(writer_status) : -1);
	return status;
}
