/* connection.h — one WebSocket connection on its own socket: bytes in, frames out, the queue of
 * what the socket does not take. A connection that has failed is only marked; websockets.c frees it
 * on the next loop turn, so callers may go on using the pointer until they return to the loop. */
#ifndef SYNCDOC_CONNECTION_H
#define SYNCDOC_CONNECTION_H

#include "batch.h"
#include "context.h"
#include "second_wheel.h"
#include "send_queue.h"
#include "subscriptions.h"
#include "ws_frame.h"
#include <netinet/in.h>

#define CONNECTION_ID_LEN 16
/* Operations under way, from which on the socket is not read: each holds its data. */
#define CONNECTION_PENDING_MAX 128

struct websockets;
struct principal;
struct replays;    /* replay.c */
struct held_input; /* private to connection.c */
struct tls_session;

/* What a connection begins with. */
struct connection_socket {
	int fd;                  /* taken over */
	struct tls_session *tls; /* taken over; NULL: it is plain */
	struct span unsent;      /* bytes that go out before all others; borrowed */
	struct span unread;      /* bytes that came with the handshake; borrowed */
};

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
	struct tls_session *tls;  /* owned; NULL: the socket is plain */
	struct send_queue *queue; /* owned; NULL: nothing waits */
	struct held_input *held;  /* owned; input that came while none may be handled, or NULL */
	struct replays *replays;  /* owned; NULL: no replay */
	struct presence_entry *presence; /* presence.c: where it is present */
	struct principal *principal;     /* one reference; NULL: has not said yet who it is */
	struct second_watch end;      /* session_auth.c: of its token, or of the time to send one */
	TAILQ_ENTRY(connection) list; /* websockets.c: closing, paused or dead */
	uint32_t tokens;              /* of ws.rate, in thousandths */
	uint32_t tokens_at_ms;        /* low bits of the monotonic clock */
	uint32_t close_at_ms;         /* closing, or after goaway: when patience ends; low bits */
	uint32_t token_by_ms;         /* without a principal: when patience ends; low bits */
	uint32_t pending;             /* operations whose answer has not come */
	uint32_t waiting;             /* subscribes that wait for the host's subscription */
	uint32_t wheel_place;         /* index in its wheel slot */
	uint32_t since_s;             /* Unix */
	uint16_t wheel_slot;
	uint16_t fault_second; /* when the present minute of faults began; low bits */
	uint8_t state;
	uint8_t pings_missed;
	uint8_t faults;          /* invalid messages in that minute */
	uint8_t flags;           /* enum connection_flag */
	struct in6_addr address; /* of the peer, IPv4 mapped; all zero for a unix socket */
	char id[CONNECTION_ID_LEN];
};

_Static_assert(sizeof(struct connection) <= 240, "what an idle connection costs");

enum connection_flag {
	CONNECTION_PAUSED = 1,      /* not read until tokens are back */
	CONNECTION_GOAWAY = 2,      /* has been told to go */
	CONNECTION_DEAF = 4,        /* its input has no frames any more: read and forgotten */
	CONNECTION_LISTED = 8,      /* in one of the lists */
	CONNECTION_PEER_CLOSE = 16, /* the peer's Close has come */
	CONNECTION_GATHERED = 32    /* has a send that has not been given to the kernel or has no
				       result: see connection_gather.h */
};

/* Sends a batch, or what the socket does not take later. Over ws.queue its events are remembered
 * per document instead; over ws.queue_total connections are closed 1013. False: not delivered
 * (now). Never changes the subscription index. */
bool connection_send(struct connection *connection, struct batch *batch);
/* A text message of its own; compressed if it is long and the peer takes that. */
void connection_send_text(struct connection *connection, struct span text);
/* Any frame. */
void connection_send_frame(struct connection *connection, enum ws_opcode opcode,
			   struct span payload);
/* Starts the close handshake; what is queued and not begun is dropped when `drop_queue`. */
void connection_close(struct connection *connection, uint16_t code, const char *reason,
		      bool drop_queue);
/* Closes 1013: `why` is for the log and the peer. */
void connection_close_overloaded(struct connection *connection, const char *why);
/* Watches the socket, and handles what came with the handshake. */
void connection_start(struct connection *connection, const struct connection_socket *socket);
/* Whether its messages may be handled now: tokens are there, and neither its answers nor its
 * operations pile up. */
bool connection_takes_input(const struct connection *connection);
/* To be called when that may have changed; held input is handled on this turn of the loop. */
void connection_watch(struct connection *connection);
/* Closes the socket and frees what hangs on it, not the struct. */
void connection_fini(struct connection *connection);
/* What waits for its socket, and the list of documents it is to be told of. */
size_t connection_queue_bytes(const struct connection *connection);
/* Forgets the events it was still to be told of; the caller counts the queue's bytes. */
void connection_conflation_free(struct connection *connection);

/* Whether permessage-deflate was agreed: kept in the member's kind, so it costs a connection
 * nothing. */
static inline bool connection_deflates(const struct connection *connection)
{
	return connection->member.kind == AUDIENCE_DEFLATE;
}

static inline struct span connection_id(const struct connection *connection)
{
	return span_of(connection->id, CONNECTION_ID_LEN);
}

#endif
