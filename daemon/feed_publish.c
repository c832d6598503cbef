/* feed_publish.c — what goes into the ring: events, and notices in place of what is lost. */
#include "feed_private.h"

#include "log.h"

#include <inttypes.h>

void feed_publish_record(struct feed *feed, enum event_record_kind kind)
{
	int error = publisher_publish(feed->publisher, kind, buffer_span(&feed->record));
	MUST(!error);
}

static void publish_resync(struct feed *feed, const struct event_segments *segments,
			   const char *reason)
{
	feed->record.len = 0;
	event_record_format_resync(&feed->record, segments, reason, feed->publisher->epoch);
	feed_publish_record(feed, EVENT_RECORD_RESYNC);
}

void feed_resync_document(struct feed *feed, struct span service, struct span id,
			  const char *reason)
{
	static struct log_limit limit;
	const struct event_segments segments = {.name = TOPIC_ANY, .service = service, .id = id};
	feed->resyncs++;
	feed->resyncs_rollback += strcmp(reason, "rollback") == 0;
	if (log_allow(&limit))
		log_warning("relay: what was missed of %.*s/%.*s cannot be given back (%s), "
			    "clients are told to fetch it",
			    SPAN_ARGS(service), SPAN_ARGS(id), reason);
	publish_resync(feed, &segments, reason);
}

void feed_resync_all(struct feed *feed, const char *reason)
{
	feed->resyncs_all++;
	feed->resyncs_all_rollback += strcmp(reason, "rollback") == 0;
	log_warning("relay: what was missed cannot be given back (%s), all subscribers are told to "
		    "fetch anew",
		    reason);
	feed->record.len = 0;
	event_record_format_resync_all(&feed->record, reason);
	feed_publish_record(feed, EVENT_RECORD_RESYNC);
}

static void publish_large(struct feed *feed, const struct event_segments *segments)
{
	static struct log_limit limit;
	feed->oversized++;
	if (log_allow(&limit))
		log_warning(
			"relay: revision %" PRIu64
			" of %.*s/%.*s does not fit into the ring, clients are told to fetch it",
			segments->revision, SPAN_ARGS(segments->service), SPAN_ARGS(segments->id));
	publish_resync(feed, segments, "large");
}

void feed_publish_event(struct feed *feed, const struct event_segments *segments)
{
	feed->record.len = 0;
	event_record_format(&feed->record, segments, marks_position(feed->marks),
			    feed->publisher->epoch);
	int error =
		publisher_publish(feed->publisher, EVENT_RECORD_EVENT, buffer_span(&feed->record));
	if (error == -EMSGSIZE)
		publish_large(feed, segments);
	else
		MUST(!error);
}
