/* websocket_peer.h — clients of the worker that websocket_fixture.h makes: they write bytes, and
 * expect frames. */
#ifndef SYNCDOC_TEST_WEBSOCKET_PEER_H
#define SYNCDOC_TEST_WEBSOCKET_PEER_H

#include "buffer.h"
#include "ws_frame.h"

struct connection;

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
