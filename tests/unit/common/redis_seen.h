/* redis_seen.h — one connection of redis.h to a server of the test's own, and all that its
 * callbacks told. The test's memory, which must not move; zero but for what is set before it is
 * connected. */
#ifndef SYNCDOC_REDIS_SEEN_H
#define SYNCDOC_REDIS_SEEN_H

#include "redis.h"
#include "redis_fixture.h"

#define SEEN_TIMEOUT_MS 30000 /* not to be met, however long the machine stands still */
#define SEEN_SHORT_MS 250     /* to be met */

struct redis_seen {
	struct redis_fixture fixture;
	struct redis *redis; /* owned; NULL until it is connected */
	int ready, lost, answered, loading;
	int lost_before_answer; /* of the last one */
	char reason[320];       /* of the last loss */
	int64_t retry_ms;
	int error;                   /* of the last answer */
	char reply[256];             /* of the last answer */
	char order[64];              /* first bytes of all answers */
	bool asks_when_ready;        /* set before: gives a command from inside READY */
	const char *reconnects_with; /* set before: a reason to reconnect inside the first answer */
};

/* Starts the server, with `extra` as for fixture_open(), and connects over its unix socket. */
void seen_open(struct redis_seen *seen, const char *const *extra, int64_t timeout_ms);
/* To the server that fixture_open() has started, or to where there is none. */
void seen_connect(struct redis_seen *seen, const char *url, int64_t timeout_ms);
void seen_connect_with(struct redis_seen *seen, const struct redis_options *options);
/* Ends the connection, then the server and its loop: what else is in the loop is closed before. */
void seen_close(struct redis_seen *seen);

/* `a` and `b` may be NULL, from behind. */
void seen_ask(struct redis_seen *seen, const char *verb, const char *a, const char *b);
/* For redis_command(), with the struct redis_seen as its argument. */
void seen_on_answer(const redisReply *reply, int error, void *arg);

/* Run the loop until it happened so often in all. */
void seen_until_ready(struct redis_seen *seen, int times);
void seen_until_lost(struct redis_seen *seen, int times);
void seen_until_answered(struct redis_seen *seen, int times);

#endif
