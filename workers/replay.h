/* replay.h — resume: a subscribe that asks for a snapshot or for what was missed, and an event
 * stream that comes back (DESIGN.md section 8).
 *
 * Why nothing is lost or doubled: the subscription is put into an index first, and the document is
 * read from Redis afterwards, so every event is either in what is read or comes through the ring
 * later, or both. While the replay runs, live events of its documents are held; then those with a
 * revision up to the one read are dropped, the others follow. What is in what was read may go on
 * coming until a mark not below the sequence of the read has been drained, so until then the
 * client stands apart: in an index of its own kind, in which each event is looked at per client.
 * After that it joins those with equal subscriptions again. All changes of index happen between two
 * passes of the fan-out.
 *
 * A replay waits for the socket: it reads and sends on only as far as little of it waits, so it
 * costs a bounded amount of memory however much was missed, and never makes its client a slow one.
 * Live events that are too many to be held meanwhile are left to another round of a replay by
 * position; of any other replay they are lost, and that is said.
 */
#ifndef SYNCDOC_REPLAY_H
#define SYNCDOC_REPLAY_H

#include "position.h"
#include "subscribe_private.h"

#define REPLAY_REVISIONS_MAX 300    /* of a document; more: snapshot, or resync */
#define REPLAY_READS_MAX 16         /* replays of a worker that read at the same time */
#define REPLAY_DOCUMENTS_MAX 200000 /* changed documents known to all replays of a worker */

struct stream;

/* --- WebSocket connections: replay_connection.c ----------------------------------------------- */

/* Queues the subscribe behind those of the connection that have not begun, and begins it when
 * none has. Takes it over. -ENOSPC: as many wait as the connection may have subscriptions; nothing
 * taken. */
int replay_subscribe(struct connection *connection, struct subscribe *subscribe,
		     struct span message_id);
/* A subscribe of that name has to wait behind replays, or it would overtake them: one waits
 * already, or one of the same name is running, which it replaces when that is done. */
bool replay_is_before(const struct connection *connection, const struct subscription_spec *spec);
/* Its subscription has been removed: drops the replays of that name; those not answered yet are
 * answered 409. True: there was one of these. */
bool replay_forget(struct connection *connection, const struct subscription_spec *spec);
/* The same, but what it held back waits for replay_go_on(): there is more to be changed before the
 * connection may get anything. */
bool replay_drop(struct connection *connection, const struct subscription_spec *spec);
/* The connection is going. */
void replay_forget_all(struct connection *connection);
/* The connection's socket has taken something, or its subscriptions have changed: a replay may go
 * on. */
void replay_go_on(struct connection *connection);

/* Where the connection's subscriptions are at the moment. */
struct subscription_index *replay_index(const struct connection *connection);
struct audience_member *replay_member(struct connection *connection);

/* --- event streams: replay_stream.c ----------------------------------------------------------- */

/* Subscribes the stream and replays what it has not got, as soon as the host has its events. What
 * cannot be replayed is said by a resync. The specs have id, prefix, mode and presence in common;
 * copied. */
void replay_stream(struct stream *stream, const struct subscription_spec *specs,
		   unsigned spec_count, const struct progress *from);
/* Where its subscriptions are at the moment. */
struct audience_member *replay_stream_member(struct stream *stream);
/* The stream's socket has taken something. Never inside of a pass. */
void replay_stream_go_on(struct stream *stream);
/* The stream is going. */
void replay_stream_forget(struct stream *stream);

/* --- all of a worker: replay.c ---------------------------------------------------------------- */

/* A mark has been drained; between two passes. */
void replay_on_mark(struct websockets *websockets);

void replay_set_start(struct websockets *websockets);
void replay_set_watch(struct websockets *websockets); /* fan-out is there */
/* All connections are gone, and no stream replays. */
void replay_set_stop(struct websockets *websockets);
/* Audiences and subscriptions of those who stand apart. */
const struct subscription_index *replay_set_index(const struct websockets *websockets);

#endif
