/* presence_coalescer.h — presence events of one document become at most one per 50 ms on this host,
 * however many processes and hosts made them: everybody who arrives at the same moment is one
 * message, and who came and went within it is none. Keeps what has happened since the last flush.
 * Pure; the relay has the timer. */
#ifndef SYNCDOC_PRESENCE_COALESCER_H
#define SYNCDOC_PRESENCE_COALESCER_H

#include "event.h"
#include <bsd/sys/queue.h>

#define PRESENCE_COALESCE_MS 50
#define PRESENCE_ITEMS_MAX 16384          /* of all documents */
#define PRESENCE_DOCUMENT_BYTES_MAX 65536 /* of one document; a single event may be larger */
#define PRESENCE_BUCKETS 4096

struct presence_item;
struct presence_document;

struct presence_coalescer {
	uint64_t seed;
	TAILQ_HEAD(, presence_document) documents;   /* in the order of their first event */
	struct presence_document **document_buckets; /* owned; PRESENCE_BUCKETS */
	struct presence_item **item_buckets; /* owned; PRESENCE_BUCKETS, by document and user */
	size_t items;
	bool full; /* a maximum is reached: flush now */
	struct json scratch;
	uint64_t early_flushes;
};

void presence_coalescer_init(struct presence_coalescer *coalescer, uint64_t seed);
void presence_coalescer_fini(struct presence_coalescer *coalescer);

/* `segments` of a presence event. -EBADMSG: its lists do not hold members; nothing was kept. */
int presence_coalescer_add(struct presence_coalescer *coalescer,
			   const struct event_segments *segments);
/* Gives out the text of one event per document and forgets them. fn must not add. */
typedef void (*presence_coalescer_fn)(struct span text, void *arg);
void presence_coalescer_flush(struct presence_coalescer *coalescer, presence_coalescer_fn fn,
			      void *arg);

static inline bool presence_coalescer_is_empty(const struct presence_coalescer *coalescer)
{
	return TAILQ_EMPTY(&coalescer->documents);
}

#endif
