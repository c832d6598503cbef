/* streams.c — the set of a worker's streams: what the fan-out has for them, pings, drain. */
#include "long_poll.h"
#include "principal.h"
#include "replay.h"
#include "sse.h"
#include "streams_private.h"

#define DRAIN_STEP_S 0.05

/* What one audience gets in this pass. */
struct pass_text {
	struct buffer text;
	size_t events;
};

/* --- the feed ---------------------------------------------------------------- */

bool streams_are_fed(const struct streams *streams)
{
	/* acquire: pairs with the supervisor's release store. */
	return atomic_load_explicit(&streams->worker->shared->subscription_active,
				    memory_order_acquire);
}

struct span streams_position(const struct streams *streams)
{
	return fanout_position(streams->worker->fanout);
}

static struct pass_text *text_of(struct streams *streams, struct audience *audience)
{
	void **slot = audience_slot(audience);

	if (*slot)
		return *slot;
	if (streams->touched_count == streams->touched_cap) {
		streams->touched_cap = streams->touched_cap ? streams->touched_cap * 2 : 16;
		streams->touched = reallocarray(streams->touched, streams->touched_cap,
						sizeof(*streams->touched));
		MUST(streams->touched);
	}
	streams->touched[streams->touched_count++] = audience;
	*slot = calloc(1, sizeof(struct pass_text));
	MUST(*slot);
	return *slot;
}

struct match {
	struct streams *streams;
	const struct event_record *record;
};

static void on_match(struct audience *audience, enum event_mode mode, void *arg)
{
	const struct match *match = arg;
	struct streams *streams = match->streams;
	struct pass_text *pass = text_of(streams, audience);
	struct iovec parts[4];
	unsigned count = event_record_frame(match->record, mode, parts);

	sse_strip_frame_header(parts);
	sse_append_event(&pass->text, streams_position(streams), parts, count);
	pass->events++;
	if (match->record->kind == EVENT_RECORD_RESYNC)
		stat_add(streams->worker->slot, STAT_resyncs_sent, audience_member_count(audience));
}

static void on_record(struct fanout_tap *tap, const struct event_record *record)
{
	struct streams *streams = CONTAINER_OF(tap, struct streams, tap);
	struct match match = {streams, record};

	if (streams->count)
		subscription_match(streams->index, record, on_match, &match);
}

static void on_lost(struct fanout_tap *tap)
{
	struct streams *streams = CONTAINER_OF(tap, struct streams, tap);
	struct stream *stream;

	TAILQ_FOREACH(stream, &streams->all, list)
	if (!stream->ended && !stream->replays) /* those have been told */
		stream_send_resync(stream, "lapped");
}

static void send_pass(struct streams *streams, struct audience *audience)
{
	struct pass_text *pass = *audience_slot(audience);
	struct text *text = text_create(buffer_span(&pass->text));
	size_t members = audience_member_count(audience), taken = 0;

	*audience_slot(audience) = NULL;
	for (size_t place = 0; place < members; place++) {
		struct audience_member *member = audience_member_at(audience, place);

		taken += stream_send(CONTAINER_OF(member, struct stream, member), text);
	}
	stat_add(streams->worker->slot, STAT_stream_events, taken * pass->events);
	text_put(text);
	buffer_fini(&pass->text);
	free(pass);
}

/* What was written while the host had no subscription never reaches us, so who came then reads
 * again now. */
static void settle(struct streams *streams)
{
	struct stream *stream;

	if (!streams->some_unsettled || !streams_are_fed(streams) || !streams_position(streams).len)
		return;
	streams->some_unsettled = false;
	TAILQ_FOREACH(stream, &streams->all, list)
	{
		if (stream->unsure && !stream->ended)
			stream_send_resync(stream, "gap");
		else if (!stream->placed && !stream->ended)
			stream_send_position(stream);
		stream->unsure = false;
		stream->placed = true;
	}
}

static void on_pass(struct fanout_tap *tap)
{
	struct streams *streams = CONTAINER_OF(tap, struct streams, tap);

	for (size_t i = 0; i < streams->touched_count; i++)
		send_pass(streams, streams->touched[i]);
	streams->touched_count = 0;
	settle(streams);
}

/* --- time -------------------------------------------------------------------- */

/* `place`: a ping that says where we are; `ping`: one that does not. */
static void look_after(struct stream *stream, int64_t now_ms, struct text *place, struct text *ping)
{
	const struct config *config = stream->streams->worker->config;

	if (stream->cut)
		return;
	if (!stream->ended && worker_now_ms() >= stream->principal->ends_at_ms)
		stream_end_for_token(stream);
	if (stream->queue_bytes && now_ms - stream->moved_at_ms >= config->ws_stall_timeout_ms) {
		stream_cut_slow(stream, "ws.stall_timeout is over");
	} else if (now_ms >= stream->ping_at_ms) {
		stream->ping_at_ms = now_ms + config->ws_ping_interval_ms;
		if (!stream->queue_bytes)
			stream_send(stream, stream->resumes ? ping : place);
	}
}

static struct text *ping_text(struct span position)
{
	CLEANUP(buffer_fini) struct buffer comment = {0};

	sse_append_comment(&comment, position, "ping");
	return text_create(buffer_span(&comment));
}

static void on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct streams *streams = CONTAINER_OF(timer, struct streams, second);
	struct stream *stream;

	(void)loop;
	(void)events;
	if (!streams->count)
		return;
	struct text *place = ping_text(streams_position(streams)), *ping = ping_text(SPAN_NONE);
	TAILQ_FOREACH(stream, &streams->all, list)
	look_after(stream, worker_monotonic_ms(), place, ping);
	text_put(place);
	text_put(ping);
}

static void on_drain_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct streams *streams = CONTAINER_OF(timer, struct streams, drain_timer);
	uint64_t passed_ms = (uint64_t)(worker_monotonic_ms() - streams->drain_since_ms);
	uint64_t due = passed_ms * streams->worker->config->drain_rate / 1000 + 1;
	struct stream *stream;

	(void)loop;
	(void)events;
	TAILQ_FOREACH(stream, &streams->all, list)
	{
		if (streams->drain_ended >= due)
			return;
		if (stream->ended)
			continue;
		streams->drain_ended++;
		stream_end_for_drain(stream);
	}
}

void streams_drain(struct streams *streams)
{
	streams->drain_since_ms = worker_monotonic_ms();
	ev_timer_again(streams->worker->loop, &streams->drain_timer);
}

/* --- life -------------------------------------------------------------------- */

size_t streams_count(const struct streams *streams)
{
	return streams->count;
}

bool streams_have_room(struct worker *worker, struct outcome *ret_refusal)
{
	unsigned most = worker->config->limits_streams;

	if (!most || streams_count(worker->streams) + long_polls_count(worker->long_polls) < most)
		return true;
	stat_add(worker->slot, STAT_streams_refused, 1);
	*ret_refusal = outcome_refusal(503, "too_many_streams", "limits.streams is reached");
	ret_refusal->retry_after_s = 1;
	return false;
}

struct streams *streams_create(struct worker *worker)
{
	struct streams *streams = calloc(1, sizeof(*streams));

	MUST(streams);
	streams->worker = worker;
	streams->index = subscription_index_create(worker->hash_seed);
	TAILQ_INIT(&streams->all);
	streams->tap =
		(struct fanout_tap){.on_record = on_record, .on_lost = on_lost, .on_pass = on_pass};
	fanout_add_tap(worker->fanout, &streams->tap);
	ev_timer_init(&streams->second, on_second, 1., 1.);
	ev_timer_start(worker->loop, &streams->second);
	ev_timer_init(&streams->drain_timer, on_drain_timer, 0., DRAIN_STEP_S);
	return streams;
}

void streams_cut(struct streams *streams)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &streams->all, list)
	{
		stream_cut(stream);
		replay_stream_forget(stream);
	}
}

void streams_destroy(struct streams *streams)
{
	if (!streams)
		return;
	MUST(!streams->count);
	ev_timer_stop(streams->worker->loop, &streams->second);
	ev_timer_stop(streams->worker->loop, &streams->drain_timer);
	subscription_index_destroy(streams->index);
	free(streams->touched);
	free(streams);
}
