/* relay.c — see relay.h. */
#define _GNU_SOURCE
#include "relay.h"

#include "clock.h"

#include <bsd/stdlib.h>
#include <hiredis/hiredis.h>

/* To all workers of this host. */
static void publish_control(struct relay *relay, struct span message)
{
	CLEANUP(buffer_fini) struct buffer record = {0};
	event_record_format_control(&record, message);
	MUST(!publisher_publish(relay->feed.publisher, EVENT_RECORD_CONTROL, buffer_span(&record)));
}

static void receive_control(struct relay *relay, struct span message)
{
	static struct log_limit limit, forged;
	if (message.len && message.at[0] == EVENT_CONTROL_LOCAL) {
		relay->control_forged++;
		if (log_allow(&forged))
			log_warning("relay: a message on " KEY_CONTROL " looks like an order of "
				    "this host's own, ignored; does another program use it?");
		return;
	}
	if (message.len <= EVENT_CONTROL_MAX) {
		relay->control_messages++;
		publish_control(relay, message);
		return;
	}
	relay->control_oversized++;
	if (log_allow(&limit))
		log_warning("relay: a message of %zu bytes on " KEY_CONTROL " is too large, "
			    "ignored; does another program use it?",
			    message.len);
}

static void on_subscribed(struct relay *relay, struct span name)
{
	if (span_equals(name, SPAN(KEY_CHANNEL_PATTERN)))
		relay->pattern_confirmed = true;
	else if (span_equals(name, span_string(relay->mark_channel)))
		relay->marks_confirmed = true;
	else if (span_equals(name, SPAN(KEY_CONTROL)))
		relay->control_confirmed = true;
	if (!relay->pattern_confirmed || !relay->marks_confirmed || !relay->control_confirmed ||
	    relay->marks->confirmed)
		return;
	/* Messages may have been missed: what they told of is read again. */
	publish_control(relay, SPAN("{\"type\":\"gap\"}"));
	marks_confirm(relay->marks, clock_monotonic_ms());
	/* As long as no mark has come through, workers let nobody subscribe: there is nothing that
	 * anybody could have missed. Whoever was connected to a supervisor before this one resumes
	 * with what it holds. */
	if (!relay->feed.holding) {
		log_info("relay: subscribed");
		return;
	}
	relay->primary_asked = true;
	relay->on_confirmed(relay->arg);
}

void relay_primary_known(struct relay *relay)
{
	if (!relay->primary_asked)
		return;
	relay->primary_asked = false;
	catchup_start(&relay->catchup, marks_primary_changed(relay->marks));
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
	if (span_equals(kind, SPAN("pmessage"))) {
		relay->feed.received_ns = stat_clock_ns();
		feed_receive_event(&relay->feed, element_text(reply, 2), element_text(reply, 3));
	} else if (span_equals(kind, SPAN("message")) &&
		   span_equals(element_text(reply, 1), SPAN(KEY_CONTROL)))
		receive_control(relay, element_text(reply, 2));
	else if (span_equals(kind, SPAN("message")))
		feed_receive_mark(&relay->feed, element_text(reply, 2), clock_monotonic_ms());
	else if (span_equals(kind, SPAN("psubscribe")) || span_equals(kind, SPAN("subscribe")))
		on_subscribed(relay, element_text(reply, 1));
}

static void on_lost(void *arg)
{
	struct relay *relay = arg;
	relay->pattern_confirmed = relay->marks_confirmed = relay->control_confirmed = false;
	relay->primary_asked = false;
	marks_lose(relay->marks);
	catchup_abort(&relay->catchup);
	if (marks_was_told(relay->marks))
		feed_hold(&relay->feed);
}

/* ---- what the feed asks for ---- */

static void on_hole(struct span service, struct span id, void *arg)
{
	struct relay *relay = arg;
	catchup_read_hole(&relay->catchup, service, id);
}

static int on_presence(const struct event_segments *segments, void *arg)
{
	struct relay *relay = arg;
	return presence_feed_add(&relay->presence, segments);
}

static void on_overflow(void *arg)
{
	struct relay *relay = arg;
	relay->primary_asked = false;
	catchup_give_up(&relay->catchup, "gap");
}

static void on_behind(void *arg)
{
	struct relay *relay = arg;
	log_warning("relay: the sequence has gone back or was raised, looking for lost writes");
	feed_hold(&relay->feed);
	catchup_start(&relay->catchup, true);
}

void relay_open(struct relay *relay, struct ev_loop *loop, const struct config *config,
		const char *url, const char *channel, struct publisher *publisher,
		struct marks *marks, void (*on_confirmed)(void *arg), void *arg)
{
	uint64_t hash_seed;
	arc4random_buf(&hash_seed, sizeof(hash_seed));
	*relay = (struct relay){.marks = marks, .on_confirmed = on_confirmed, .arg = arg};
	snprintf(relay->mark_channel, sizeof(relay->mark_channel), "%s", channel);
	feed_init(&relay->feed, publisher, marks, hash_seed);
	relay->feed.on_hole = on_hole;
	relay->feed.on_presence = on_presence;
	relay->feed.on_overflow = on_overflow;
	relay->feed.on_behind = on_behind;
	relay->feed.arg = relay;
	catchup_open(&relay->catchup, loop, &relay->feed, marks);
	relay->upstream.name = "relay";
	relay->upstream.on_lost = on_lost;
	relay->upstream.arg = relay;
	presence_feed_open(&relay->presence, loop, publisher, marks);
	upstream_open(&relay->upstream, loop, config, url);
	const char *channels[] = {relay->mark_channel, KEY_CONTROL};
	const char *patterns[] = {KEY_CHANNEL_PATTERN};
	redis_subscribe(relay->upstream.redis, channels, ARRAY_LEN(channels), patterns, 1, on_push,
			relay);
}

void relay_close(struct relay *relay)
{
	catchup_close(&relay->catchup);
	upstream_close(&relay->upstream);
	feed_fini(&relay->feed);
	presence_feed_close(&relay->presence);
}

void relay_set_store(struct relay *relay, struct store *store)
{
	catchup_set_store(&relay->catchup, store);
}

void relay_move(struct relay *relay, const char *host, unsigned port)
{
	CLEANUP(buffer_fini) struct buffer message = {0};
	buffer_printf(&message, EVENT_CONTROL_PRIMARY "%u %s", port, host);
	if (message.len <= EVENT_CONTROL_MAX)
		publish_control(relay, buffer_span(&message));
	redis_move(relay->upstream.redis, host, port);
}

void relay_reconnect(struct relay *relay, const char *reason)
{
	/* Not left to the callback alone, which need not come for a loss that we ordered. */
	on_lost(relay);
	redis_reconnect(relay->upstream.redis, reason);
}
