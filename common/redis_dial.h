/* redis_dial.h — from a host's name and port, or the path of a socket, to a connected hiredis
 * context: looks the name up and tries its addresses in turn. For one attempt at a time, which
 * stands in redis->context as soon as there is one. Inner to redis*.c. */
#ifndef SYNCDOC_REDIS_DIAL_H
#define SYNCDOC_REDIS_DIAL_H

#include "name_lookup.h"

struct redis;
struct redisAsyncContext;

struct redis_dial {
	struct name_lookup *lookup; /* owned; NULL: none under way */
	struct name_addresses addresses;
	size_t next; /* of `addresses`: the one to try after this */
	char *host;  /* owned; a path where is_path */
	unsigned port;
	bool is_path;
	ev_timer
		patience; /* with the address that is being tried, so that the next gets its turn */
	/* redis->context is connected; its disconnect callback is not set yet. */
	void (*on_connected)(struct redis *redis);
	/* No address has answered; redis->context is NULL. The reason dies with the call. */
	void (*on_failed)(struct redis *redis, const char *reason);
};

void dial_init(struct redis *redis);
/* Sets redis->connect_by_ms when the addresses are known. Callbacks may come from inside. */
void dial_host(struct redis *redis, const char *host, unsigned port,
	       void (*on_connected)(struct redis *redis),
	       void (*on_failed)(struct redis *redis, const char *reason));
void dial_path(struct redis *redis, const char *path, void (*on_connected)(struct redis *redis),
	       void (*on_failed)(struct redis *redis, const char *reason));
/* From here on what redis->context is given to send waits for redis->flush, at the end of the turn
 * of the loop, where the connection is ready. */
void dial_hook_writes(struct redis *redis);
/* Whoever gives redis->context up stops the attempt, too. Fine if there is none. */
void dial_stop(struct redis *redis);

#endif
