#define _GNU_SOURCE
#include "secret_file.h"

#include "system_reason.h"

#include <fcntl.h>
#include <unistd.h>

int secret_fault(const struct secret_report *report, const char *reason)
{
	snprintf(report->text, report->len, "%s: %s: %s", report->key, report->path, reason);
	return -EINVAL;
}

static int check_mode(const struct secret_report *report, int fd, mode_t forbidden,
		      const char *reason)
{
	struct stat status;

	if (fstat(fd, &status))
		return secret_fault(report, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return secret_fault(report, "is no regular file");
	return status.st_mode & forbidden ? secret_fault(report, reason) : 0;
}

static int read_open_file(const struct secret_report *report, int fd, size_t most,
			  struct buffer *ret)
{
	for (;;) {
		char *to = buffer_reserve(ret, 4096);
		ssize_t got = read(fd, to, 4096);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return secret_fault(report, strerror(errno));
		if (!got)
			return 0;
		ret->len += (size_t)got;
		if (ret->len > most)
			return secret_fault(report, "is too large for what it should hold");
	}
}

int secret_file_read(const struct secret_report *report, mode_t forbidden, const char *reason,
		     size_t most, struct buffer *ret)
{
	/* Not waiting for the writer of a FIFO. */
	int fd = open(report->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	char why[SYSTEM_REASON_MAX];

	if (fd < 0)
		return secret_fault(report, system_reason(errno, why));
	int error = check_mode(report, fd, forbidden, reason);
	if (!error)
		error = read_open_file(report, fd, most, ret);
	close(fd);
	return error;
}
