/* websocket_fixture.h — a worker's WebSocket half without libmicrohttpd and Redis: real connections
 * over socketpairs, a real ring, a clock that only tests move, and operations that are answered
 * when a test says so. One per process: Criterion forks for each test. */
#ifndef SYNCDOC_TEST_WEBSOCKET_FIXTURE_H
#define SYNCDOC_TEST_WEBSOCKET_FIXTURE_H

#include "fanout.h"
#include "operations.h"
#include "ring.h"
#include "websockets_private.h"
#include <criterion/criterion.h>

/* What a client has at its end. */
struct peer {
	int fd;
	struct buffer got; /* owned; not yet taken by peer_next() */
	bool ended;        /* the server has closed the socket */
	struct connection *connection;
};

struct frame {
	enum ws_opcode opcode;
	struct buffer payload; /* owned; NUL behind it, not counted */
	uint16_t code;         /* of a Close; 1005: none */
};

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
/* One reference to a batch with one text of `len` times c. */
struct batch *fixture_batch(char c, size_t len);
/* The same for `presence`. */
void fixture_publish_presence(const char *id);

/* sndbuf 0: as it comes. */
struct peer peer_connect(int sndbuf);
void peer_fini(struct peer *peer);
/* Masked frames from the client; the loop is not run. */
void peer_send(struct peer *peer, unsigned char first, struct span payload);
void peer_send_text(struct peer *peer, const char *text);
void peer_send_close(struct peer *peer, uint16_t code);
void peer_send_bytes(struct peer *peer, struct span bytes);
/* Appends a masked frame to `ret`. */
void peer_frame(struct buffer *ret, unsigned char first, struct span payload);
/* Reads at most `most` bytes of what the socket has. */
void peer_read(struct peer *peer, size_t most);
/* The next frame, after turns of the loop. False: none has come. Frees what *ret had. */
bool peer_next(struct peer *peer, struct frame *ret);
/* The next frame must be this text. */
void peer_expect(struct peer *peer, const char *text);
/* The next frame must be a Close with this code. */
void peer_expect_close(struct peer *peer, uint16_t code);
/* The next frame must be a text that contains `part`. */
void peer_expect_part(struct peer *peer, const char *part);
/* The next frame must be of this kind. */
void peer_expect_opcode(struct peer *peer, enum ws_opcode opcode);
/* The server sends it a batch with a text of `len` times `c`; and that must be the next frame. */
void peer_be_sent(struct peer *peer, char c, size_t len);
void peer_expect_run(struct peer *peer, char c, size_t len);
/* No frame must come, and the socket stay open. */
void peer_expect_nothing(struct peer *peer);
/* The socket must be closed by the server, without a further frame. */
void peer_expect_end(struct peer *peer);

#endif
