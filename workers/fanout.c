/* fanout.c — passes over the ring, between two of which the loop sleeps. */
#include "fanout_private.h"

#include "log.h"
#include <sys/mman.h>
#include <unistd.h>

/* --- lapped ------------------------------------------------------------------ */

static void log_loss(const struct fanout *fanout, enum ring_answer answer)
{
	static struct log_limit lapped, broken;

	if (answer == RING_BROKEN && log_allow(&broken))
		log_error("ring: a record makes no sense, telling all subscribers to resync");
	else if (answer == RING_LAPPED && log_allow(&lapped))
		log_warning("ring: overtaken by %llu bytes, telling all subscribers to resync",
			    (unsigned long long)fanout->reader.lapped_by);
}

static void announce_loss(struct fanout *fanout, enum ring_answer answer)
{
	fanout_send_batches(fanout);
	stat_add(fanout->worker->slot, answer == RING_BROKEN ? STAT_ring_broken : STAT_ring_lapped,
		 1);
	log_loss(fanout, answer);
	fanout_tell_loss(fanout);
}

/* Half a ring is left before events are lost to resyncs: somebody may still make it larger. */
static void note_lag(struct fanout *fanout)
{
	static struct log_limit limit;
	uint64_t lag = ring_reader_lag(&fanout->reader);
	bool was_behind = fanout->is_behind;

	fanout->is_behind = lag > fanout->reader.size / 2;
	if (!fanout->is_behind || was_behind)
		return;
	stat_add(fanout->worker->slot, STAT_ring_behind, 1);
	if (log_allow(&limit))
		log_warning("ring: %llu bytes behind the writer, in a ring of %zu: once overtaken, "
			    "all subscribers must resync",
			    (unsigned long long)lag, fanout->reader.size);
}

/* --- passes ------------------------------------------------------------------ */

void fanout_note_control(struct fanout *fanout, struct span message)
{
	uint32_t len = (uint32_t)message.len;

	if (!fanout->on_control)
		return;
	buffer_append(&fanout->control, &len, sizeof(len));
	buffer_append_span(&fanout->control, message);
}

static void hand_over_control(struct fanout *fanout)
{
	for (size_t at = 0; at < fanout->control.len;) {
		uint32_t len;

		memcpy(&len, fanout->control.at + at, sizeof(len));
		at += sizeof(len);
		fanout->on_control(span_of(fanout->control.at + at, len), fanout->on_control_arg);
		at += len;
	}
	fanout->control.len = 0;
}

static void fanout_pass(struct fanout *fanout)
{
	size_t bytes = 0;

	note_lag(fanout);
	for (unsigned records = 0; records < FANOUT_PASS_RECORDS && bytes < FANOUT_PASS_BYTES;
	     records++) {
		uint16_t type;

		fanout->record.len = 0;
		enum ring_answer answer = ring_read(&fanout->reader, &fanout->record, &type);
		if (answer == RING_EMPTY)
			break;
		if (answer == RING_RECORD && !fanout_take_record(fanout))
			answer = RING_BROKEN;
		if (answer != RING_RECORD)
			announce_loss(fanout, answer);
		bytes += fanout->record.len;
	}
	fanout_send_batches(fanout);
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
	hand_over_control(fanout);
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

void fanout_set_send_end(struct fanout *fanout, void (*fn)(void *arg))
{
	fanout->send_end = fn;
}

void fanout_set_control_listener(struct fanout *fanout, fanout_control_fn fn, void *arg)
{
	fanout->on_control = fn;
	fanout->on_control_arg = arg;
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
	buffer_fini(&fanout->control);
	free(fanout->touched);
	free(fanout);
}
