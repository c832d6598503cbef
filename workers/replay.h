/* replay.h — resume: a subscribe that asks for a snapshot or for what was missed (DESIGN.md
 * section 8).
 *
 * Why nothing is lost or doubled: the subscription is put into an index first, and the document is
 * read from Redis afterwards, so every event is either in what is read or comes through the ring
 * later, or both. While the replay runs, live events of its documents are held; then those with a
 * revision up to the one read are dropped, the others follow. What is in what was read may go on
 * coming until a mark not below the sequence of the read has been drained, so until then the
 * connection stands apart: in an index of its own kind, in which each event is looked at per
 * connection. After that it joins those with equal subscriptions again. All changes of index happen
 * between two passes of the fan-out. */
#ifndef SYNCDOC_REPLAY_H
#define SYNCDOC_REPLAY_H

#include "subscribe_private.h"

#define REPLAY_REVISIONS_MAX 300    /* of a document; more: snapshot, or resync */
#define REPLAY_READS_MAX 16         /* replays of a worker that read at the same time */
#define REPLAY_DOCUMENTS_MAX 200000 /* changed documents known to all replays of a worker */

/* Queues the subscribe behind those of the connection that have not begun, and begins it when
 * none has. Takes it over. -ENOSPC: as many wait as the connection may have subscriptions; nothing
 * taken. */
int replay_subscribe(struct connection *connection, struct subscribe *subscribe,
		     struct span message_id);
/* Subscribes of the connection wait for a replay: a later one must not overtake them. */
bool replay_is_waiting(const struct connection *connection);
/* Its subscription has been removed: drops the replays of that name; those not answered yet are
 * answered 409. True: there was one of these. */
bool replay_forget(struct connection *connection, const struct subscription_spec *spec);
/* The connection is going. */
void replay_forget_all(struct connection *connection);
/* The connection's queue is empty: a replay may go on. */
void replay_go_on(struct connection *connection);
/* A mark has been drained; between two passes. */
void replay_on_mark(struct websockets *websockets);

/* Where the connection's subscriptions are at the moment. */
struct subscription_index *replay_index(const struct connection *connection);
struct audience_member *replay_member(struct connection *connection);

void replay_set_start(struct websockets *websockets);
void replay_set_watch(struct websockets *websockets); /* fan-out is there */
void replay_set_stop(struct websockets *websockets);  /* all connections are gone */
/* Audiences and subscriptions of those who stand apart. */
const struct subscription_index *replay_set_index(const struct websockets *websockets);

/* `<8 hex digits>-<sequence>`. 0, or -EINVAL. */
struct position {
	char run[9];
	uint64_t sequence;
};
int position_parse(struct span text, struct position *ret);

#endif
