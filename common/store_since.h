/* store_since.h — which documents have been written since a position. */
#ifndef SYNCDOC_STORE_SINCE_H
#define SYNCDOC_STORE_SINCE_H

#include "store.h"

#define STORE_SINCE_MAX 10000 /* documents looked at */
#define STORE_SINCE_SERVICES_MAX 32

struct store_since_query {
	const struct span *services; /* each once; borrowed until store_since() returns */
	size_t service_count;        /* at most STORE_SINCE_SERVICES_MAX; 0: all services */
	struct span prefix;          /* of the id; may be empty */
	struct span id;              /* the only document looked at; empty: all */
	uint64_t after;              /* a sequence */
};

struct store_since_document {
	struct span service, id;
	uint64_t sequence; /* of its last write */
};

/* All of one moment. Spans are valid inside the callback. */
struct store_since {
	uint64_t sequence; /* the last given to any write; below `after`: the primary has lost
			      writes */
	uint64_t purged;  /* highest sequence of a tombstone that was purged: whoever knows less has
			     missed it for good */
	bool is_too_many; /* more than STORE_SINCE_MAX; no documents come then */
	const struct store_since_document *documents; /* by their last write, the oldest first */
	size_t count;
};

/* On error changed is NULL. */
typedef void (*store_since_fn)(int error, const struct store_since *changed, void *arg);
void store_since(struct store *store, const struct store_since_query *query, store_since_fn fn,
		 void *arg);

#endif
