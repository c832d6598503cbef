/* listeners.h — the sockets the service is reached by. Bound by the supervisor before it drops
 * privileges, held for its whole life: a crashed worker's accept queue survives until the respawn,
 * and process generations pass them on. */
#ifndef SYNCDOC_LISTENERS_H
#define SYNCDOC_LISTENERS_H

#include "config.h"
#include "inherit.h"
#include <sys/types.h>

struct listeners;

/* Binds every place in config->listen: one SO_REUSEPORT socket per worker index for a TCP address,
 * one shared socket for a unix path (mode 0660, given to owner:group; -1 leaves one as it is). A
 * stale socket file is removed only if nobody answers on it. -errno with one line in ret_error:
 * `listen 127.0.0.1:80: Permission denied`; nothing stays open. */
int listeners_open(const struct config *config, uid_t owner, gid_t group, struct listeners **ret,
		   char *ret_error, size_t error_len);
/* Closes all and removes the unix socket files that are still ours. NULL is fine. */
void listeners_close(struct listeners *listeners);

/* Logs where we listen; says the port where the configuration has 0. */
void listeners_log(const struct listeners *listeners);
/* Fills inherit->listeners for inherit->index. The descriptors stay the supervisor's. */
void listeners_inherit(const struct listeners *listeners, struct inherit *inherit);

#endif
