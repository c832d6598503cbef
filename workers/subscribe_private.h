/* subscribe_private.h — shared by session_subscribe.c and waiting_subscribes.c. */
#ifndef SYNCDOC_SUBSCRIBE_PRIVATE_H
#define SYNCDOC_SUBSCRIBE_PRIVATE_H

#include "fanout.h"
#include "session_subscribe.h"

/* What a subscribe or unsubscribe names; the spec's spans point into the buffers' memory, so the
 * struct may be moved. */
struct subscribe {
	struct buffer topic, id, prefix; /* owned */
	struct subscription_spec spec;
};

void subscribe_fini(struct subscribe *subscribe);
/* The host's Redis subscription is active, and its first mark has come. */
bool subscribe_is_active(const struct websockets *websockets);
/* Puts it into the index and answers. Never inside of a fan-out pass. */
void subscribe_now(struct connection *connection, const struct subscription_spec *spec,
		   struct span message_id);

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
