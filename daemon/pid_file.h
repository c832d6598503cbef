/* pid_file.h — the daemon's process number, for init scripts. Held locked as long as it runs. */
#ifndef SYNCDOC_PID_FILE_H
#define SYNCDOC_PID_FILE_H

#include "privileges.h"

struct pidfh;

/* Opens and locks the pid file; before daemonise(), so that a second start fails at once. Root
 * opens it as the user that it will become, unless the directory and all above it are root's alone:
 * whoever may write there could have put a link to another's file in its place. -errno and one line
 * in ret_error. */
int pid_file_open(const char *path, const struct privileges *privileges, struct pidfh **ret,
		  char *ret_error, size_t error_len);
/* At the end. The directory may not be ours any more after privileges were dropped: then an empty
 * file stays. NULL is fine. */
void pid_file_remove(struct pidfh *file);

#endif
