/* last_revisions.h — the last revision of each document that went into this host's ring: so that
 * nothing goes in twice, and a hole is seen. Bounded: the documents longest without an event are
 * forgotten first, but never those of after the last mark, which a gap would bring again. Pure. */
#ifndef SYNCDOC_LAST_REVISIONS_H
#define SYNCDOC_LAST_REVISIONS_H

#include "base.h"
#include <sys/queue.h>

struct last_revision {
	uint64_t revision;
	int64_t at_ms;           /* its updatedAt: together they name it */
	uint64_t mark;           /* sequence of the last mark when it was put in */
	bool deleted;            /* a tombstone */
	struct span service, id; /* owned: behind this */
	uint64_t hash;
	struct last_revision *next; /* in the bucket */
	TAILQ_ENTRY(last_revision) link;
	char names[];
};

struct last_revisions;

enum last_revisions_judgement {
	LAST_UNKNOWN,     /* no event of it that we remember */
	LAST_NEXT,        /* the one behind the last */
	LAST_REPEATED,    /* went in already */
	LAST_HOLE,        /* there are others between */
	LAST_NEW_LINEAGE, /* a revision as low was made after our last one: the document began anew
			   */
};

struct last_revisions *last_revisions_create(size_t max, uint64_t hash_seed);
void last_revisions_destroy(struct last_revisions *table); /* NULL is fine */
void last_revisions_clear(struct last_revisions *table);
size_t last_revisions_count(const struct last_revisions *table);

/* NULL: not remembered. Valid until the table changes. */
const struct last_revision *last_revisions_find(const struct last_revisions *table,
						struct span service, struct span id);
enum last_revisions_judgement last_revisions_judge(const struct last_revisions *table,
						   struct span service, struct span id,
						   uint64_t revision, int64_t at_ms);
/* Remembers `what` (copied; its names too). `what->mark` never goes back. -ENOSPC: full of
 * documents of after that mark. */
int last_revisions_set(struct last_revisions *table, const struct last_revision *what);
/* A document with an event after a mark of `mark` or higher is not remembered any more, or never
 * was: there was no room, or the table was cleared. */
bool last_revisions_forgot(const struct last_revisions *table, uint64_t mark);
void last_revisions_drop(struct last_revisions *table, struct span service, struct span id);
/* All that were put in after a mark of `mark` or higher. `fn` must not change the table. */
void last_revisions_each(const struct last_revisions *table, uint64_t mark,
			 void (*fn)(const struct last_revision *, void *), void *arg);

#endif
