/* relay.h — the host's one Redis subscription: every event on the channels becomes one record in
 * the ring, every message on the mark channel goes to marks. Events are encoded here, once per
 * host. */
#ifndef SYNCDOC_RELAY_H
#define SYNCDOC_RELAY_H

#include "keys.h"
#include "marks.h"
#include "presence_coalescer.h"
#include "upstream.h"

struct relay {
	struct upstream upstream;
	struct publisher *publisher; /* borrowed */
	struct marks *marks;         /* borrowed */
	char mark_channel[KEY_MAX];
	bool pattern_confirmed, marks_confirmed; /* of this connection's subscriptions */
	bool was_confirmed; /* of an earlier connection: what was published since is lost */
	struct json scratch;
	struct buffer record;
	struct ev_loop *loop;               /* borrowed */
	struct presence_coalescer presence; /* presence events wait here for their tick */
	ev_timer presence_timer;
	uint64_t events;    /* published */
	uint64_t malformed; /* dropped: not in the form of an event */
	uint64_t oversized; /* published as resync {reason:"large"} */
	uint64_t gaps;
};

/* Fills the struct and starts connecting. `channel` is where marks come. */
void relay_open(struct relay *relay, struct ev_loop *loop, const struct config *config,
		const char *url, const char *channel, struct publisher *publisher,
		struct marks *marks);
/* Not from inside a callback of the connection. */
void relay_close(struct relay *relay);
/* The subscription does not deliver though it stands: makes it anew. */
void relay_reconnect(struct relay *relay);

/* Presence events that wait for their tick are published now; the other two are relay_open()'s and
 * relay_close()'s. All for tests too. */
void relay_flush_presence(struct relay *relay);
void relay_open_presence(struct relay *relay, struct ev_loop *loop);
void relay_close_presence(struct relay *relay);

/* What comes on an event channel, as it is handed over by the connection; for tests too. Presence
 * is published within PRESENCE_COALESCE_MS. */
void relay_receive(struct relay *relay, struct span channel, struct span text);

#endif
