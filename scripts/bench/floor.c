/*
 * What no load can do without: maps each file that is named and reads all of it once. Its time is
 * the floor that a load is measured against.
 *
 * Status 0, or 1 with a line on stderr.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 5.14; an older kernel refuses it, and reading brings the pages in. */
#define POPULATE_READ 22

static int fail(const char *path)
{
	perror(path);
	return 1;
}

/* Adds the 64-bit words of the file to *sum, so that no compiler leaves the reading out. */
static int read_once(const char *path, uint64_t *sum)
{
	struct stat status;
	const uint64_t *words;
	size_t i, count;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(path);
	words = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		return fail(path);
	madvise((void *)words, status.st_size, POPULATE_READ);
	/* The last page is mapped whole, and ends in zeros. */
	count = (status.st_size + 7) / 8;
	for (i = 0; i < count; i++)
		*sum += words[i];
	munmap((void *)words, status.st_size);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t sum = 0;
	int i;

	for (i = 1; i < argc; i++)
		if (read_once(argv[i], &sum) != 0)
			return 1;
	return printf("%016jx\n", (uintmax_t)sum) < 0;
}
