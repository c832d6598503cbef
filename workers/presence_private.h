/* presence_private.h — shared by presence.c (requests, the end of sockets, putting again) and
 * presence_entry.c (one entry: what is sent to Redis and what its reply means) only. */
#ifndef SYNCDOC_PRESENCE_PRIVATE_H
#define SYNCDOC_PRESENCE_PRIVATE_H

#include "presence.h"

struct presence_state {
	bool is_present;
	bool is_editing;
	struct text *data; /* owned reference; NULL: {} */
};

/* A request that waits for its command. */
struct presence_waiter {
	STAILQ_ENTRY(presence_waiter) link;
	uint32_t version; /* of the goal it made */
	presence_done_fn done;
	void *arg;
};

enum presence_place { PLACE_NONE, PLACE_DIRTY, PLACE_LATER, PLACE_SENT };

struct presence_entry {
	struct presence *presence;
	struct presence_entry *next;   /* of the same connection */
	struct connection *connection; /* NULL: its socket has ended */
	TAILQ_ENTRY(presence_entry) all;
	TAILQ_ENTRY(presence_entry) queue;   /* dirty or later, as `place` says */
	TAILQ_ENTRY(presence_entry) leaving; /* while is_leaving */
	STAILQ_HEAD(, presence_waiter) waiters;
	unsigned waiter_count;
	enum presence_place place;
	bool is_leaving;
	bool may_exist; /* in Redis, under our name */
	bool doubt;
	bool announce; /* the next put says so to others even if nothing is new */
	struct presence_state goal, sent, known;
	uint32_t version, sent_version;
	int64_t leave_at_ms;
	struct text *user; /* one reference; NULL: the connection is a user of its own */
	char member[CONNECTION_ID_LEN];
	struct span service, id; /* in names */
	char names[];
};

TAILQ_HEAD(presence_list, presence_entry);

struct presence {
	struct worker *worker;
	bool is_stopped;
	struct presence_list all, dirty, later, leaving;
	size_t count;
	unsigned in_flight;
	uint64_t reconnects;  /* of the store, when last looked */
	uint64_t incarnation; /* under which the entries are put */
	char run_id[INHERIT_RUN_ID_MAX + 24];
	ev_timer look;
	ev_timer grace;
	struct buffer text; /* of answers */
};

struct presence_entry *presence_entry_create(struct presence *presence,
					     struct connection *connection, struct span service,
					     struct span id);
void presence_entry_destroy(struct presence_entry *entry);
void presence_entry_unlink(struct presence_entry *entry); /* from its connection */
void presence_entry_set_data(struct presence_entry *entry, struct span data); /* of the goal */
/* Its goal is to be sent; what is under way is looked at again when its reply comes. */
void presence_entry_make_dirty(struct presence_entry *entry);
/* Those whose goal is reached by what was sent, or, `all`, everybody. */
void presence_entry_answer(struct presence_entry *entry, const struct outcome *outcome, bool all);
/* Sends what is dirty, as much as may be under way. */
void presence_pump(struct presence *presence);

#endif
