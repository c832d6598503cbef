/* expiry.h — expiry as a write (DESIGN.md section 8): looks for documents whose expiresAt has come
 * and makes each a tombstone. Every supervisor does so; that each expires once is the doing of
 * write.lua, which compares the base.
 *
 * A round reads at most STORE_DUE_MAX documents, writes their tombstones, and waits for all
 * answers; while more is due the next round follows at once, else it sleeps until the next one is
 * due, at most EXPIRY_SLEEP_MS. */
#ifndef SYNCDOC_EXPIRY_H
#define SYNCDOC_EXPIRY_H

#include "store.h"

#define EXPIRY_SLEEP_MS 500

struct expiry {
	struct ev_loop *loop; /* borrowed */
	struct store *store;  /* borrowed; must not be destroyed before expiry_stop() */
	ev_timer timer;
	bool stopped;
	bool is_asking; /* a round is under way */
	size_t writing; /* tombstones without an answer */
	size_t skip;    /* due entries that failed in this sweep: the next round passes them over */
	bool is_end;    /* of the round's answer */
	int64_t next_ms;
	bool failed; /* Redis does not take writes now: the sweep ends */

	uint64_t expired; /* tombstones made by us */
	uint64_t late;    /* of them, more than a second after their time */
	uint64_t failures;
};

void expiry_start(struct expiry *expiry, struct ev_loop *loop, struct store *store);
/* No more rounds; answers that still come are dropped. */
void expiry_stop(struct expiry *expiry);

/* The sooner of two times; `next_ms` 0: nothing is planned. Pure. */
int64_t expiry_sooner_ms(int64_t next_ms, int64_t other_ms);
/* How long to sleep, at most EXPIRY_SLEEP_MS: so it does not matter for long when the wall clock is
 * set while we sleep. Pure. `next_ms` 0: nothing is planned. */
int64_t expiry_sleep_ms(int64_t next_ms, int64_t now_ms);

#endif
