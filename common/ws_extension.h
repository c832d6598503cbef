/* ws_extension.h — what a client offers in Sec-WebSocket-Extensions (RFC 6455 section 9.1), and the
 * one extension that is spoken here: permessage-deflate (RFC 7692), always without context
 * takeover, so that no connection has a zlib state of its own and one compressed event fits all.
 * Pure. */
#ifndef SYNCDOC_WS_EXTENSION_H
#define SYNCDOC_WS_EXTENSION_H

#include "base.h"

/* What the handshake answers. */
enum ws_deflate_answer {
	WS_DEFLATE_NONE,  /* no offer that can be met, or a header that is malformed anywhere */
	WS_DEFLATE_PLAIN, /* agreed */
	WS_DEFLATE_WITH_WINDOW, /* agreed; the client asked for a window of 15 bits and must see it
				   confirmed */
};

/* Chooses the first permessage-deflate offer that can be met. Declined is one that has an unknown
 * parameter, one twice, a value where none may be, a missing or wrong value (8 to 15 without
 * leading zeros), or server_max_window_bits below 15: one compressed event must fit all.
 * client_max_window_bits is met by ignoring it: every window is inflated. `offers`: the header's
 * value, several headers joined by commas; empty is WS_DEFLATE_NONE. */
enum ws_deflate_answer ws_extension_choose(struct span offers);
/* The header's value for the answer; NULL for WS_DEFLATE_NONE. */
const char *ws_extension_answer(enum ws_deflate_answer answer);

#endif
