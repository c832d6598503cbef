/* daemonise.h — the process as others see it: its name in ps, and into the background so that
 * whoever started us learns whether we came up. */
#ifndef SYNCDOC_DAEMONISE_H
#define SYNCDOC_DAEMONISE_H

#include "base.h"

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

#endif
