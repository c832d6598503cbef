/* store_history.h — the history stream of one document. Errors and lifetimes as in store.h.
 *
 * Entries are of the document's present chain of revisions, and never change: what a later call
 * gives is what the former one would have given, or less, for the oldest ones go. */
#ifndef SYNCDOC_STORE_HISTORY_H
#define SYNCDOC_STORE_HISTORY_H

#include "store.h"

#define STORE_HISTORY_ENTRIES_MAX 1000 /* in one call */

struct store_history_query {
	struct span service, id;
	uint64_t above; /* only later revisions than this; 0: all */
	uint64_t below; /* only revisions before this; 0: from the newest on */
	unsigned count; /* entries at most: 1…STORE_HISTORY_ENTRIES_MAX */
	size_t bytes;   /* of fields; but one entry always comes, whatever its size */
	uint64_t after; /* the first entry with this sequence or a lower one is the last that comes;
			   0: none is */
	bool without_data; /* of the envelope only its head is of interest: see store_history */
};

struct store_history_entry {
	uint64_t revision;
	int64_t at_ms; /* its updatedAt */
	uint64_t sequence;
	struct span op; /* create replace merge patch delete restore expire */
	struct span by; /* may be empty */
	struct span request;
	struct span key; /* Idempotency-Key, may be empty */
	bool has_diff; /* else it was too large to be kept, and what was before it cannot be rebuilt
			*/
	struct span reversible;
};

/* Envelope, entries and sequence are of one moment. Spans are valid inside the callback. */
struct store_history {
	struct document document; /* the newest; revision 0: there is none. Without data where that
				     was not asked for */
	struct span envelope;     /* its stored form; len 0 without data */
	uint64_t oldest; /* revision of the oldest entry that is kept at all; 0: there is no history
			  */
	bool is_end;     /* nothing older in the range asked for */
	uint64_t sequence;                         /* the last given to any write */
	const struct store_history_entry *entries; /* newest first */
	size_t count;
};

/* On error history is NULL. */
typedef void (*store_history_fn)(int error, const struct store_history *history, void *arg);
void store_history(struct store *store, const struct store_history_query *query,
		   store_history_fn fn, void *arg);

#endif
