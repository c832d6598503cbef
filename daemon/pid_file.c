/* pid_file.c — see pid_file.h. */
#define _GNU_SOURCE
#include "pid_file.h"

#include "system_reason.h"

#include <bsd/libutil.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_FILE_MODE 0644

/* "/a/b" to "/a", "/a" to "/". */
static void cut_last_name(char *path)
{
	char *slash = strrchr(path, '/'); /* config_check_path_or_none(): it begins with one */

	slash[slash == path] = '\0';
}

/* Nobody else may make anything in it, nor put another in the place of it or of one above it: there
 * the sticky bit is enough. `directory` is cut. */
static bool is_roots_to_the_top(char *directory)
{
	mode_t enough = 0;

	for (;;) {
		struct stat status;
		if (stat(directory, &status) < 0 || status.st_uid != 0)
			return false;
		if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & enough))
			return false;
		if (!directory[1])
			return true;
		enough = S_ISVTX;
		cut_last_name(directory);
	}
}

/* pidfile_open() follows links, and empties what it opens. So both the directories that are named
 * and those that links lead to are looked at. */
static bool directory_is_roots(const char *path)
{
	char named[PATH_MAX], real[PATH_MAX];

	if ((size_t)snprintf(named, sizeof(named), "%s", path) >= sizeof(named))
		return false;
	cut_last_name(named);
	return realpath(named, real) && is_roots_to_the_top(real) && is_roots_to_the_top(named);
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
