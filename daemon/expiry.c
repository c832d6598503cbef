/* expiry.c — see expiry.h. */
#include "expiry.h"

#include "clock.h"
#include "diff.h"
#include "expire.h"
#include "log.h"

#include <bsd/stdlib.h>

#define LATE_MS 1000
#define REQUEST_ID_LEN 16

static void schedule(struct expiry *expiry, int64_t in_ms)
{
	ev_timer_stop(expiry->loop, &expiry->timer);
	if (expiry->stopped)
		return;
	/* libev counts from the start of this turn of the loop. Had the turn taken long, the timer
	 * would fire early by as much, and the round find nothing due yet. */
	ev_now_update(expiry->loop);
	ev_timer_set(&expiry->timer, (double)in_ms / 1000, 0.);
	ev_timer_start(expiry->loop, &expiry->timer);
}

int64_t expiry_sooner_ms(int64_t next_ms, int64_t other_ms)
{
	return next_ms && next_ms < other_ms ? next_ms : other_ms;
}

int64_t expiry_sleep_ms(int64_t next_ms, int64_t now_ms)
{
	if (!next_ms || next_ms - now_ms > EXPIRY_SLEEP_MS)
		return EXPIRY_SLEEP_MS;
	return next_ms > now_ms ? next_ms - now_ms : 0;
}

static void end_round(struct expiry *expiry)
{
	expiry->is_asking = false;
	if (expiry->failed || expiry->is_end)
		expiry->skip = 0;
	if (expiry->failed)
		schedule(expiry, EXPIRY_SLEEP_MS);
	else if (expiry->is_end)
		schedule(expiry, expiry_sleep_ms(expiry->next_ms, clock_real_ms()));
	else
		schedule(expiry, 0);
}

static void on_written(int error, const struct store_write_result *result, void *arg)
{
	static struct log_limit limit;
	struct expiry *expiry = arg;
	expiry->writing--;
	if (error) {
		expiry->failures++;
		expiry->skip++;
		/* -EIO is about this one document; anything else about Redis. */
		expiry->failed |= error != -EIO;
		if (error != -ECANCELED && log_allow(&limit))
			log_warning("expiry: a document could not be expired: %s; trying on",
				    strerror(-error));
	} else if (result->answer == STORE_WRITTEN) {
		expiry->expired++;
	}
	/* A mismatch: another host, or a writer, was there first. */
	if (!expiry->writing)
		end_round(expiry);
}

static void name_request(char ret[REQUEST_ID_LEN + 1])
{
	uint64_t random;
	arc4random_buf(&random, sizeof(random));
	snprintf(ret, REQUEST_ID_LEN + 1, "%016llx", (unsigned long long)random);
}

static void write_tombstone(struct expiry *expiry, const struct document *base, int64_t now_ms)
{
	CLEANUP(buffer_fini) struct buffer event = {0};
	char request[REQUEST_ID_LEN + 1];
	struct document tombstone = expire_document(base, now_ms);
	expire_format_event(&event, &tombstone);
	name_request(request);
	const struct store_revision revision = {
		.op = SPAN(EXPIRE_OPERATION),
		.at_ms = tombstone.updated_at_ms,
		.request = span_string(request),
		.reversible = SPAN(DIFF_EMPTY_REVERSIBLE),
		.event = buffer_span(&event),
	};
	const struct store_batch batch = {
		.service = base->service,
		.id = base->id,
		.base_revision = base->revision,
		.base_updated_at_ms = base->updated_at_ms,
		.base_expires_at_ms = base->expires_at_ms,
		.final = tombstone,
		.revisions = &revision,
		.count = 1,
	};
	expiry->writing++;
	expiry->late += now_ms - base->expires_at_ms > LATE_MS;
	store_write(expiry->store, &batch, on_written, expiry);
}

static void on_due(int error, const struct store_due *due, void *arg)
{
	struct expiry *expiry = arg;
	int64_t now_ms = clock_real_ms();
	expiry->failed = error != 0;
	if (error || expiry->stopped) {
		end_round(expiry);
		return;
	}
	expiry->is_end = due->is_end;
	expiry->next_ms = due->next_ms;
	expiry->skip += due->bad;
	expiry->failures += due->bad;
	for (size_t i = 0; i < due->count; i++) {
		const struct document *document = &due->documents[i];
		if (document_is_expired(document, now_ms))
			write_tombstone(expiry, document, now_ms);
		else /* the clock has been set back since the question */
			expiry->next_ms =
				expiry_sooner_ms(expiry->next_ms, document->expires_at_ms);
	}
	if (!expiry->writing)
		end_round(expiry);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct expiry *expiry = timer->data;
	if (expiry->is_asking)
		return;
	expiry->is_asking = true;
	store_due(expiry->store, clock_real_ms(), expiry->skip, on_due, expiry);
}

void expiry_start(struct expiry *expiry, struct ev_loop *loop, struct store *store)
{
	*expiry = (struct expiry){.loop = loop, .store = store};
	ev_timer_init(&expiry->timer, on_timer, 0., 0.);
	expiry->timer.data = expiry;
	schedule(expiry, 0);
}

void expiry_stop(struct expiry *expiry)
{
	expiry->stopped = true;
	ev_timer_stop(expiry->loop, &expiry->timer);
}
