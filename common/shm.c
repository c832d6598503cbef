/* shm.c — see shm.h. */
#define _GNU_SOURCE
#include "shm.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int shm_create(const char *name, size_t len, int *ret_fd)
{
	if (len == 0 || len > INT64_MAX)
		return -EINVAL;
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* Sealed, because whoever holds the descriptor could otherwise shrink it and so fault every
	 * process that has it mapped. */
	if (ftruncate(fd, (off_t)len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

int shm_map(int fd, size_t offset, size_t len, bool writable, void **ret)
{
	struct stat stat;
	if (fstat(fd, &stat) < 0)
		return -errno;
	/* mmap() would allow a mapping beyond the end, which faults only when touched. */
	size_t size = (size_t)stat.st_size;
	if (len == 0 || offset > size || len > size - offset)
		return -EINVAL;
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *at = mmap(NULL, len, protection, MAP_SHARED, fd, (off_t)offset);
	if (at == MAP_FAILED)
		return -errno;
	*ret = at;
	return 0;
}
