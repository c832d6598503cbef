/* relay.c — see relay.h. */
#define _GNU_SOURCE
#include "relay.h"

#include "clock.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

#define TOPIC_SHOWN_MAX 220 /* of a channel's name in the log */

static void log_malformed(struct relay *relay, struct span channel)
{
	static struct log_limit limit;
	if (!log_allow(&limit))
		return;
	int shown = (int)(channel.len < TOPIC_SHOWN_MAX ? channel.len : TOPIC_SHOWN_MAX);
	log_warning("relay: message on %.*s is no event as this version knows it, dropped (%" PRIu64
		    " so far)",
		    shown, channel.at, relay->malformed);
}

static void publish_large(struct relay *relay, const struct event_segments *segments)
{
	static struct log_limit limit;
	relay->oversized++;
	if (log_allow(&limit))
		log_warning(
			"relay: revision %" PRIu64
			" of %.*s/%.*s does not fit into the ring, clients are told to fetch it",
			segments->revision, SPAN_ARGS(segments->service), SPAN_ARGS(segments->id));
	relay->record.len = 0;
	event_record_format_resync(&relay->record, segments, "large", relay->publisher->epoch);
	int error = publisher_publish(relay->publisher, EVENT_RECORD_RESYNC,
				      buffer_span(&relay->record));
	MUST(!error);
}

static void publish_event(struct relay *relay, const struct event_segments *segments)
{
	relay->record.len = 0;
	event_record_format(&relay->record, segments, marks_position(relay->marks),
			    relay->publisher->epoch);
	int error = publisher_publish(relay->publisher, EVENT_RECORD_EVENT,
				      buffer_span(&relay->record));
	relay->events++;
	if (error == -EMSGSIZE)
		publish_large(relay, segments);
	else
		MUST(!error);
}

/* ---- presence ---- */

static void on_presence_text(struct span text, void *arg)
{
	struct relay *relay = arg;
	struct event_segments segments;
	MUST(event_parse(text, &relay->scratch, &segments) == 0);
	publish_event(relay, &segments);
}

void relay_flush_presence(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->presence_timer);
	presence_coalescer_flush(&relay->presence, on_presence_text, relay);
}

static void on_presence_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	relay_flush_presence(timer->data);
}

static int receive_presence(struct relay *relay, const struct event_segments *segments)
{
	if (presence_coalescer_add(&relay->presence, segments))
		return -EBADMSG;
	if (relay->presence.full) {
		relay_flush_presence(relay);
	} else if (!ev_is_active(&relay->presence_timer)) {
		ev_timer_set(&relay->presence_timer, PRESENCE_COALESCE_MS / 1000., 0.);
		ev_timer_start(relay->loop, &relay->presence_timer);
	}
	return 0;
}

void relay_open_presence(struct relay *relay, struct ev_loop *loop)
{
	relay->loop = loop;
	presence_coalescer_init(&relay->presence, relay->publisher->epoch);
	ev_timer_init(&relay->presence_timer, on_presence_timer, 0., 0.);
	relay->presence_timer.data = relay;
}

void relay_close_presence(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->presence_timer);
	presence_coalescer_fini(&relay->presence);
}

/* ---- what comes on the channels ---- */

void relay_receive(struct relay *relay, struct span channel, struct span text)
{
	struct event_segments segments;
	int error = event_parse(text, &relay->scratch, &segments);
	if (!error && segments.name == TOPIC_PRESENCE)
		error = receive_presence(relay, &segments);
	else if (!error)
		publish_event(relay, &segments);
	if (error) {
		relay->malformed++;
		log_malformed(relay, channel);
	}
}

/* Everybody fetches anew: from here on nothing is missed, so what they fetch and what follows is
 * complete. */
static void publish_gap(struct relay *relay)
{
	relay->gaps++;
	log_warning("relay: events may have been missed while redis was away, all subscribers are "
		    "told to fetch anew");
	relay->record.len = 0;
	event_record_format_resync_all(&relay->record, "gap");
	int error = publisher_publish(relay->publisher, EVENT_RECORD_RESYNC,
				      buffer_span(&relay->record));
	MUST(!error);
}

static void on_subscribed(struct relay *relay, struct span name)
{
	if (span_equals(name, SPAN(KEY_CHANNEL_PATTERN)))
		relay->pattern_confirmed = true;
	else if (span_equals(name, span_string(relay->mark_channel)))
		relay->marks_confirmed = true;
	if (!relay->pattern_confirmed || !relay->marks_confirmed || relay->marks->confirmed)
		return;
	/* Before the first time there was no subscriber on this host: workers let nobody subscribe
	 * until a mark has come through. Whoever was connected to a supervisor before this one
	 * resumes with what it holds. */
	if (relay->was_confirmed)
		publish_gap(relay);
	else
		log_info("relay: subscribed");
	relay->was_confirmed = true;
	marks_confirm(relay->marks, clock_monotonic_ms());
}

static struct span element_text(const redisReply *reply, size_t index)
{
	if (index >= reply->elements || reply->element[index]->type != REDIS_REPLY_STRING)
		return SPAN_NONE;
	return span_of(reply->element[index]->str, (size_t)reply->element[index]->len);
}

static void on_push(const redisReply *reply, void *arg)
{
	struct relay *relay = arg;
	if (reply->type == REDIS_REPLY_ERROR) {
		log_error("relay: redis refuses the subscription: %s", reply->str);
		return;
	}
	struct span kind = element_text(reply, 0);
	if (span_equals(kind, SPAN("pmessage")))
		relay_receive(relay, element_text(reply, 2), element_text(reply, 3));
	else if (span_equals(kind, SPAN("message")))
		marks_receive(relay->marks, element_text(reply, 2), clock_monotonic_ms());
	else if (span_equals(kind, SPAN("psubscribe")) || span_equals(kind, SPAN("subscribe")))
		on_subscribed(relay, element_text(reply, 1));
}

static void on_lost(void *arg)
{
	struct relay *relay = arg;
	relay->pattern_confirmed = relay->marks_confirmed = false;
	marks_lose(relay->marks);
}

void relay_open(struct relay *relay, struct ev_loop *loop, const struct config *config,
		const char *url, const char *channel, struct publisher *publisher,
		struct marks *marks)
{
	*relay = (struct relay){.publisher = publisher, .marks = marks};
	snprintf(relay->mark_channel, sizeof(relay->mark_channel), "%s", channel);
	relay->upstream.name = "relay";
	relay->upstream.on_lost = on_lost;
	relay->upstream.arg = relay;
	relay_open_presence(relay, loop);
	upstream_open(&relay->upstream, loop, config, url);
	const char *channels[] = {relay->mark_channel}, *patterns[] = {KEY_CHANNEL_PATTERN};
	redis_subscribe(relay->upstream.redis, channels, 1, patterns, 1, on_push, relay);
}

void relay_close(struct relay *relay)
{
	upstream_close(&relay->upstream);
	relay_close_presence(relay);
	json_fini(&relay->scratch);
	buffer_fini(&relay->record);
}

void relay_reconnect(struct relay *relay)
{
	/* Not left to the callback alone, which need not come for a loss that we ordered. */
	on_lost(relay);
	redis_reconnect(relay->upstream.redis, "no mark came through though redis answers");
}
