#include "presence_feed.h"

#include "publisher.h"

static void publish_large(struct presence_feed *feed, const struct event_segments *segments)
{
	feed->oversized++;
	feed->record.len = 0;
	event_record_format_resync(&feed->record, segments, "large", feed->publisher->epoch);
	MUST(!publisher_publish(feed->publisher, EVENT_RECORD_RESYNC, buffer_span(&feed->record)));
}

static void on_text(struct span text, void *arg)
{
	struct presence_feed *feed = arg;
	struct event_segments segments;

	MUST(event_parse(text, &feed->scratch, &segments) == 0);
	feed->record.len = 0;
	event_record_format(&feed->record, &segments, marks_position(feed->marks),
			    feed->publisher->epoch);
	feed->events++;
	if (publisher_publish(feed->publisher, EVENT_RECORD_EVENT, buffer_span(&feed->record)))
		publish_large(feed, &segments);
}

void presence_feed_flush(struct presence_feed *feed)
{
	ev_timer_stop(feed->loop, &feed->tick);
	presence_coalescer_flush(&feed->coalescer, on_text, feed);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	presence_feed_flush(timer->data);
}

int presence_feed_add(struct presence_feed *feed, const struct event_segments *segments)
{
	if (presence_coalescer_add(&feed->coalescer, segments))
		return -EBADMSG;
	if (feed->coalescer.full) {
		presence_feed_flush(feed);
	} else if (!ev_is_active(&feed->tick)) {
		ev_timer_set(&feed->tick, PRESENCE_COALESCE_MS / 1000., 0.);
		ev_timer_start(feed->loop, &feed->tick);
	}
	return 0;
}

void presence_feed_open(struct presence_feed *feed, struct ev_loop *loop,
			struct publisher *publisher, struct marks *marks)
{
	*feed = (struct presence_feed){.loop = loop, .publisher = publisher, .marks = marks};
	presence_coalescer_init(&feed->coalescer, publisher->epoch);
	ev_timer_init(&feed->tick, on_tick, 0., 0.);
	feed->tick.data = feed;
}

void presence_feed_close(struct presence_feed *feed)
{
	ev_timer_stop(feed->loop, &feed->tick);
	presence_coalescer_fini(&feed->coalescer);
	json_fini(&feed->scratch);
	buffer_fini(&feed->record);
}
