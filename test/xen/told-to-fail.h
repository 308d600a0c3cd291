/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which call of the stand-ins is to fail, the library's and the hypervisor's alike. */
#include <stdio.h>
#include <string.h>

/* Whether `told`, "NAME:ERRNO:N", means this call of `name`; `calls` counts those of NAME, N from 0.
 * `error` is ERRNO then, which may be 0: of a failure that does not say why. */
static int told_to_fail(const char *told, const char *name, int *calls, int *error)
{
	char which[128];
	int nth = 0;

	if (!told || sscanf(told, "%127[^:]:%d:%d", which, error, &nth) < 2 || strcmp(which, name))
		return 0;
	return (*calls)++ == nth;
}
