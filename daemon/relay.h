/* relay.h — the host's one Redis subscription: every event on the channels goes to the feed, every
 * message on the mark channel too; after each loss what was missed is caught up first. Events are
 * encoded here, once per host. */
#ifndef SYNCDOC_RELAY_H
#define SYNCDOC_RELAY_H

#include "catchup.h"
#include "keys.h"
#include "presence_feed.h"
#include "upstream.h"

struct relay {
	struct upstream upstream;
	struct marks *marks; /* borrowed */
	struct feed feed;
	struct catchup catchup;
	char mark_channel[KEY_MAX];
	/* Of this connection's subscriptions. */
	bool pattern_confirmed, marks_confirmed, control_confirmed;
	uint64_t control_messages, control_oversized, control_forged; /* the last two: dropped */
	struct presence_feed presence;
	bool primary_asked; /* the gap begins when it is known who answers now */
	void (*on_confirmed)(
		void *arg); /* somebody has to find out, and call relay_primary_known() */
	void *arg;
};

/* Fills the struct and starts connecting. `channel` is where marks come. */
void relay_open(struct relay *relay, struct ev_loop *loop, const struct config *config,
		const char *url, const char *channel, struct publisher *publisher,
		struct marks *marks, void (*on_confirmed)(void *arg), void *arg);
/* Not from inside a callback of the connection. */
void relay_close(struct relay *relay);
/* For reading what was missed. NULL: there is none for now. */
void relay_set_store(struct relay *relay, struct store *store);
/* marks know the primary's run id. */
void relay_primary_known(struct relay *relay);
/* Makes the subscription anew though it stands: it does not deliver, or its server is the wrong
 * one. */
void relay_reconnect(struct relay *relay, const char *reason);
/* As redis_move(), and all workers of this host are told to go there, too. */
void relay_move(struct relay *relay, const char *host, unsigned port);

#endif
