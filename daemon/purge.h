/* purge.h — removes tombstones after documents.tombstone_ttl, a few at a time. Every supervisor
 * does so; the script sees to it that what has been made alive again stays. */
#ifndef SYNCDOC_PURGE_H
#define SYNCDOC_PURGE_H

#include "store.h"

#define PURGE_SLEEP_MAX_MS 60000
#define PURGE_SLEEP_MIN_MS 500
#define PURGE_PAUSE_MS 20 /* between two scripts of one sweep: others want to be served too */

struct purge {
	struct ev_loop *loop; /* borrowed */
	struct store *store;  /* borrowed; must not be destroyed before purge_stop() */
	int64_t sleep_ms;
	uint64_t passed; /* services, in this sweep */
	bool stopped;
	ev_timer timer;
	uint64_t purged;
};

void purge_start(struct purge *purge, struct ev_loop *loop, struct store *store,
		 int64_t tombstone_ttl_ms);
void purge_stop(struct purge *purge);

/* Between two sweeps: a tenth of what a tombstone lives, within limits. Pure. */
int64_t purge_sleep_ms(int64_t tombstone_ttl_ms);

#endif
