/*
 * deny-executable-memory PROGRAM ARGUMENT...
 *
 * Runs PROGRAM where no memory can be made executable, as systemd's MemoryDenyWriteExecute= and
 * SELinux without execmem have it. Exit status 125: this kernel (before 6.3) cannot.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define REFUSE_EXEC_GAIN 1

int main(int argc, char **argv)
{
	if (argc < 2 || prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)) {
		perror("deny-executable-memory");
		return 125;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 125;
}
