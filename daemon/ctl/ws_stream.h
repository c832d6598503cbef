/* ws_stream.h — the client's side of WebSocket frames (RFC 6455 section 5): masked ones out,
 * unmasked ones in. common/ws_frame.h has the server's. No extensions are offered, so none may be
 * used. Pure. */
#ifndef SYNCDOC_CTL_WS_STREAM_H
#define SYNCDOC_CTL_WS_STREAM_H

#include "ws_frame.h"

#define WS_STREAM_MESSAGE_MAX (256 << 20)

/* Appends a whole masked frame. `mask` should be random: see RFC 6455 section 10.3. */
void ws_stream_append(struct buffer *ret, enum ws_opcode opcode, struct span payload,
		      uint32_t mask);

/* All zero is the start. */
struct ws_stream {
	struct buffer
		message; /* owned: of a fragmented message so far, or the one handed out last */
	bool open;       /* a fragmented message is under way */
	bool handed_out;
};

/* Reads one message or control frame from the front of `bytes`. 1: *ret is it, *used bytes are
 * used; its payload lies in `bytes` or in the stream and is valid until the next call. 0: not all
 * there yet; *used bytes are used all the same. -EBADMSG: a fault of the server; -EMSGSIZE. *ret
 * types are TEXT, PING, PONG and CLOSE. */
int ws_stream_read(struct ws_stream *stream, const char *bytes, size_t len, size_t *used,
		   struct ws_message *ret);
void ws_stream_fini(struct ws_stream *stream);

/* The value of Sec-WebSocket-Key, and what the server must answer to it (NUL-terminated). */
#define WS_KEY_LEN 25
#define WS_ACCEPT_LEN 29
void ws_stream_make_key(unsigned char random[16], char ret[WS_KEY_LEN]);
void ws_stream_make_accept(const char *key, char ret[WS_ACCEPT_LEN]);

#endif
