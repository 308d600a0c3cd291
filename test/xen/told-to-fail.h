/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides which call fails, for both stand-ins: the library's and the hypervisor's. */
#include <stdio.h>
#include <string.h>

/* Whether this call of `name` fails by `told`, "NAME:ERRNO:N": the Nth call of NAME, from 0, which
 * `calls` counts. `error` is then ERRNO; 0 stands for a failure that does not set errno. */
static int told_to_fail(const char *told, const char *name, int *calls, int *error)
{
	char which[128];
	int nth = 0;

	if (!told || sscanf(told, "%127[^:]:%d:%d", which, error, &nth) < 2 || strcmp(which, name))
		return 0;
	return (*calls)++ == nth;
}
