/* watch_state.h — what a watcher subscribes to, what it has had, and so what it asks for when it
 * connects again. Pure. */
#ifndef SYNCDOC_CTL_WATCH_STATE_H
#define SYNCDOC_CTL_WATCH_STATE_H

#include "json.h"

#define WATCH_SEEN 4096 /* documents whose last event is remembered */
#define WATCH_POSITION_MAX 64

struct watch_state {
	/* What to watch; borrowed, NULL where not given. */
	const char *topic, *id, *prefix, *mode;
	bool snapshot; /* of one document: its createdAt is needed to resume */
	bool presence;
	/* What has been had. */
	char position[WATCH_POSITION_MAX];              /* of topics; empty: none */
	int64_t created_at_ms, revision, updated_at_ms; /* of one document; revision 0: none;
							   updated_at_ms -1: not known */
	uint64_t seed;
	struct watch_seen {
		uint64_t hash; /* of service and id */
		int64_t at_ms; /* of its last event; times of one document only grow */
	} seen[WATCH_SEEN];
};

/* Appends the subscribe message: from where it stands. */
void watch_state_append_subscribe(const struct watch_state *watch, struct buffer *ret);

enum watch_answer {
	WATCH_NOTHING,    /* welcome, pong */
	WATCH_SUBSCRIBED, /* may have "document" */
	WATCH_EVENT,
	WATCH_REPEATED, /* an event that came before */
	WATCH_RESYNC,
	WATCH_GOAWAY,
	WATCH_ERROR,
};

/* What a message from the server is; remembers what it brings. */
enum watch_answer watch_state_take(struct watch_state *watch, const struct json *message);

#endif
