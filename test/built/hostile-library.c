/* A shared library that leaves a mark (the file MARK) as soon as it is loaded. */
#include <stdio.h>

__attribute__((constructor)) static void leave_mark(void)
{
	FILE *mark = fopen(MARK, "w");

	if (mark)
		fclose(mark);
}
