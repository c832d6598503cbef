/* ws_frame.h — WebSocket frames (RFC 6455 section 5): headers out, an incremental reader in. Pure.
 *
 * The reader costs a few words per connection; memory for payload exists only while a message is
 * incomplete. A frame that lies whole in the caller's bytes is unmasked in place and handed out
 * without a copy. */
#ifndef SYNCDOC_WS_FRAME_H
#define SYNCDOC_WS_FRAME_H

#include "buffer.h"

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_NO_STATUS = 1005, /* never sent; what a Close without payload means */
	WS_CLOSE_INVALID_DATA = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_RESTART = 1012,
	WS_CLOSE_OVERLOAD = 1013,
	WS_CLOSE_TOKEN_EXPIRED = 4001,
	WS_CLOSE_FORBIDDEN = 4003,
};

#define WS_HEADER_MAX 10 /* unmasked */
#define WS_CONTROL_MAX 125

/* Writes the header of an unmasked, final frame; returns its length (2, 4 or 10). */
size_t ws_frame_header(unsigned char ret[WS_HEADER_MAX], enum ws_opcode opcode,
		       uint64_t payload_len);
/* Of the whole frame that such a header begins. */
uint64_t ws_frame_len(const unsigned char header[WS_HEADER_MAX]);
/* Appends a whole frame. */
void ws_frame_append(struct buffer *ret, enum ws_opcode opcode, struct span payload);
/* Appends a Close frame; reason (UTF-8) is cut to what fits, at a character border.
 * WS_CLOSE_NO_STATUS: one without payload. */
void ws_frame_append_close(struct buffer *ret, uint16_t code, struct span reason);

/* All zero is the start state. One per connection, so all it knows lies in a block that exists only
 * while a header, a control frame or a message is incomplete: between messages a reader is this one
 * pointer. */
struct ws_reader {
	struct ws_partial *partial; /* owned; private to ws_reader.c; NULL when idle */
};

enum ws_input {
	WS_INPUT_NONE, /* all bytes used, nothing complete */
	WS_INPUT_TEXT, /* payload: the whole message, valid UTF-8 */
	WS_INPUT_PING, /* payload to be sent back */
	WS_INPUT_PONG,
	WS_INPUT_CLOSE,   /* close_code (1005: none given), payload: reason */
	WS_INPUT_TOO_BIG, /* message above message_max, known from its length, payload: up to 4 KiB
			     of what has come so far (so that an id can be found); the connection
			     must be closed 1009 */
	WS_INPUT_FAULT,   /* close_code says how to close; payload: reason for the log */
};

struct ws_message {
	enum ws_input type;
	struct span payload; /* points into the fed bytes or into the reader; valid until the next
				call */
	uint16_t close_code;
	bool compressed; /* TEXT, TOO_BIG: the payload is as it came, neither inflated nor looked
			    at; see ws_deflate.h */
};

/* Feeds client bytes (masked frames required; they are unmasked in place). Uses *len bytes at most,
 * sets *len to how many were used; call again with the rest until WS_INPUT_NONE. After TOO_BIG,
 * FAULT or CLOSE nothing more may be fed. Faults: 1002 unmasked frame, RSV bit, unknown opcode,
 * fragmented or long control frame, bad continuation, non-minimal length, length with the top bit
 * set, RSV1 without `deflate` (permessage-deflate was agreed) or elsewhere than on the first frame
 * of a message, Close with one byte or a code that must not be sent; 1003 binary; 1007 bad UTF-8 in
 * text (as soon as it shows) or close reason. TOO_BIG is judged on the header: message so far +
 * frame length > message_max. For a TOO_BIG frame the bytes that are there already are handed out
 * unmasked (up to 4 KiB). A compressed message is measured as it comes. */
void ws_reader_feed(struct ws_reader *reader, char *bytes, size_t *len, size_t message_max,
		    bool deflate, struct ws_message *ret);
/* Frees what is kept; leaves the start state. */
void ws_reader_fini(struct ws_reader *reader);
/* Bytes of heap held; 0 after WS_INPUT_NONE when nothing is incomplete. What has been handed out is
 * freed by the next call. */
size_t ws_reader_held(const struct ws_reader *reader);

#endif
