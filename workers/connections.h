/* connections.h — WebSocket connections and event streams of one worker, as GET /v1/connections
 * shows them; what a worker answers when it is asked for its own (question.h asks). */
#ifndef SYNCDOC_CONNECTIONS_H
#define SYNCDOC_CONNECTIONS_H

#include "connection.h"

#define CONNECTIONS_PAGE_MAX 1000
#define CONNECTIONS_SUBSCRIPTIONS_SHOWN 20

struct principal;

/* What is known of one; all borrowed. */
struct connection_view {
	char id[CONNECTION_ID_LEN];
	const char *protocol;              /* websocket, sse */
	const struct principal *principal; /* or NULL */
	const struct in6_addr *address;
	int64_t since_ms;                /* Unix */
	const struct audience *audience; /* or NULL: no subscriptions */
	size_t queue_bytes;
	int64_t lag_ms; /* how long its socket has taken nothing of them */
};

/* The first `max` by id behind `after`, found in one walk over all. */
struct connection_page {
	struct span after, user;       /* user of len 0: all */
	struct connection_view *views; /* owned: room for max, in the order of their ids */
	size_t count, max;
	bool is_cut;    /* there are more */
	uint64_t total; /* that match, whatever their id */
};
/* Called for each by websockets_show() and streams_show(). */
void connection_page_add(struct connection_page *page, const struct connection_view *view);

/* Puts `{"run":…,"total":N,"items":[…],"more":true}` into Redis. */
void connections_answer_list(struct worker *worker, struct span question, struct span after,
			     unsigned limit, struct span user);
/* Closes it if it is here, and puts `{"run":…,"found":true}` into Redis. */
void connections_answer_close(struct worker *worker, struct span question, struct span id);

#endif
