/* live.h — one WebSocket connection to /v1/realtime. Pings are answered inside. */
#ifndef SYNCDOC_CTL_LIVE_H
#define SYNCDOC_CTL_LIVE_H

#include "verb_context.h"
#include "ws_stream.h"

struct channel;
struct live {
	struct channel *channel; /* owned; NULL: closed */
	struct ws_stream stream; /* owned */
	struct buffer in;        /* owned: bytes that have come, in_at of them used */
	size_t in_at;
	uint16_t close_code; /* after -ESHUTDOWN */
};

/* Connects and shakes hands. 0; EXIT_UNREACHABLE with *ret_reason (appended, one line) and nothing
 * said, so that it can be tried again; or the exit code of the server's refusal, which was said. */
int live_open(const struct context *context, struct live *live, struct buffer *ret_reason);
void live_close(struct live *live);
/* 0; -ETIMEDOUT, -EPIPE… */
int live_send(struct live *live, struct span text, int64_t deadline_ms);
/* The next text message; valid until the next call. -ETIMEDOUT: none in time; -ESHUTDOWN: the
 * server has closed, see close_code; other -errno: the connection is lost. */
int live_receive(struct live *live, int64_t deadline_ms, struct span *ret);
/* Without waiting: 1: *ret is a message, call again; 0: nothing for now; else as above. Holds no
 * memory while nothing is there. */
int live_poll(struct live *live, struct span *ret);

#endif
