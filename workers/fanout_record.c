/* fanout_record.c — one record of the ring: matched, put into its audiences' batches, sent. */
#include "fanout_private.h"

#include "resync.h"
#include "ws_deflate.h"
#include "ws_frame.h"

/* --- building batches -------------------------------------------------------- */

static struct batch *audience_batch(struct fanout *fanout, struct audience *audience)
{
	void **slot = audience_slot(audience);

	if (*slot)
		return *slot;
	if (fanout->touched_count == fanout->touched_cap) {
		fanout->touched_cap = fanout->touched_cap ? fanout->touched_cap * 2 : 64;
		fanout->touched = reallocarray(fanout->touched, fanout->touched_cap,
					       sizeof(*fanout->touched));
		MUST(fanout->touched);
	}
	fanout->touched[fanout->touched_count++] = audience;
	*slot = batch_create();
	return *slot;
}

static struct kept_record *kept_need(struct fanout *fanout)
{
	if (!fanout->kept)
		fanout->kept = kept_record_create(buffer_span(&fanout->record));
	return fanout->kept;
}

/* Frames too large to be copied once per audience are copied once per record. */
static void move_to_arena(struct fanout *fanout, struct iovec *parts, unsigned part_count)
{
	struct text *arena = kept_need(fanout)->text;

	for (unsigned i = 0; i < part_count; i++)
		parts[i].iov_base = arena->at + ((char *)parts[i].iov_base - fanout->record.at);
}

/* Once per record and mode, when the first audience wants it. NULL: the frame goes plain. */
static struct text *compressed_frame(struct fanout *fanout, enum event_mode mode,
				     const struct iovec *parts, unsigned count, size_t len)
{
	struct compressed *compressed = &fanout->compressed[mode];
	struct slot *slot = fanout->worker->slot;
	struct span frame;

	if (compressed->tried)
		return compressed->frame;
	compressed->tried = true;
	if (!ws_deflate_frame(fanout->worker->deflate, parts, count, &frame))
		return NULL;
	compressed->frame = text_create(frame);
	stat_add(slot, STAT_events_compressed, 1);
	stat_add(slot, STAT_compressed_from_bytes, len);
	stat_add(slot, STAT_compressed_to_bytes, frame.len);
	return compressed->frame;
}

static void forget_compressed(struct fanout *fanout)
{
	for (size_t mode = 0; mode < ARRAY_LEN(fanout->compressed); mode++) {
		text_put(fanout->compressed[mode].frame);
		fanout->compressed[mode] = (struct compressed){0};
	}
}

struct match {
	struct fanout *fanout;
	const struct event_record *record;
};

static void on_match(struct audience *audience, enum event_mode mode, void *arg)
{
	const struct match *match = arg;
	struct fanout *fanout = match->fanout;
	struct iovec parts[4];
	unsigned count = event_record_frame(match->record, mode, parts);
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += parts[i].iov_len;
	struct text *compressed = audience_kind(audience) == AUDIENCE_DEFLATE
					  ? compressed_frame(fanout, mode, parts, count, len)
					  : NULL;
	struct batch *batch = audience_batch(fanout, audience);
	if (compressed) {
		parts[0] = (struct iovec){compressed->at, compressed->len};
		batch_append(batch, parts, 1, compressed);
	} else {
		if (len > BATCH_COPY_MAX)
			move_to_arena(fanout, parts, count);
		batch_append(batch, parts, count, fanout->kept ? fanout->kept->text : NULL);
	}
	if (fanout->keep_records)
		batch_note(batch, kept_need(fanout), mode);
	if (match->record->kind == EVENT_RECORD_RESYNC)
		stat_add(fanout->worker->slot, STAT_resyncs_sent, audience_member_count(audience));
}

/* `record` NULL: overtaken. */
static void on_apart(struct audience *audience, enum event_mode mode, void *arg)
{
	const struct match *match = arg;
	struct fanout *fanout = match->fanout;

	for (size_t place = 0; place < audience_member_count(audience); place++) {
		struct kept_record *kept =
			match->record && fanout->keep_records ? kept_need(fanout) : NULL;

		fanout->apart_fn(audience_member_at(audience, place), match->record, mode, kept,
				 fanout->apart_arg);
	}
}

static void note_received(struct fanout *fanout, const struct event_record *record)
{
	stat_add(fanout->worker->slot, STAT_events_matched, 1);
	if (record->received_ns && fanout->received_count < FANOUT_PASS_RECORDS)
		fanout->received_ns[fanout->received_count++] = record->received_ns;
}

bool fanout_take_record(struct fanout *fanout)
{
	struct event_record record;
	struct match match = {fanout, &record};
	struct slot *slot = fanout->worker->slot;

	if (event_record_parse(buffer_span(&fanout->record), &record))
		return false;
	stat_add(slot, STAT_ring_records, 1);
	if (record.kind == EVENT_RECORD_MARK) {
		fanout->position.len = 0;
		buffer_append_span(&fanout->position, record.full);
		fanout->mark_came = true;
		return true;
	}
	if (record.kind == EVENT_RECORD_CONTROL) {
		fanout_note_control(fanout, record.full);
		return true;
	}
	size_t matched = subscription_match(fanout->index, &record, on_match, &match);
	if (fanout->apart)
		matched += subscription_match(fanout->apart, &record, on_apart, &match);
	if (matched)
		note_received(fanout, &record);
	struct fanout_tap *tap;
	SLIST_FOREACH(tap, &fanout->taps, link)
	tap->on_record(tap, &record);
	kept_record_put(fanout->kept);
	fanout->kept = NULL;
	forget_compressed(fanout);
	return true;
}

/* --- sending ----------------------------------------------------------------- */

/* All sockets that take something have the pass's events. */
static void observe_delivery(struct fanout *fanout)
{
	struct histogram *histogram = &fanout->worker->slot->histograms[HISTOGRAM_delivery_seconds];

	if (!fanout->received_count)
		return;
	uint64_t now_ns = stat_clock_ns();
	for (size_t i = 0; i < fanout->received_count; i++)
		if (fanout->received_ns[i] <= now_ns)
			histogram_observe(histogram, now_ns - fanout->received_ns[i]);
	fanout->received_count = 0;
}

void fanout_send_batches(struct fanout *fanout)
{
	for (size_t i = 0; i < fanout->touched_count; i++) {
		struct audience *audience = fanout->touched[i];
		struct batch *batch = *audience_slot(audience);
		size_t members = audience_member_count(audience), taken = 0;

		*audience_slot(audience) = NULL;
		for (size_t place = 0; place < members; place++)
			taken += fanout->send(audience_member_at(audience, place), batch,
					      fanout->send_arg);
		stat_add(fanout->worker->slot, STAT_deliveries_total, taken * batch_events(batch));
		batch_forget_noted(batch); /* queues may keep the batch for long */
		batch_put(batch);
	}
	fanout->touched_count = 0;
	if (fanout->send_end)
		fanout->send_end(fanout->send_arg);
	observe_delivery(fanout);
}

/* --- lapped ------------------------------------------------------------------ */

static void append_resync(const struct subscription_spec *spec, void *arg)
{
	struct batch *batch = arg;
	struct buffer frame = {0};

	resync_append_subscription(&frame, spec, "lapped");
	struct iovec part = {frame.at, frame.len};
	batch_append(batch, &part, 1, NULL);
	buffer_fini(&frame);
}

static void on_lapped_audience(struct audience *audience, enum event_mode mode, void *arg)
{
	struct fanout *fanout = arg;

	(void)mode;
	audience_each_subscription(audience, append_resync, audience_batch(fanout, audience));
	stat_add(fanout->worker->slot, STAT_resyncs_sent,
		 audience_member_count(audience) * audience_subscription_count(audience));
}

/* Reads nothing from Redis: the clients resume, each what it needs. */
void fanout_tell_loss(struct fanout *fanout)
{
	struct event_record everybody = {.kind = EVENT_RECORD_RESYNC};
	struct match match = {fanout, NULL};
	struct fanout_tap *tap;

	subscription_match(fanout->index, &everybody, on_lapped_audience, fanout);
	SLIST_FOREACH(tap, &fanout->taps, link)
	{
		tap->on_pass(tap);
		tap->on_lost(tap);
	}
	if (fanout->apart)
		subscription_match(fanout->apart, &everybody, on_apart, &match);
	fanout_note_control(fanout, SPAN_NONE);
}
