/* websocket_fixture.h — a worker's WebSocket half without libmicrohttpd and Redis: real connections
 * over socketpairs, a real ring, a clock that only tests move, and operations that are answered
 * when a test says so. One per process: Criterion forks for each test. */
#ifndef SYNCDOC_TEST_WEBSOCKET_FIXTURE_H
#define SYNCDOC_TEST_WEBSOCKET_FIXTURE_H

#include "fanout.h"
#include "operations.h"
#include "ring.h"
#include "websocket_peer.h"
#include "websockets_private.h"
#include <criterion/criterion.h>

/* An operation that was asked for. */
struct asked {
	operation_done_fn done;
	void *arg;
};

struct fixture {
	struct worker worker;
	struct config *config; /* tests may change it before fixture_start() */
	struct ring_writer ring;
	struct shared_header *shared;
	int64_t now_ms, wall_ahead_ms; /* monotonic; Unix time less that */
	struct asked asked[4096];
	size_t asked_count, answered_count; /* both start again when all are answered */
	bool answer_at_once;
};

extern struct fixture fixture;

void fixture_init(void);
void fixture_start(void); /* websockets_create() */
void fixture_fini(void);
/* Runs the loop until nothing is left to do. */
void fixture_turn(void);
/* Answers the oldest operation not answered yet with 200 and this envelope. */
void fixture_answer(const char *envelope);
/* The host's subscription is active, and its first mark is in the ring. */
void fixture_activate(const char *position);
void fixture_mark(const char *position);
/* Puts an event `updated` of service `s` into the ring; `data` is a JSON object. */
void fixture_publish(const char *id, uint64_t revision, struct span data);
void fixture_publish_deleted(const char *id, uint64_t revision);
/* The same of document d, with `len` times x in its data. */
void fixture_publish_run(uint64_t revision, size_t len);
/* Puts a `presence` event into it. */
void fixture_publish_presence(const char *id);
/* One reference to a batch with one text of `len` times c. */
struct batch *fixture_batch(char c, size_t len);

#endif
