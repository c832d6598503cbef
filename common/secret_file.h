/* secret_file.h — files with keys: read whole, and only if nobody else may touch them. */
#ifndef SYNCDOC_SECRET_FILE_H
#define SYNCDOC_SECRET_FILE_H

#include "buffer.h"

#include <sys/stat.h>

/* Where a fault is reported; borrowed. */
struct secret_report {
	const char *key; /* of the configuration */
	const char *path;
	char *text;
	size_t len;
};

/* Puts "key: path: reason" into the report; -EINVAL. */
int secret_fault(const struct secret_report *report, const char *reason);
/* Appends the file of at most `most` bytes; `reason` is the fault where its mode has a bit of
 * `forbidden`. -EINVAL with a report. */
int secret_file_read(const struct secret_report *report, mode_t forbidden, const char *reason,
		     size_t most, struct buffer *ret);

#endif
