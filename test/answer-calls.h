/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program whose system calls are answered here: by a seccomp filter whose notices another
 * process answers. It sees every thread, and unlike a tracer it leaves the program's speed and
 * signals alone. NAME is what the including program calls itself; it defines _GNU_SOURCE.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
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

/* Fills in the response to a notice, which is success unless it says otherwise. */
typedef void answer_call(const struct seccomp_notif *, struct seccomp_notif_resp *);

static void die(const char *what)
{
	fprintf(stderr, NAME ": %s: %s\n", what, strerror(errno));
	_exit(125);
}

/* Installs a filter; the descriptor that its notices come from, or below 0. */
static int install(struct sock_filter *code, unsigned short length)
{
	struct sock_fprog program = { .len = length, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("no_new_privs");
	return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Answers until the program has ended. */
static int answer_all(int listener, answer_call *answer)
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
		memset(&response, 0, sizeof(response));
		response.id = notice.id;
		answer(&notice, &response);
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

/* Becomes `program`, under the filter that `filter_calls` installs. */
static int run_answered(char **program, int (*filter_calls)(void), answer_call *answer)
{
	int announce[2], listener;
	pid_t answerer;

	if (pipe2(announce, O_CLOEXEC))
		die("pipe");
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
		_exit(answer_all(listener, answer));
	}
	listener = filter_calls();
	if (listener < 0)
		die("seccomp");
	if (write(announce[1], &listener, sizeof(listener)) != sizeof(listener))
		die("pipe");
	execvp(program[0], program);
	die(program[0]);
	return 125;
}
