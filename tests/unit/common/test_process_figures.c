#include "process_figures.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

TestSuite(process_figures, .timeout = 100);

Test(process_figures, descriptors_are_counted)
{
	struct process_figures before, after;
	process_figures_read(&before, 0);
	cr_assert_geq(before.open_fds, 3);
	for (int i = 0; i < 10; i++)
		cr_assert_geq(dup(1), 0);
	process_figures_read(&after, 0);
	cr_assert_eq(after.open_fds, before.open_fds + 10);
}

Test(process_figures, memory_grows_with_what_is_touched)
{
	struct process_figures before, after;
	size_t len = 32 << 20;
	process_figures_read(&before, 0);
	char *memory = malloc(len);
	cr_assert(memory);
	/* volatile: clang drops what is written to memory that nobody reads. */
	for (size_t at = 0; at < len; at += 4096)
		((volatile char *)memory)[at] = 1;
	process_figures_read(&after, 0);
	cr_assert_geq(after.resident_bytes, before.resident_bytes + len / 2);
	cr_assert_gt(process_resident_bytes((int)getpid()), len / 2);
	free(memory);
}

Test(process_figures, processor_time_grows)
{
	struct process_figures figures;
	uint64_t first = 0;
	do {
		process_figures_read(&figures, 0);
		first = first ? first : figures.cpu_us + 1;
	} while (figures.cpu_us < first + 10000);
	cr_assert_lt(figures.cpu_us, 60 * UINT64_C(1000000));
}

Test(process_figures, the_limit_of_descriptors_is_told)
{
	struct rlimit limit = {64, 64};
	struct process_figures figures;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	process_figures_read(&figures, 0);
	cr_assert_eq(figures.max_fds, 64);
}

Test(process_figures, a_process_that_is_not_there_takes_nothing)
{
	cr_assert_eq(process_resident_bytes(0x7ffffff0), 0);
}
