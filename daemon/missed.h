/* missed.h — what this host has missed of one document, told from its envelope and history: the
 * events, made anew, or why they cannot be. Pure. */
#ifndef SYNCDOC_MISSED_H
#define SYNCDOC_MISSED_H

#include "last_revisions.h"
#include "store.h"

enum missed_verdict {
	MISSED_NOTHING,
	MISSED_EVENTS,   /* `events`, in the order of their revisions */
	MISSED_LOST,     /* there were some, but the history does not give them back: resync
			    {reason:"gap"} */
	MISSED_ROLLBACK, /* what went into the ring is not what is stored: resync
			    {reason:"rollback"} */
};

struct missed {
	enum missed_verdict verdict;
	struct buffer *events; /* owned: texts as on the channel */
	size_t count;
	struct document newest; /* revision 0: there is none; borrowed from the envelope. What the
				   table should know from now on */
};

/* `known`: what the table says; NULL: nothing, then all up to sequence `from` was seen. More than
 * `bytes_max` of events are lost. */
void missed_judge(const struct store_missed *stored, const struct last_revision *known,
		  uint64_t from, size_t bytes_max, struct missed *ret);
void missed_fini(struct missed *missed);

#endif
