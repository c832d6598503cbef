/* subscribe_private.h — shared by session_subscribe.c, waiting_subscribes.c and who goes on with a
 * subscribe (replay*.c, session_auth.c) or shows one (connections.c). */
#ifndef SYNCDOC_SUBSCRIBE_PRIVATE_H
#define SYNCDOC_SUBSCRIBE_PRIVATE_H

#include "fanout.h"
#include "session_subscribe.h"

/* What of the past a subscribe wants. */
enum resume_kind { RESUME_NONE, RESUME_SNAPSHOT, RESUME_SINCE, RESUME_AFTER };

struct resume {
	enum resume_kind kind;
	uint64_t revision;                    /* SINCE */
	int64_t created_at_ms, updated_at_ms; /* SINCE; updated_at_ms -1: not said */
};

/* What a subscribe or unsubscribe names; the spec's spans point into the buffers' memory, so the
 * struct may be moved. */
struct subscribe {
	struct buffer topic, id, prefix, after; /* owned */
	struct subscription_spec spec;
	struct resume resume;
};

void subscribe_fini(struct subscribe *subscribe);
/* The host's Redis subscription is active, and its first mark has come. */
bool subscribe_is_active(const struct websockets *websockets);
/* Puts it into the index and answers, or hands it to a replay, which takes it over. Never inside of
 * a fan-out pass. */
void subscribe_now(struct connection *connection, struct subscribe *subscribe,
		   struct span message_id);
/* *ret: the subscribe's spec as the connection's rights of this moment leave it; its filter is
 * borrowed from them. -EACCES: *ret_refusal is a 403. */
int subscribe_narrow(struct connection *connection, const struct subscribe *subscribe,
		     struct subscription_spec *ret, struct outcome *ret_refusal);
/* Appends topic, returnMode (where there is one), documentId and documentPrefix, a comma before
 * each. */
void subscribe_append(struct buffer *text, const struct subscription_spec *spec);
void subscribe_refuse_too_many(struct connection *connection, struct span message_id);

/* Takes the subscribe over until it is active. -ENOSPC: as many of the connection's wait as it may
 * have subscriptions; nothing taken. */
int subscribe_wait(struct connection *connection, struct subscribe *subscribe,
		   struct span message_id);
/* Those that wait come first. */
void subscribe_waiting_now(struct websockets *websockets);
/* Drops the connection's waiting subscribes of that name, answering them 409. False: there is none.
 */
bool subscribe_forget(struct connection *connection, const struct subscription_spec *spec);

#endif
