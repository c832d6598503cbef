/* live.c — see live.h. */
#define _GNU_SOURCE
#include "live.h"

#include "channel.h"
#include "client.h"

#include <bsd/stdlib.h>

#define ERROR_MAX 512
#define RECEIVE_LEN 65536
#define POLL_SEND_MS 1000 /* for the pong */

/* ---- the handshake ---- */

/* `key` goes into the request, `accept` must come back. */
struct handshake {
	char key[WS_KEY_LEN];
	char accept[WS_ACCEPT_LEN];
};

static void append_handshake(const struct context *context, struct handshake *handshake,
			     struct buffer *ret)
{
	unsigned char random[16];
	char header[160];
	arc4random_buf(random, sizeof(random));
	ws_stream_make_key(random, handshake->key);
	ws_stream_make_accept(handshake->key, handshake->accept);
	snprintf(header, sizeof(header),
		 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		 "Sec-WebSocket-Key: %s",
		 handshake->key);
	struct client_call call = {.method = "GET", .path = SPAN("/v1/realtime"), .header = header};
	client_append_request(context, &call, true, ret);
}

static bool is_accepted(const struct handshake *handshake, const struct http_reply *reply)
{
	return reply->status == 101 && span_equals(http_reply_header(reply, "Sec-WebSocket-Accept"),
						   span_string(handshake->accept));
}

/* Reads the answer; bytes behind it are kept for the first message. */
static int read_answer(struct live *live, int64_t deadline_ms, struct http_reply *reply)
{
	while (reply->state != HTTP_REPLY_DONE) {
		char *to = buffer_reserve(&live->in, RECEIVE_LEN);
		ssize_t got = channel_receive_until(live->channel, to, RECEIVE_LEN, deadline_ms);
		if (got < 0)
			return (int)got;
		if (got == 0)
			return http_reply_end(reply);
		size_t len = (size_t)got;
		int error = http_reply_feed(reply, to, &len);
		if (error)
			return error;
		live->in.len += (size_t)got;
		live->in_at = live->in.len - ((size_t)got - len);
	}
	return 0;
}

static int shake_hands(const struct context *context, struct live *live, int64_t deadline_ms,
		       struct buffer *ret_reason)
{
	CLEANUP(buffer_fini) struct buffer request = {0};
	CLEANUP(http_reply_fini) struct http_reply reply = {0};
	struct handshake handshake;
	append_handshake(context, &handshake, &request);
	int error = channel_send_all(live->channel, buffer_span(&request), deadline_ms);
	if (!error)
		error = read_answer(live, deadline_ms, &reply);
	if (error) {
		buffer_printf(ret_reason, "no WebSocket: %s", strerror(-error));
		return EXIT_UNREACHABLE;
	}
	if (is_accepted(&handshake, &reply))
		return 0;
	if (reply.status >= 500) { /* a server, or a proxy before it, that is just not ready */
		buffer_printf(ret_reason, "no WebSocket: the server answers with status %d",
			      reply.status);
		return EXIT_UNREACHABLE;
	}
	int code = client_refused(context, &reply);
	return code ? code : EXIT_FAILED;
}

int live_open(const struct context *context, struct live *live, struct buffer *ret_reason)
{
	char reason[ERROR_MAX];
	int64_t deadline_ms = clock_monotonic_ms() + context->timeout_ms;
	*live = (struct live){0};
	if (channel_open(&context->url, context->ca_file, deadline_ms, &live->channel, reason,
			 sizeof(reason))) {
		buffer_append_string(ret_reason, reason);
		return EXIT_UNREACHABLE;
	}
	int error = shake_hands(context, live, deadline_ms, ret_reason);
	if (error)
		live_close(live);
	return error;
}

void live_close(struct live *live)
{
	channel_close(live->channel);
	ws_stream_fini(&live->stream);
	buffer_fini(&live->in);
	live->channel = NULL;
	live->in_at = 0;
}

/* ---- messages ---- */

static int send_frame(struct live *live, enum ws_opcode opcode, struct span payload,
		      int64_t deadline_ms)
{
	CLEANUP(buffer_fini) struct buffer frame = {0};
	ws_stream_append(&frame, opcode, payload, arc4random());
	return channel_send_all(live->channel, buffer_span(&frame), deadline_ms);
}

int live_send(struct live *live, struct span text, int64_t deadline_ms)
{
	return send_frame(live, WS_TEXT, text, deadline_ms);
}

static int receive_more(struct live *live, int64_t deadline_ms)
{
	buffer_consume(&live->in, live->in_at);
	live->in_at = 0;
	char *to = buffer_reserve(&live->in, RECEIVE_LEN);
	ssize_t got = channel_receive_until(live->channel, to, RECEIVE_LEN, deadline_ms);
	if (got <= 0)
		return got ? (int)got : -ECONNRESET;
	live->in.len += (size_t)got;
	return 0;
}

static int take(struct live *live, const struct ws_message *message, int64_t deadline_ms)
{
	char close[2];
	switch (message->type) {
	case WS_INPUT_PING:
		return send_frame(live, WS_PONG, message->payload, deadline_ms);
	case WS_INPUT_CLOSE:
		live->close_code = message->close_code;
		close[0] = (char)(message->close_code >> 8);
		close[1] = (char)message->close_code;
		send_frame(live, WS_CLOSE,
			   message->close_code == WS_CLOSE_NO_STATUS ? SPAN_NONE
								     : span_of(close, 2),
			   deadline_ms);
		return -ESHUTDOWN;
	default:
		return 0;
	}
}

/* Of what is here already. 1: *ret is there; 0: not yet. */
static int next_message(struct live *live, struct ws_message *ret)
{
	size_t used;
	int there = ws_stream_read(&live->stream, live->in.at + live->in_at,
				   live->in.len - live->in_at, &used, ret);
	live->in_at += used;
	return there;
}

int live_receive(struct live *live, int64_t deadline_ms, struct span *ret)
{
	for (;;) {
		struct ws_message message;
		int there = next_message(live, &message);
		if (there < 0)
			return there;
		if (there && message.type == WS_INPUT_TEXT) {
			*ret = message.payload;
			return 0;
		}
		int error =
			there ? take(live, &message, deadline_ms) : receive_more(live, deadline_ms);
		if (error)
			return error;
	}
}

int live_poll(struct live *live, struct span *ret)
{
	for (;;) {
		struct ws_message message;
		int there = next_message(live, &message);
		if (there < 0)
			return there;
		if (there && message.type == WS_INPUT_TEXT) {
			*ret = message.payload;
			return 1;
		}
		int error = there ? take(live, &message, clock_monotonic_ms() + POLL_SEND_MS)
				  : receive_more(live, 0);
		if (error == -ETIMEDOUT && live->in.len == 0)
			buffer_fini(&live->in);
		if (error)
			return error == -ETIMEDOUT ? 0 : error;
	}
}
