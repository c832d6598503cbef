/* feed_private.h — what feed.c asks of feed_publish.c. Nobody else includes this. */
#ifndef SYNCDOC_FEED_PRIVATE_H
#define SYNCDOC_FEED_PRIVATE_H

#include "feed.h"

/* feed->record, as it stands. */
void feed_publish_record(struct feed *feed, enum event_record_kind kind);
/* One that does not fit becomes a resync. */
void feed_publish_event(struct feed *feed, const struct event_segments *segments);
/* To whoever gets any of the document's events. */
void feed_resync_document(struct feed *feed, struct span service, struct span id,
			  const char *reason);
void feed_resync_all(struct feed *feed, const char *reason);

#endif
