/* catchup.h — reads what the host has missed while its subscription was away, and what is missing
 * of single documents, and gives it to the feed (DESIGN.md section 8, "Gap").
 *
 *   gap      gap.lua names the documents written since the last mark (since the oldest remembered
 * one, if another primary answers now: then also what the table knows of that time is compared, for
 * what the new primary has lost) missed   missed.lua gives each of them with its history,
 * CATCHUP_READS_MAX at a time done     the feed goes on with what it has held
 *
 * What fails is begun again; what was put in by then is in the feed's table and does not go in
 * twice. */
#ifndef SYNCDOC_CATCHUP_H
#define SYNCDOC_CATCHUP_H

#include "feed.h"
#include "store.h"

#define CATCHUP_READS_MAX 16
#define CATCHUP_RETRY_MS 250

struct catchup {
	struct ev_loop *loop; /* borrowed */
	struct store *store;  /* borrowed; see catchup_set_store() */
	struct feed *feed;    /* borrowed */
	struct marks *marks;  /* borrowed */
	bool running;
	bool closed;
	uint64_t generation; /* of the gap being read: answers to an older one are dropped */
	bool from_oldest;
	uint64_t from;       /* sequence after which all is looked at */
	struct buffer names; /* of the documents: two lengths and two names each */
	size_t next;         /* offset in `names` of the first that is not read yet */
	size_t documents;
	unsigned reading;
	bool failed; /* a read: begin again when the others are answered */
	int64_t started_ms;
	uint64_t recovered_before; /* the feed's counter at the start */
	ev_timer retry;

	uint64_t gaps;     /* caught up */
	uint64_t given_up; /* too much, or too long ago */
	uint64_t retries;
};

void catchup_open(struct catchup *catchup, struct ev_loop *loop, struct feed *feed,
		  struct marks *marks);
void catchup_close(struct catchup *catchup);
/* NULL: there is none for now. */
void catchup_set_store(struct catchup *catchup, struct store *store);

/* The feed is holding, the subscription is there and the primary known. `from_oldest`: it may have
 * lost writes. */
void catchup_start(struct catchup *catchup, bool from_oldest);
/* The subscription is lost again. */
void catchup_abort(struct catchup *catchup);
/* Too much is held: nothing more is read, everybody fetches anew, the feed goes on. */
void catchup_give_up(struct catchup *catchup, const char *reason);
/* One document has a hole. */
void catchup_read_hole(struct catchup *catchup, struct span service, struct span id);

#endif
