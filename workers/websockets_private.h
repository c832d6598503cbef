/* websockets_private.h — the set of connections of one worker, for the files that make it up:
 * websockets.c (set, lists), websockets_timers.c (pings, deadlines, drain), handshake.c,
 * connection*.c, session*.c, waiting_subscribes.c. */
#ifndef SYNCDOC_WEBSOCKETS_PRIVATE_H
#define SYNCDOC_WEBSOCKETS_PRIVATE_H

#include "address_count.h"
#include "connection.h"
#include "json.h"
#include "websocket.h"

#define INPUT_LEN 65536
#define CLOSE_PATIENCE_MS 5000 /* for the answer to our Close */

TAILQ_HEAD(connection_list, connection);

/* Connections that are pinged in the same second; every connection whose socket is not closed is in
 * exactly one. */
struct wheel_slot {
	struct connection **connections; /* owned array */
	uint32_t count, cap;
};

struct websockets {
	struct worker *worker;
	struct subscription_index *index;
	struct wheel_slot *wheel;
	uint32_t wheel_size, wheel_at;
	struct second_wheel token_ends; /* of the wall clock */
	struct second_wheel strangers;  /* who has no principal yet; of the monotonic clock */
	size_t count;                   /* connections whose socket is not closed */
	size_t queue_bytes;             /* that wait for sockets */
	size_t queue_bytes_leaving; /* those of them that do not count against ws.queue_total: their
				       connections are closing already */
	size_t conflating;          /* connections whose events are remembered, not queued */
	size_t conflated_bytes;     /* of the events remembered, each once; count like the queues */
	struct send_queue_list stalled; /* queues of open connections, the longest stalled first */
	struct connection_list closing; /* in the order of close_at_ms, all wait equally long */
	struct connection_list paused;
	struct connection_list dead;
	ev_timer second;       /* pings, deadlines */
	ev_timer paused_timer; /* looks at `paused` */
	ev_timer drain_timer;
	ev_prepare reap;
	int64_t drain_since_ms, drain_until_ms;
	size_t drain_count;                 /* connections when the drain began */
	uint64_t drain_told;                /* goaways sent */
	struct waiting_subscribes *waiting; /* waiting_subscribes.c */
	struct replay_set *replays;         /* replay.c */
	struct connection_gather *gather;   /* owned; NULL: each send is a call of its own */
	char *input;                        /* INPUT_LEN bytes, shared by all reads */
	struct json json;                   /* scratch of session.c */
	struct buffer text;                 /* scratch for answers */
};

/* websockets.c */
struct connection *websockets_add(struct websockets *websockets,
				  const struct connection_socket *socket,
				  const struct in6_addr *address, enum audience_kind kind,
				  struct principal *principal);
/* What stands against one more connection from there: the limit's name; NULL: nothing. `address`
 * NULL: it has its place already. */
const char *websockets_limit(const struct websockets *websockets, const struct in6_addr *address);
void websockets_mark_dead(struct connection *connection);
void websockets_mark_closing(struct connection *connection);
void websockets_mark_paused(struct connection *connection);
/* Its tokens are back. */
void websockets_unmark_paused(struct connection *connection);
/* One pending operation more. */
void websockets_hold(struct connection *connection);
/* One pending operation less; the struct of a dead connection goes with the last. */
void websockets_release(struct connection *connection);

/* The queue of an open connection begins to wait, is gone, or has lost some bytes to the socket. */
void websockets_stalled_add(struct connection *connection);
void websockets_stalled_remove(struct connection *connection);
void websockets_stalled_moved(struct connection *connection);
/* Over ws.queue_total: closes the longest stalled. */
void websockets_check_queue_total(struct websockets *websockets);

/* websockets_timers.c */
void websockets_timers_start(struct websockets *websockets);
void websockets_timers_stop(struct websockets *websockets);
/* What is due once a second: pings of one wheel slot, connections past a deadline. */
void websockets_each_second(struct websockets *websockets);
/* Goes through the paused connections. */
void websockets_look_at_paused(struct websockets *websockets);
/* Sends the goaways and Closes that are due. */
void websockets_drain_step(struct websockets *websockets);

/* Of times of which the low bits are kept: right within 24 days. */
static inline bool time_is_past(uint32_t at_ms, int64_t now_ms)
{
	return (int32_t)((uint32_t)now_ms - at_ms) >= 0;
}

/* session_auth.c: who it is, and for how long. */
void session_auth_open(struct websockets *websockets);
/* Closes those whose token has ended, and who have sent none in time. */
void session_auth_each_second(struct websockets *websockets);
/* `principal` (borrowed): from the handshake; NULL: not said there. */
void session_auth_start(struct connection *connection, struct principal *principal);
void session_auth_stop(struct connection *connection);
/* Bytes a message may have: fewer before authentication. */
size_t session_message_max(const struct connection *connection);

/* session.c: what a client said. */
void session_start(struct connection *connection);
void session_receive(struct connection *connection, struct span message);
/* `head`: the first bytes of a message that is too big; its id is looked for there. */
void session_refuse_too_big(struct connection *connection, struct span head);
/* So many tokens of ws.rate are back that reading it again is worth while. */
bool session_may_go_on(struct connection *connection);

#endif
