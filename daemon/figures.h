/* figures.h — the supervisor's own figures for /metrics: gathered from its parts a few times a
 * second and put into its page (common/supervisor_page.h), which workers read. */
#ifndef SYNCDOC_FIGURES_H
#define SYNCDOC_FIGURES_H

#include "children.h"
#include "control.h"
#include "embedded_redis.h"
#include "expiry.h"
#include "mark_timer.h"
#include "presence_reaper.h"
#include "purge.h"
#include "relay.h"
#include "sentinel_watch.h"

#define FIGURES_INTERVAL_MS 250

/* Where they come from; all borrowed. */
struct figures_source {
	struct publisher *publisher;
	const struct children *children;
	const struct embedded_redis *embedded; /* NULL: Redis is somebody else's */
	const struct upstream *commands;
	struct sentinel_watch *const *sentinels; /* *sentinels NULL: there are none */
	const struct relay *relay;
	const struct mark_timer *mark_timer;
	const struct presence_reaper *presence_reaper;
	const struct expiry *expiry;
	const struct purge *purge;
	const struct control *control;
	struct store *const *store; /* *store NULL: there is none for now */
	uint64_t reloads, reloads_refused;
};

struct figures {
	struct figures_source source;
	uint64_t counted[SUPERVISOR_STAT_COUNT]; /* as last seen; see figures.c */
	unsigned ticks;
	struct ev_loop *loop;
	ev_timer timer;
};

void figures_start(struct figures *figures, struct ev_loop *loop,
		   const struct figures_source *source);
void figures_stop(struct figures *figures);
/* Now. To be called before parts that count are made anew, or what they counted since is lost. */
void figures_tell(struct figures *figures);

#endif
