/* catchup.c — see catchup.h. */
#define _GNU_SOURCE
#include "catchup.h"

#include "clock.h"
#include "log.h"

#include <inttypes.h>

_Static_assert(MARKS_LEAP < STORE_GAP_RAISE,
	       "what a host with about our mark has raised is noticed");

static void begin(struct catchup *catchup);

static void schedule_retry(struct catchup *catchup)
{
	catchup->retries++;
	ev_timer_stop(catchup->loop, &catchup->retry);
	ev_timer_set(&catchup->retry, CATCHUP_RETRY_MS / 1000., 0.);
	ev_timer_start(catchup->loop, &catchup->retry);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct catchup *catchup = timer->data;
	if (catchup->running)
		begin(catchup);
}

/* ---- one document ---- */

struct reading {
	struct catchup *catchup;
	uint64_t generation;
	bool is_hole; /* not part of a gap */
	uint64_t from;
	size_t service_len;
	size_t names_len;
	char names[];
};

static struct span service_of(const struct reading *reading)
{
	return span_of(reading->names, reading->service_len);
}

static struct span id_of(const struct reading *reading)
{
	return span_of(reading->names + reading->service_len,
		       reading->names_len - reading->service_len);
}

static void pump(struct catchup *catchup);

/* An error that is about this document, not about Redis. */
static bool is_unreadable(int error)
{
	return error == -EBADMSG || error == -EIO;
}

static void on_gap_document(struct reading *reading, int error, const struct store_missed *stored)
{
	struct catchup *catchup = reading->catchup;
	if (!catchup->running || reading->generation != catchup->generation)
		return;
	catchup->reading--;
	if (!error || is_unreadable(error))
		feed_fill(catchup->feed, service_of(reading), id_of(reading), reading->from,
			  error ? NULL : stored);
	else
		catchup->failed = true;
	pump(catchup);
}

static void on_missed(int error, const struct store_missed *stored, void *arg)
{
	struct reading *reading = arg;
	if (reading->catchup->closed)
		; /* nobody is left to be told */
	else if (reading->is_hole)
		feed_fill_hole(reading->catchup->feed, service_of(reading), id_of(reading),
			       reading->from, error ? NULL : stored);
	else
		on_gap_document(reading, error, stored);
	free(reading);
}

static void read_document(struct catchup *catchup, struct span service, struct span id,
			  bool is_hole)
{
	const struct last_revision *known = last_revisions_find(catchup->feed->last, service, id);
	struct reading *reading = malloc(sizeof(*reading) + service.len + id.len);
	MUST(reading);
	*reading = (struct reading){.catchup = catchup,
				    .generation = catchup->generation,
				    .is_hole = is_hole,
				    .from = is_hole ? catchup->marks->sequence : catchup->from,
				    .service_len = service.len,
				    .names_len = service.len + id.len};
	memcpy(reading->names, service.at, service.len);
	memcpy(reading->names + service.len, id.at, id.len);
	store_missed(catchup->store, service_of(reading), id_of(reading),
		     known ? known->revision : 0, reading->from, on_missed, reading);
}

void catchup_read_hole(struct catchup *catchup, struct span service, struct span id)
{
	/* Without one we are stopping. */
	if (catchup->store)
		read_document(catchup, service, id, true);
}

/* ---- all documents of a gap ---- */

static void add_document(struct catchup *catchup, struct span service, struct span id)
{
	buffer_append_char(&catchup->names, (char)service.len);
	buffer_append_char(&catchup->names, (char)id.len);
	buffer_append_span(&catchup->names, service);
	buffer_append_span(&catchup->names, id);
	catchup->documents++;
}

static void add_known(const struct last_revision *last, void *arg)
{
	add_document(arg, last->service, last->id);
}

static void finish(struct catchup *catchup)
{
	catchup->running = false;
	catchup->gaps++;
	buffer_fini(&catchup->names);
	int64_t now_ms = clock_monotonic_ms();
	log_notice("relay: caught up in %" PRId64 " ms: %zu documents looked at, %" PRIu64
		   " events were missed",
		   now_ms - catchup->started_ms, catchup->documents,
		   catchup->feed->recovered - catchup->recovered_before);
	feed_release(catchup->feed, now_ms);
}

static void pump(struct catchup *catchup)
{
	while (!catchup->failed && catchup->reading < CATCHUP_READS_MAX &&
	       catchup->next < catchup->names.len) {
		const char *at = catchup->names.at + catchup->next;
		size_t service_len = (unsigned char)at[0], id_len = (unsigned char)at[1];
		catchup->next += 2 + service_len + id_len;
		catchup->reading++;
		read_document(catchup, span_of(at + 2, service_len),
			      span_of(at + 2 + service_len, id_len), false);
	}
	if (catchup->reading)
		return;
	if (catchup->failed)
		schedule_retry(catchup);
	else
		finish(catchup);
}

struct gap {
	struct catchup *catchup;
	uint64_t generation;
};

static void take_documents(struct catchup *catchup, const struct store_gap *gap)
{
	for (size_t i = 0; i < gap->count; i++)
		add_document(catchup, gap->documents[i].service, gap->documents[i].id);
	/* What another primary has lost is not in its index. */
	if (catchup->from_oldest || gap->sequence < catchup->marks->sequence)
		last_revisions_each(catchup->feed->last, catchup->from, add_known, catchup);
	pump(catchup);
}

static void on_gap(int error, const struct store_gap *answer, void *arg)
{
	struct gap gap = *(struct gap *)arg;
	struct catchup *catchup = gap.catchup;
	free(arg);
	if (catchup->closed || !catchup->running || gap.generation != catchup->generation)
		return;
	if (error)
		schedule_retry(catchup);
	else if (answer->sequence < catchup->from)
		catchup_give_up(catchup, "rollback");
	else if (answer->is_too_many || catchup->feed->untracked)
		catchup_give_up(catchup, "gap");
	else if (catchup->from_oldest && last_revisions_forgot(catchup->feed->last, catchup->from))
		catchup_give_up(catchup, "rollback"); /* whether it is one cannot be told */
	else
		take_documents(catchup, answer);
}

/* From the start: whatever an earlier attempt still gets is dropped. */
static void begin(struct catchup *catchup)
{
	catchup->generation++;
	catchup->reading = 0;
	catchup->failed = false;
	catchup->names.len = catchup->next = catchup->documents = 0;
	catchup->from =
		catchup->from_oldest ? marks_oldest(catchup->marks) : catchup->marks->sequence;
	if (!catchup->store) {
		schedule_retry(catchup);
		return;
	}
	struct gap *gap = malloc(sizeof(*gap));
	MUST(gap);
	*gap = (struct gap){catchup, catchup->generation};
	store_gap(catchup->store, catchup->from, catchup->marks->sequence, on_gap, gap);
}

void catchup_start(struct catchup *catchup, bool from_oldest)
{
	catchup_abort(catchup);
	catchup->running = true;
	catchup->from_oldest = from_oldest;
	catchup->started_ms = clock_monotonic_ms();
	catchup->recovered_before = catchup->feed->recovered;
	begin(catchup);
}

void catchup_abort(struct catchup *catchup)
{
	catchup->running = false;
	catchup->generation++;
	catchup->reading = 0;
	ev_timer_stop(catchup->loop, &catchup->retry);
	buffer_fini(&catchup->names);
}

void catchup_give_up(struct catchup *catchup, const char *reason)
{
	catchup_abort(catchup);
	catchup->given_up++;
	feed_give_up(catchup->feed, reason);
	feed_release(catchup->feed, clock_monotonic_ms());
}

void catchup_open(struct catchup *catchup, struct ev_loop *loop, struct feed *feed,
		  struct marks *marks)
{
	*catchup = (struct catchup){.loop = loop, .feed = feed, .marks = marks};
	ev_timer_init(&catchup->retry, on_retry, 0., 0.);
	catchup->retry.data = catchup;
}

void catchup_close(struct catchup *catchup)
{
	catchup_abort(catchup);
	catchup->closed = true;
}

void catchup_set_store(struct catchup *catchup, struct store *store)
{
	catchup->store = store;
}
