#define _GNU_SOURCE
#include "shm.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(shm, .timeout = 100);

static int create(size_t len)
{
	int fd = -1;
	cr_assert_eq(shm_create("test", len, &fd), 0);
	return fd;
}

Test(shm, segment_has_the_length_asked_for_and_is_all_zero)
{
	int fd = create(3 * SHM_PAGE);
	char *at;
	cr_assert_eq(lseek(fd, 0, SEEK_END), 3 * SHM_PAGE);
	cr_assert_eq(shm_map(fd, 0, 3 * SHM_PAGE, false, (void **)&at), 0);
	for (size_t i = 0; i < 3 * SHM_PAGE; i++)
		cr_assert_eq(at[i], 0);
	munmap(at, 3 * SHM_PAGE);
	close(fd);
}

Test(shm, segment_can_neither_shrink_nor_grow_nor_be_unsealed)
{
	int fd = create(2 * SHM_PAGE);
	cr_assert(ftruncate(fd, SHM_PAGE) < 0 && errno == EPERM);
	cr_assert(ftruncate(fd, 3 * SHM_PAGE) < 0 && errno == EPERM);
	cr_assert(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
	close(fd);
}

Test(shm, descriptor_is_closed_on_exec)
{
	int fd = create(SHM_PAGE);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

Test(shm, length_that_makes_no_sense_is_refused_and_ret_untouched)
{
	int fd = 77;
	cr_assert_eq(shm_create("test", 0, &fd), -EINVAL);
	cr_assert_eq(shm_create("test", SIZE_MAX, &fd), -EINVAL);
	cr_assert_eq(fd, 77);
}

Test(shm, name_that_the_kernel_does_not_take_is_an_error)
{
	char name[400];
	int fd = 77;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_eq(shm_create(name, SHM_PAGE, &fd), -EINVAL);
	cr_assert_eq(fd, 77);
}

Test(shm, what_one_process_writes_another_reads)
{
	int fd = create(2 * SHM_PAGE);
	_Atomic uint32_t *word;
	cr_assert_eq(shm_map(fd, SHM_PAGE, SHM_PAGE, false, (void **)&word), 0);
	pid_t child = fork();
	if (child == 0) {
		_Atomic uint32_t *same;
		if (shm_map(fd, SHM_PAGE, SHM_PAGE, true, (void **)&same))
			_exit(1);
		atomic_store(same, 4711);
		_exit(0);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert_eq(atomic_load(word), 4711);
	munmap((void *)word, SHM_PAGE);
	close(fd);
}

Test(shm, read_only_mapping_cannot_be_written)
{
	int fd = create(SHM_PAGE);
	pid_t child = fork();
	if (child == 0) {
		volatile char *at;
		signal(SIGSEGV, SIG_DFL); /* the sanitizer's would report and exit */
		if (shm_map(fd, 0, SHM_PAGE, false, (void **)&at))
			_exit(1);
		*at = 1;
		_exit(0);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	close(fd);
}

Test(shm, mapping_beyond_the_end_is_refused)
{
	int fd = create(2 * SHM_PAGE);
	void *at = &fd;
	cr_assert_eq(shm_map(fd, 0, 3 * SHM_PAGE, false, &at), -EINVAL);
	cr_assert_eq(shm_map(fd, SHM_PAGE, 2 * SHM_PAGE, false, &at), -EINVAL);
	cr_assert_eq(shm_map(fd, 3 * SHM_PAGE, SHM_PAGE, false, &at), -EINVAL);
	cr_assert_eq(shm_map(fd, SIZE_MAX - SHM_PAGE + 1, SHM_PAGE, false, &at), -EINVAL);
	cr_assert_eq(shm_map(fd, SHM_PAGE, SIZE_MAX, false, &at), -EINVAL);
	cr_assert_eq(shm_map(fd, 0, 0, false, &at), -EINVAL);
	cr_assert_eq(at, &fd);
	close(fd);
}

Test(shm, offset_within_a_page_is_refused)
{
	int fd = create(2 * SHM_PAGE);
	void *at;
	cr_assert_eq(shm_map(fd, 100, SHM_PAGE, false, &at), -EINVAL);
	close(fd);
}

Test(shm, descriptor_that_is_none_is_an_error)
{
	void *at;
	cr_assert_eq(shm_map(-1, 0, SHM_PAGE, false, &at), -EBADF);
}

Test(shm, shared_header_fits_its_page)
{
	cr_assert_leq(sizeof(struct shared_header), SHM_PAGE);
}
