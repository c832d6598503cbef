/* embedded_redis.h — redis.url = "embedded": our own redis-server or valkey-server as a child, on a
 * unix socket in the state directory. Started first, started again when it dies, stopped last.
 * Never adopted: whoever holds the state directory's lock starts its own. */
#ifndef SYNCDOC_EMBEDDED_REDIS_H
#define SYNCDOC_EMBEDDED_REDIS_H

#include "base.h"
#include <ev.h>

#define EMBEDDED_REDIS_SOCKET "redis.sock"
#define EMBEDDED_REDIS_LOG "redis.log"

struct embedded_redis;

/* Finds the server's binary, starts it and waits up to 2 s for its socket. `loop` is the default
 * loop (child watchers). `lock_fd` is the state directory's lock: the child inherits it. -errno and
 * one line in ret_error: no binary, path too long, the server ended at once. */
int embedded_redis_start(struct ev_loop *loop, const char *state_dir, int lock_fd,
			 struct embedded_redis **ret, char *ret_error, size_t error_len);
/* unix:///… as redis_create() takes it. Lives as long as the object. */
const char *embedded_redis_url(const struct embedded_redis *embedded);
/* 0: it is not running at the moment. */
int embedded_redis_pid(const struct embedded_redis *embedded);
uint64_t embedded_redis_starts(const struct embedded_redis *embedded);
/* SIGTERM, after 10 s SIGKILL; `on_stopped` is called from the loop when it is gone. Not called
 * twice. */
void embedded_redis_stop(struct embedded_redis *embedded, void (*on_stopped)(void *arg), void *arg);
/* Kills what still runs (a start that failed halfway). NULL is fine. */
void embedded_redis_destroy(struct embedded_redis *embedded);

/* Pure: the URL of a socket path; bytes that mean something in a URL are written %XX.
 * -ENAMETOOLONG. */
int embedded_redis_format_url(const char *socket_path, char *ret, size_t len);

#endif
