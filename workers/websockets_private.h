/* websockets_private.h — the set of connections of one worker, for the files that make it up:
 * websockets.c (set, timers, drain), handshake.c, connection.c, session*.c. */
#ifndef SYNCDOC_WEBSOCKETS_PRIVATE_H
#define SYNCDOC_WEBSOCKETS_PRIVATE_H

#include "address_count.h"
#include "connection.h"
#include "json.h"
#include "websocket.h"

TAILQ_HEAD(connection_list, connection);

/* Connections that are pinged in the same second; every open connection is in exactly one. */
struct wheel_slot {
	struct connection **connections; /* owned array */
	uint32_t count, cap;
};

struct websockets {
	struct worker *worker;
	struct subscription_index *index;
	struct address_count *addresses;
	struct wheel_slot *wheel;
	uint32_t wheel_size, wheel_at;
	size_t count; /* connections whose struct exists */
	size_t queue_bytes;
	struct connection_list closing; /* in the order of close_at_ms, all wait equally long */
	struct connection_list paused;
	struct connection_list dead;
	ev_timer second;       /* pings, closing deadlines */
	ev_timer paused_timer; /* looks at `paused` */
	ev_timer drain_timer;
	ev_prepare reap;
	uint32_t drain_slot; /* how far the goaways have come */
	int64_t drain_until_ms;
	struct waiting_subscribes *waiting; /* session_subscribe.c */
	char *input;                        /* INPUT_LEN bytes, shared by all reads */
	struct json json;                   /* scratch of session.c */
	struct buffer text;                 /* scratch for answers */
};

#define INPUT_LEN 65536

/* websockets.c */
struct connection *websockets_add(struct websockets *websockets, int fd,
				  const struct in6_addr *address, struct span extra);
void websockets_mark_dead(struct connection *connection);
void websockets_mark_closing(struct connection *connection);
void websockets_mark_paused(struct connection *connection);
void websockets_unmark_paused(struct connection *connection);
/* One pending operation less; the struct of a dead connection goes with the last. */
void websockets_release(struct connection *connection);

/* session.c: what a client said. */
void session_start(struct connection *connection);
void session_receive(struct connection *connection, struct span message);
/* `head`: the first bytes of a message that is too big; its id is looked for there. */
void session_refuse_too_big(struct connection *connection, struct span head);

#endif
