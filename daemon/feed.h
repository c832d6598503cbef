/* feed.h — the order in which events go into the ring (DESIGN.md section 8, "Gap"): each revision
 * of a document once, one after the other, or a resync in its place. Knows no Redis: what was
 * missed is read by others (catchup.h) and given to it.
 *
 * Live, what arrives goes into the ring at once; only a document with a hole waits until its
 * history is there. Holding, the subscription was away and what was missed is being read: all that
 * arrives waits, marks too. */
#ifndef SYNCDOC_FEED_H
#define SYNCDOC_FEED_H

#include "held.h"
#include "last_revisions.h"
#include "marks.h"
#include "missed.h"

#define FEED_DOCUMENTS_MAX 65536 /* in the last-revision table */
#define FEED_HOLES_MAX 256       /* documents that wait at one time */

struct hole;

struct feed {
	struct publisher *publisher; /* borrowed */
	struct marks *marks;         /* borrowed */
	/* A hole was seen: somebody has to read the document and call feed_fill_hole(). */
	void (*on_hole)(struct span service, struct span id, void *arg);
	/* A presence event, which has no revision and so no place in the order. -EBADMSG:
	 * malformed. */
	int (*on_presence)(const struct event_segments *segments, void *arg);
	void (*on_overflow)(void *arg); /* too much is held: the gap must be given up */
	/* A mark below the last one, or raised far above it: the primary has lost writes. */
	void (*on_behind)(void *arg);
	void *arg;

	struct last_revisions *last; /* owned */
	bool untracked; /* since the last mark an event went in that the table had no room for */
	bool holding;
	int64_t released_ms; /* when it last ended to hold */
	size_t held_max;     /* bytes, of `held` and all holes */
	struct held held;    /* while holding */
	TAILQ_HEAD(, hole) holes;
	size_t hole_count, hole_bytes;

	/* When what is being received came; 0: not known, it waited for something else. Set by the
	 * relay before feed_receive_event(). */
	uint64_t received_ns;

	struct json scratch;
	struct buffer record;
	uint64_t events;               /* put into the ring as they arrived */
	uint64_t recovered;            /* put into the ring from the history */
	uint64_t repeated;             /* dropped: they were in the ring already */
	uint64_t malformed;            /* dropped: not in the form of an event */
	uint64_t oversized;            /* published as resync {reason:"large"} */
	uint64_t resyncs;              /* of one document: gap, rollback */
	uint64_t resyncs_rollback;     /* of `resyncs` */
	uint64_t resyncs_all;          /* gap or rollback, to everybody */
	uint64_t resyncs_all_rollback; /* of `resyncs_all` */
	uint64_t holes_seen;
	uint64_t table_full; /* events of documents that the table had no room for */
};

/* The callbacks may be set after. */
void feed_init(struct feed *feed, struct publisher *publisher, struct marks *marks,
	       uint64_t hash_seed);
void feed_fini(struct feed *feed);

/* What comes through the subscription. */
void feed_receive_event(struct feed *feed, struct span channel, struct span text);
void feed_receive_mark(struct feed *feed, struct span text, int64_t now_ms);

/* From here on all waits; what waited before is dropped: it will be in the history. */
void feed_hold(struct feed *feed);
/* Only while holding: what was missed of one document, from its history. `stored` NULL: it cannot
 * be read. */
void feed_fill(struct feed *feed, struct span service, struct span id, uint64_t from,
	       const struct store_missed *stored);
/* The same of a document with a hole. Afterwards what waits for this document goes on. */
void feed_fill_hole(struct feed *feed, struct span service, struct span id, uint64_t from,
		    const struct store_missed *stored);
/* What was missed cannot be given back: everybody is told to fetch. */
void feed_give_up(struct feed *feed, const char *reason);
/* All is there: what was held follows. */
void feed_release(struct feed *feed, int64_t now_ms);

#endif
