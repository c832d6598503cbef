#include "fanout.h"

#include "log.h"
#include "resync.h"
#include "ws_deflate.h"
#include "ws_frame.h"
#include <sys/mman.h>
#include <unistd.h>

/* A frame of the record being looked at, compressed for all audiences that take that. */
struct compressed {
	bool tried;
	struct text *frame; /* owned; NULL: goes plain */
};

struct fanout {
	struct worker *worker;
	struct subscription_index *index; /* borrowed */
	fanout_send_fn send;
	void *send_arg;
	void (*on_mark)(void *arg);
	void *on_mark_arg;
	SLIST_HEAD(, fanout_tap) taps;
	struct subscription_index *apart; /* borrowed; or NULL */
	fanout_apart_fn apart_fn;
	void *apart_arg;

	void *memory; /* the mapped ring */
	size_t memory_len;
	struct ring_reader reader;
	struct buffer record;     /* the record being looked at */
	struct kept_record *kept; /* a copy of it that may stay: made for the first large frame,
				     or when records are kept for slow connections */
	bool keep_records;
	struct buffer position;
	bool mark_came;
	struct compressed compressed[EVENT_BOTH + 1]; /* the record's frames, by mode */

	/* When the pass's events came to this host: one figure per event, however many get it. */
	uint64_t received_ns[FANOUT_PASS_RECORDS];
	size_t received_count;

	struct audience **touched; /* owned; audiences with a batch in this pass */
	size_t touched_count, touched_cap;

	ev_prepare prepare;
	ev_check check;
	ev_idle idle; /* active: the ring is not empty, the loop must not block */
	ev_io wake;
};

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

	for (size_t place = 0; place < audience_member_count(audience); place++)
		fanout->apart_fn(audience_member_at(audience, place), match->record, mode,
				 fanout->apart_arg);
}

static void note_received(struct fanout *fanout, const struct event_record *record)
{
	stat_add(fanout->worker->slot, STAT_events_matched, 1);
	if (record->received_ns && fanout->received_count < FANOUT_PASS_RECORDS)
		fanout->received_ns[fanout->received_count++] = record->received_ns;
}

/* False: it is no record of ours. */
static bool fan_out_record(struct fanout *fanout)
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

static void send_batches(struct fanout *fanout)
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

static void log_loss(const struct fanout *fanout, enum ring_answer answer)
{
	static struct log_limit lapped, broken;

	if (answer == RING_BROKEN && log_allow(&broken))
		log_error("ring: a record makes no sense, telling all subscribers to resync");
	else if (answer == RING_LAPPED && log_allow(&lapped))
		log_warning("ring: overtaken by %llu bytes, telling all subscribers to resync",
			    (unsigned long long)fanout->reader.lapped_by);
}

/* Reads nothing from Redis: the clients resume, each what it needs. */
static void announce_loss(struct fanout *fanout, enum ring_answer answer)
{
	struct event_record everybody = {.kind = EVENT_RECORD_RESYNC};

	send_batches(fanout);
	stat_add(fanout->worker->slot, answer == RING_BROKEN ? STAT_ring_broken : STAT_ring_lapped,
		 1);
	log_loss(fanout, answer);
	subscription_match(fanout->index, &everybody, on_lapped_audience, fanout);
	struct match match = {fanout, NULL};
	struct fanout_tap *tap;
	SLIST_FOREACH(tap, &fanout->taps, link)
	{
		tap->on_pass(tap);
		tap->on_lost(tap);
	}
	if (fanout->apart)
		subscription_match(fanout->apart, &everybody, on_apart, &match);
}

/* --- passes ------------------------------------------------------------------ */

static void fanout_pass(struct fanout *fanout)
{
	size_t bytes = 0;

	for (unsigned records = 0; records < FANOUT_PASS_RECORDS && bytes < FANOUT_PASS_BYTES;
	     records++) {
		uint16_t type;

		fanout->record.len = 0;
		enum ring_answer answer = ring_read(&fanout->reader, &fanout->record, &type);
		if (answer == RING_EMPTY)
			break;
		if (answer == RING_RECORD && !fan_out_record(fanout))
			answer = RING_BROKEN;
		if (answer != RING_RECORD)
			announce_loss(fanout, answer);
		bytes += fanout->record.len;
	}
	send_batches(fanout);
	struct fanout_tap *tap;
	SLIST_FOREACH(tap, &fanout->taps, link)
	tap->on_pass(tap);
	/* relaxed: a figure for /metrics. */
	atomic_store_explicit(&fanout->worker->slot->ring_cursor, fanout->reader.cursor,
			      memory_order_relaxed);
	if (fanout->mark_came && fanout->on_mark) {
		fanout->mark_came = false;
		fanout->on_mark(fanout->on_mark_arg);
	}
}

/* Before the loop blocks: publish "I sleep", then look once more. */
static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct fanout *fanout = CONTAINER_OF(watcher, struct fanout, prepare);

	(void)events;
	if (ring_reader_sleep(&fanout->reader, &fanout->worker->slot->sleep))
		ev_idle_stop(loop, &fanout->idle);
	else
		ev_idle_start(loop, &fanout->idle);
}

static void on_check(struct ev_loop *loop, ev_check *watcher, int events)
{
	struct fanout *fanout = CONTAINER_OF(watcher, struct fanout, check);

	(void)loop;
	(void)events;
	ring_reader_wake(&fanout->worker->slot->sleep);
	fanout_pass(fanout);
}

static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events; /* its being active keeps the loop from blocking */
}

static void on_wake(struct ev_loop *loop, ev_io *watcher, int events)
{
	uint64_t count;

	(void)loop;
	(void)events;
	/* Only to make the descriptor unreadable again; on_check() has read the ring by now. */
	if (read(watcher->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("ring: wake-up descriptor: %s", strerror(errno));
}

/* --- life -------------------------------------------------------------------- */

static int map_ring(struct fanout *fanout)
{
	const struct inherit *inherit = fanout->worker->inherit;

	fanout->memory_len = ring_memory_len(fanout->worker->config->ring_size);
	int error = shm_map(inherit->ring_fd, SHM_PAGE, fanout->memory_len, false, &fanout->memory);
	if (!error)
		error = ring_reader_init(&fanout->reader, fanout->memory, fanout->memory_len);
	if (error)
		log_error("ring: cannot be mapped: %s", strerror(-error));
	return error;
}

static void start_watchers(struct fanout *fanout)
{
	struct ev_loop *loop = fanout->worker->loop;

	ev_prepare_init(&fanout->prepare, on_prepare);
	ev_prepare_start(loop, &fanout->prepare);
	ev_check_init(&fanout->check, on_check);
	ev_check_start(loop, &fanout->check);
	ev_idle_init(&fanout->idle, on_idle);
	ev_set_priority(&fanout->idle, EV_MINPRI);
	ev_io_init(&fanout->wake, on_wake, fanout->worker->inherit->wake_fd, EV_READ);
	ev_io_start(loop, &fanout->wake);
}

struct fanout *fanout_create(struct worker *worker, struct subscription_index *index,
			     fanout_send_fn send, void *arg)
{
	struct fanout *fanout = calloc(1, sizeof(*fanout));

	MUST(fanout);
	fanout->worker = worker;
	fanout->index = index;
	fanout->send = send;
	fanout->send_arg = arg;
	if (map_ring(fanout)) {
		free(fanout);
		return NULL;
	}
	/* relaxed: a figure for /metrics. */
	atomic_store_explicit(&worker->slot->ring_cursor, fanout->reader.cursor,
			      memory_order_relaxed);
	start_watchers(fanout);
	return fanout;
}

void fanout_set_mark_listener(struct fanout *fanout, void (*fn)(void *arg), void *arg)
{
	fanout->on_mark = fn;
	fanout->on_mark_arg = arg;
}

void fanout_keep_records(struct fanout *fanout, bool keep)
{
	fanout->keep_records = keep;
}

void fanout_add_tap(struct fanout *fanout, struct fanout_tap *tap)
{
	SLIST_INSERT_HEAD(&fanout->taps, tap, link);
}

void fanout_set_apart(struct fanout *fanout, struct subscription_index *index, fanout_apart_fn fn,
		      void *arg)
{
	fanout->apart = index;
	fanout->apart_fn = fn;
	fanout->apart_arg = arg;
}

uint64_t fanout_ring_tail(const struct fanout *fanout)
{
	return fanout->reader.cursor + ring_reader_lag(&fanout->reader);
}

struct span fanout_position(const struct fanout *fanout)
{
	return buffer_span(&fanout->position);
}

void fanout_destroy(struct fanout *fanout)
{
	if (!fanout)
		return;
	ev_prepare_stop(fanout->worker->loop, &fanout->prepare);
	ev_check_stop(fanout->worker->loop, &fanout->check);
	ev_idle_stop(fanout->worker->loop, &fanout->idle);
	ev_io_stop(fanout->worker->loop, &fanout->wake);
	munmap(fanout->memory, fanout->memory_len);
	buffer_fini(&fanout->record);
	buffer_fini(&fanout->position);
	free(fanout->touched);
	free(fanout);
}
