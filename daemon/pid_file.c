/* pid_file.c — see pid_file.h. */
#define _GNU_SOURCE
#include "pid_file.h"

#include "system_reason.h"

#include <bsd/libutil.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_FILE_MODE 0644

/* pidfile_open() follows links, and empties what it opens. */
static bool directory_is_roots(const char *path)
{
	char directory[PATH_MAX];
	struct stat stat;

	if ((size_t)snprintf(directory, sizeof(directory), "%s", path) >= sizeof(directory))
		return false;
	strrchr(directory, '/')[1] = '\0'; /* config_check_path_or_none(): it begins with one */
	return lstat(directory, &stat) == 0 && stat.st_uid == 0 &&
	       !(stat.st_mode & (S_IWGRP | S_IWOTH));
}

static void describe(const char *path, int error, pid_t other, char *ret_error, size_t error_len)
{
	char reason[SYSTEM_REASON_MAX];

	if (error == -EEXIST && other > 0)
		snprintf(ret_error, error_len,
			 "pid_file %s: syncdocd is already running, process %d", path, (int)other);
	else if (error == -EEXIST)
		snprintf(ret_error, error_len, "pid_file %s: syncdocd is already starting", path);
	else
		snprintf(ret_error, error_len, "pid_file %s: %s", path,
			 system_reason(-error, reason));
}

int pid_file_open(const char *path, const struct privileges *privileges, struct pidfh **ret,
		  char *ret_error, size_t error_len)
{
	bool lent = !directory_is_roots(path);
	pid_t other = -1;
	int error = lent ? privileges_lend(privileges, ret_error, error_len) : 0;

	if (error)
		return error;
	struct pidfh *file = pidfile_open(path, PID_FILE_MODE, &other);
	error = file ? 0 : -errno;
	if (error)
		describe(path, error, other, ret_error, error_len);
	if (lent)
		privileges_take_back(privileges);
	if (!error)
		*ret = file;
	return error;
}

void pid_file_remove(struct pidfh *file)
{
	if (!file)
		return;
	/* A stale number could be another process's by the time somebody sends it a signal. */
	int fd = pidfile_fileno(file);
	if (fd >= 0 && ftruncate(fd, 0) < 0)
		fprintf(stderr, "syncdocd: pid file: %s\n", strerror(errno));
	pidfile_remove(file);
}
