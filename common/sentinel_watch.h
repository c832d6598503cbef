/* sentinel_watch.h — listens to all Sentinels of a sentinel:// URL for another primary of that
 * name, so that a failover is followed when it happens, not when the former primary is noticed to
 * be gone or demoted. One per host, in the supervisor. */
#ifndef SYNCDOC_SENTINEL_WATCH_H
#define SYNCDOC_SENTINEL_WATCH_H

#include "redis.h"

struct sentinel_watch;

/* Another server is the primary: once, however many Sentinels tell of it; but again where none was
 * listened to in between. `host` dies with the call. */
typedef void (*sentinel_switch_fn)(const char *host, unsigned port, void *arg);

/* Connects to each Sentinel with options->sentinel_*. NULL: the URL names none. */
struct sentinel_watch *sentinel_watch_create(struct ev_loop *loop,
					     const struct redis_options *options,
					     sentinel_switch_fn fn, void *arg);
/* Not from inside `fn`. NULL is fine. */
void sentinel_watch_destroy(struct sentinel_watch *watch);
/* How many Sentinels are listened to now, and how often they told of another primary. */
unsigned sentinel_watch_listening(const struct sentinel_watch *watch);
uint64_t sentinel_watch_switches(const struct sentinel_watch *watch);

#endif
