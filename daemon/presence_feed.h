/* presence_feed.h — presence events on their way into the ring: they wait for their tick and become
 * one event per document (presence_coalescer.h). They carry no revision, so they bypass the order
 * that feed.c keeps. */
#ifndef SYNCDOC_PRESENCE_FEED_H
#define SYNCDOC_PRESENCE_FEED_H

#include "marks.h"
#include "presence_coalescer.h"
#include <ev.h>

struct publisher;

struct presence_feed {
	struct ev_loop *loop;        /* borrowed */
	struct publisher *publisher; /* borrowed */
	struct marks *marks;         /* borrowed */
	struct presence_coalescer coalescer;
	ev_timer tick;
	struct json scratch;
	struct buffer record;
	uint64_t events;    /* published */
	uint64_t oversized; /* published as resync {reason:"large"} */
};

void presence_feed_open(struct presence_feed *feed, struct ev_loop *loop,
			struct publisher *publisher, struct marks *marks);
void presence_feed_close(struct presence_feed *feed);
/* Published within PRESENCE_COALESCE_MS. -EBADMSG: its lists do not hold members; nothing was kept.
 */
int presence_feed_add(struct presence_feed *feed, const struct event_segments *segments);
/* What waits is published now. */
void presence_feed_flush(struct presence_feed *feed);

#endif
