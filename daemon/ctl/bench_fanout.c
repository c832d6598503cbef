/* bench_fanout.c — see bench.h: WebSocket connections that get what the load writes. */
#define _GNU_SOURCE
#include "bench.h"

#include "channel.h"
#include "live.h"

#include <inttypes.h>

#define FINISH_S 5. /* without another event: the rest will not come */
#define OPENING_LOOK 50

struct subscriber {
	struct fanout *fanout;
	struct live live;
	ev_io io;
};

struct fanout {
	struct bench *bench;
	struct subscriber *subscribers; /* owned */
	unsigned open;
	struct bench_result *result; /* borrowed; NULL: nothing is counted */
	uint64_t expected;           /* UINT64_MAX: not known yet */
	ev_timer finish;
};

/* ---- events ---- */

/* Which write an event is of. Its data is ours, so the bytes are known; parsing 1 KB of JSON for
 * each delivery would measure the parser. */
static bool read_sequence(struct span text, uint64_t *ret)
{
	const char *at = memmem(text.at, text.len, BENCH_MARK, strlen(BENCH_MARK));
	if (!at)
		return false;
	at += strlen(BENCH_MARK);
	if (text.at + text.len - at < BENCH_MARK_DIGITS)
		return false;
	uint64_t sequence = 0;
	for (unsigned i = 0; i < BENCH_MARK_DIGITS; i++)
		sequence = sequence * 10 + (uint64_t)(at[i] - '0');
	*ret = sequence;
	return true;
}

static void take_event(struct fanout *fanout, struct span text)
{
	struct bench *bench = fanout->bench;
	uint64_t sequence;
	if (!fanout->result || !read_sequence(text, &sequence))
		return;
	const struct bench_sent *sent = &bench->sent[sequence % BENCH_SENT];
	fanout->result->count++;
	if (sent->sequence == sequence)
		latency_add(&fanout->result->latency, (uint64_t)(bench_now_us() - sent->at_us));
	if (fanout->result->count >= fanout->expected)
		ev_break(bench->loop, EVBREAK_ALL);
}

static void on_subscriber(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct subscriber *subscriber = watcher->data;
	struct fanout *fanout = subscriber->fanout;
	struct span text;
	int there;
	(void)events;
	while ((there = live_poll(&subscriber->live, &text)) > 0)
		take_event(fanout, text);
	if (fanout->expected != UINT64_MAX)
		ev_timer_again(loop, &fanout->finish);
	if (there == 0)
		return;
	ev_io_stop(loop, &subscriber->io);
	live_close(&subscriber->live);
	fanout->open--;
	if (fanout->result)
		fanout->result->errors++;
}

/* ---- opening ---- */

static int await_subscribed(struct subscriber *subscriber)
{
	const struct context *context = subscriber->fanout->bench->context;
	int64_t deadline_ms = clock_monotonic_ms() + context->timeout_ms;
	for (;;) {
		struct span text;
		int error = live_receive(&subscriber->live, deadline_ms, &text);
		if (error) {
			output_complain("subscriber: %s", strerror(-error));
			return EXIT_UNREACHABLE;
		}
		if (memmem(text.at, text.len, "\"type\":\"subscribed\"", 19))
			return 0;
		if (memmem(text.at, text.len, "\"type\":\"error\"", 14)) {
			output_complain("subscriber: %.*s", SPAN_ARGS(text));
			return EXIT_FAILED;
		}
	}
}

static int open_subscriber(struct subscriber *subscriber)
{
	CLEANUP(buffer_fini) struct buffer reason = {0};
	CLEANUP(buffer_fini) struct buffer message = {0};
	const struct bench *bench = subscriber->fanout->bench;
	int status = live_open(bench->context, &subscriber->live, &reason);
	if (status) {
		output_complain("subscriber %u of %u: %.*s", subscriber->fanout->open + 1,
				bench->subscribers, SPAN_ARGS(buffer_span(&reason)));
		return status;
	}
	subscriber->fanout->open++;
	buffer_append_string(&message, "{\"type\":\"subscribe\",\"topic\":");
	CLEANUP(buffer_fini) struct buffer topic = {0};
	buffer_printf(&topic, "sync.%s.updated", bench->service);
	buffer_append_json(&message, buffer_span(&topic));
	buffer_printf(&message, ",\"documentPrefix\":\"%s\",\"returnMode\":\"full\"}",
		      bench->prefix);
	int error = live_send(&subscriber->live, buffer_span(&message),
			      clock_monotonic_ms() + bench->context->timeout_ms);
	if (error) {
		output_complain("subscriber: %s", strerror(-error));
		return EXIT_UNREACHABLE;
	}
	status = await_subscribed(subscriber);
	if (status)
		return status;
	ev_io_init(&subscriber->io, on_subscriber, channel_fd(subscriber->live.channel), EV_READ);
	subscriber->io.data = subscriber;
	ev_io_start(bench->loop, &subscriber->io);
	return 0;
}

static void on_finish(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

int fanout_create(struct bench *bench, struct fanout **ret)
{
	struct fanout *fanout = calloc(1, sizeof(*fanout));
	MUST(fanout);
	fanout->bench = bench;
	fanout->expected = UINT64_MAX;
	fanout->subscribers = calloc(bench->subscribers, sizeof(fanout->subscribers[0]));
	MUST(fanout->subscribers);
	ev_init(&fanout->finish, on_finish);
	fanout->finish.repeat = FINISH_S;
	int status = 0;
	for (unsigned i = 0; i < bench->subscribers && !status && !bench->interrupted; i++) {
		char text[64];
		fanout->subscribers[i].fanout = fanout;
		status = open_subscriber(&fanout->subscribers[i]);
		if (i % OPENING_LOOK)
			continue;
		snprintf(text, sizeof(text), "fan-out: %u of %u subscribers", i + 1,
			 bench->subscribers);
		bench_progress(text);
		ev_run(bench->loop, EVRUN_NOWAIT); /* for Ctrl-C */
	}
	if (status)
		fanout_destroy(fanout);
	else
		*ret = fanout;
	return status;
}

void fanout_destroy(struct fanout *fanout)
{
	if (!fanout)
		return;
	ev_timer_stop(fanout->bench->loop, &fanout->finish);
	for (unsigned i = 0; i < fanout->bench->subscribers; i++) {
		struct subscriber *subscriber = &fanout->subscribers[i];
		if (subscriber->io.data)
			ev_io_stop(fanout->bench->loop, &subscriber->io);
		live_close(&subscriber->live);
	}
	free(fanout->subscribers);
	free(fanout);
}

void fanout_begin(struct fanout *fanout, struct bench_result *ret)
{
	fanout->result = ret;
	fanout->expected = UINT64_MAX;
}

void fanout_finish(struct fanout *fanout, uint64_t writes)
{
	struct bench *bench = fanout->bench;
	fanout->expected = writes * bench->subscribers;
	fanout->result->writes = writes;
	fanout->result->expected = fanout->expected;
	if (fanout->result->count < fanout->expected && fanout->open && !bench->interrupted) {
		ev_timer_again(bench->loop, &fanout->finish);
		ev_run(bench->loop, 0);
	}
	ev_timer_stop(bench->loop, &fanout->finish);
	fanout->result = NULL;
}
