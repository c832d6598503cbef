/* conflation.h — what a slow connection is still to be told: per document the newest event that
 * matched, and which revision came before the first one it stands for (DESIGN.md section 8). Exists
 * only while a connection is too slow. Knows no socket.
 *
 * Two bounds: `list_max` bytes for the list of documents; does it not fit, it collapses, and all
 * that is left to say is one `resync` per subscription. And `bodies_max` bytes for the events
 * themselves (one may always be held, whatever its size); a document whose event does not fit is
 * remembered by name, and its client told to read it again. */
#ifndef SYNCDOC_CONFLATION_H
#define SYNCDOC_CONFLATION_H

#include "kept_record.h"

struct conflation;

/* `held_bytes` (borrowed) is the sum over all conflations of a worker: bytes of records held by at
 * least one of them, each counted once. */
struct conflation *conflation_create(size_t list_max, size_t bodies_max, size_t *held_bytes);
void conflation_destroy(struct conflation *conflation); /* NULL is fine */

/* Remembers an event that matched in this mode. Returns the number of events that nobody will see
 * because of it: those it replaces, or, when there is no room for it, all there were and itself. */
size_t conflation_remember(struct conflation *conflation, struct kept_record *record,
			   enum event_mode mode);
/* Forgets all documents: one `resync` per subscription stands for them. Returns their number. */
size_t conflation_collapse(struct conflation *conflation);
bool conflation_is_collapsed(const struct conflation *conflation);
bool conflation_is_empty(const struct conflation *conflation); /* and not collapsed */
/* Bytes of the list. */
size_t conflation_bytes(const struct conflation *conflation);

struct conflated {
	struct event_record names;  /* kind, name, service and id of the newest event */
	struct kept_record *record; /* the newest event, or a notice; NULL: it is not held */
	bool several;               /* it stands for more than itself, */
	uint64_t from_revision;     /* all that is newer than this one */
};

/* Takes out the document that has waited longest: *ret is valid until conflated_fini(). False:
 * there is none. */
bool conflation_take(struct conflation *conflation, struct conflated *ret);
void conflated_fini(struct conflation *conflation, struct conflated *conflated);

#endif
