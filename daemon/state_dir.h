/* state_dir.h — where the daemon keeps what outlives it (Redis's files), and the lock that makes it
 * the only one there.
 *
 * `<state_dir>/lock` carries two locks. A POSIX record lock says that a supervisor lives, and names
 * its process; it ends with that process. A flock() goes with the open descriptor, which the
 * embedded Redis inherits: it is free only when supervisor and Redis are both gone. */
#ifndef SYNCDOC_STATE_DIR_H
#define SYNCDOC_STATE_DIR_H

#include "privileges.h"

#define STATE_DIR_LOCK_WAIT_MS 10000
#define STATE_DIR_SHUTDOWN_AFTER_MS 2000

/* Before privileges are dropped: makes the directory (0750, owned by the user) if it is missing. */
int state_dir_make(const char *path, const struct privileges *privileges, char *ret_error,
		   size_t error_len);
/* As the user it will be used by: checks that it can be written, then takes both locks, waiting up
 * to 10 s for a predecessor that is still going. An orphaned embedded Redis that still answers on
 * `redis_socket` after 2 s is told to SHUTDOWN; one whose supervisor lives is not touched. *ret_fd
 * (CLOEXEC) holds the locks; no other descriptor of that file may be closed in this process: that
 * would drop the record lock. -errno and one line in ret_error. */
int state_dir_lock(const char *path, const char *redis_socket, int *ret_fd, char *ret_error,
		   size_t error_len);

#endif
