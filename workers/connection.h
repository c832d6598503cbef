/* connection.h — one WebSocket connection on its own socket: bytes in, frames out, the queue of
 * what the socket does not take. A connection that has failed is only marked; websockets.c frees it
 * on the next loop turn, so callers may go on using the pointer until they return to the loop. */
#ifndef SYNCDOC_CONNECTION_H
#define SYNCDOC_CONNECTION_H

#include "batch.h"
#include "context.h"
#include "subscriptions.h"
#include "ws_frame.h"
#include <bsd/sys/queue.h>
#include <netinet/in.h>

#define CONNECTION_ID_LEN 16

struct websockets;
struct send_queue; /* private to connection.c */

enum connection_state {
	CONNECTION_OPEN,
	CONNECTION_CLOSING, /* our Close is sent or queued; waits for the peer's, at most 5 s */
	CONNECTION_DEAD,    /* the socket is of no use any more; freed on the next turn */
};

/* Kept small: there may be tens of thousands, nearly all idle. */
struct connection {
	struct audience_member member; /* first: fan-out hands it back */
	ev_io io;
	struct ws_reader reader;
	struct websockets *websockets;
	struct send_queue *queue;     /* owned; NULL: nothing waits */
	struct presence_entry *presence; /* presence.c: where it is present */
	TAILQ_ENTRY(connection) list; /* websockets.c: closing, paused or dead */
	float tokens;                 /* of ws.rate */
	uint32_t tokens_at_ms;        /* low bits of the monotonic clock */
	uint32_t close_at_ms;         /* closing, or after goaway: when patience ends; low bits */
	uint32_t pending;             /* operations whose answer has not come */
	uint32_t wheel_place;         /* index in its wheel slot */
	uint16_t wheel_slot;
	uint8_t state;
	uint8_t pings_missed;
	uint8_t faults; /* invalid messages in the present minute */
	uint8_t flags;  /* enum connection_flag */
	uint16_t fault_minute;
	struct in6_addr address; /* of the peer, IPv4 mapped; all zero for a unix socket */
	char id[CONNECTION_ID_LEN];
};

enum connection_flag {
	CONNECTION_PAUSED = 1,     /* not read until tokens are back */
	CONNECTION_GOAWAY = 2,     /* has been told to go */
	CONNECTION_OUR_CLOSE = 4,  /* our Close is under way */
	CONNECTION_LISTED = 8,     /* in one of the lists */
	CONNECTION_PEER_CLOSE = 16 /* the peer's Close has come */
};

/* Sends a batch, or what the socket does not take later. Over ws.queue: closed 1013. Never changes
 * the subscription index. */
void connection_send(struct connection *connection, struct batch *batch);
/* A text message of its own. */
void connection_send_text(struct connection *connection, struct span text);
/* Any frame. */
void connection_send_frame(struct connection *connection, enum ws_opcode opcode,
			   struct span payload);
/* Starts the close handshake; what is queued and not begun is dropped when `drop_queue`. */
void connection_close(struct connection *connection, uint16_t code, const char *reason,
		      bool drop_queue);
/* Watches the socket; feeds `extra`, bytes that came with the handshake. */
void connection_start(struct connection *connection, int fd, struct span extra);
/* Reading stops, or goes on with what the socket has. */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);
/* Closes the socket and frees what hangs on it, not the struct. */
void connection_fini(struct connection *connection);
size_t connection_queue_bytes(const struct connection *connection);

static inline struct span connection_id(const struct connection *connection)
{
	return span_of(connection->id, CONNECTION_ID_LEN);
}

#endif
