/* daemonise.h — the process as others see it: its name in ps, into the background so that whoever
 * started us learns whether we came up, its pid file. */
#ifndef SYNCDOC_DAEMONISE_H
#define SYNCDOC_DAEMONISE_H

#include "base.h"

struct pidfh;

/* First thing in main(): argv and environ move. */
void process_title_init(int argc, char **argv);
/* `syncdocd: title` in ps. */
void process_title_set(const char *title);

/* The process that comes back is the daemon: a child in a session of its own, in `/`, with stderr
 * still the starter's. The starter waits in here and exits: 0 once daemonise_ready() was called,
 * else with the daemon's exit status. -errno: no fork. */
int daemonise(int *ret_ready_fd);
/* All is up: stdin, stdout and stderr become /dev/null and the starter exits with 0. Closes
 * ready_fd. */
void daemonise_ready(int ready_fd);

/* Opens and locks the pid file; before daemonise(), so that a second start fails at once. -errno
 * and one line in ret_error. */
int pid_file_open(const char *path, struct pidfh **ret, char *ret_error, size_t error_len);
/* At the end. The directory may not be ours any more after privileges were dropped: then an empty
 * file stays. NULL is fine. */
void pid_file_remove(struct pidfh *file);

#endif
