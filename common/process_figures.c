/* process_figures.c — see process_figures.h. */
#define _GNU_SOURCE
#include "process_figures.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTED_MAX 1000 /* sockets: from there on reading the directory takes milliseconds */

static uint64_t cpu_us(void)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

uint64_t process_resident_bytes(int pid)
{
	char path[40], text[128];
	unsigned long long size, resident;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_entries(void)
{
	uint64_t count = 0;
	DIR *directory = opendir("/proc/self/fd");
	if (!directory)
		return 0;
	const struct dirent *entry;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count ? count - 1 : 0; /* not the directory's own */
}

static uint64_t count_fds(size_t sockets)
{
	static uint64_t others; /* beside sockets, when last counted */
	struct stat status;
	/* Since Linux 6.2 the size of this directory is what we ask for. */
	if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
		return (uint64_t)status.st_size;
	if (sockets > COUNTED_MAX)
		return sockets + others;
	uint64_t count = count_entries();
	others = count > sockets ? count - sockets : 0;
	return count;
}

void process_figures_read(struct process_figures *ret, size_t sockets)
{
	struct rlimit limit;
	bool is_limited = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
	*ret = (struct process_figures){
		.cpu_us = cpu_us(),
		.resident_bytes = process_resident_bytes((int)getpid()),
		.open_fds = count_fds(sockets),
		.max_fds = is_limited ? limit.rlim_cur : 0,
	};
}
