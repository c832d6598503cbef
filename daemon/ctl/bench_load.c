/* bench_load.c — see bench.h: HTTP connections, each with one request at a time.
 *
 * With a rate, requests are due at fixed times, and their latency counts from then, not from when
 * there was a free connection: a server that stalls does not look better for having been asked less
 * (coordinated omission). */
#define _GNU_SOURCE
#include "bench.h"

#include "channel.h"
#include "client.h"

#include <inttypes.h>
#include <strings.h>

#define ERROR_MAX 512
#define PROGRESS_S 0.2
#define PACE_S 0.001
#define STRAGGLER_MS 5000 /* for the last answers of a part */
#define REOPEN_MAX 1000   /* connections made again in one part; more: the server has a problem */

struct load_connection {
	struct load *load;
	struct channel *channel; /* owned; NULL: to be opened */
	ev_io io;
	struct buffer request; /* owned: built for the part */
	size_t digits_at;      /* where the sequence stands in it; 0: nowhere */
	size_t sent;           /* bytes of the request */
	struct http_reply reply;
	bool busy;
	int64_t begun_us;
	unsigned index;
};

struct load {
	struct bench *bench;
	struct load_connection *connections; /* owned */
	enum bench_kind kind;
	int64_t rate;
	int64_t begun_us, end_us;
	uint64_t started, finished;
	uint64_t limit; /* of started requests */
	unsigned next;  /* where the search for a free connection begins */
	unsigned reopened;
	int status; /* exit code that ended the part */
	struct bench_result *result;
	ev_timer progress, pace, end;
};

/* ---- a connection ---- */

static void stop_part(struct load *load, int status)
{
	if (status && !load->status)
		load->status = status;
	ev_break(load->bench->loop, EVBREAK_ALL);
}

static void connection_close(struct load_connection *connection)
{
	if (!connection->channel)
		return;
	ev_io_stop(connection->load->bench->loop, &connection->io);
	channel_close(connection->channel);
	connection->channel = NULL;
}

static int connection_open(struct load_connection *connection)
{
	const struct context *context = connection->load->bench->context;
	char reason[ERROR_MAX];
	if (channel_open(&context->url, context->ca_file,
			 clock_monotonic_ms() + context->timeout_ms, &connection->channel, reason,
			 sizeof(reason))) {
		output_complain("cannot reach %s: %s", context->url_text, reason);
		return EXIT_UNREACHABLE;
	}
	return 0;
}

static void connection_watch(struct load_connection *connection, int events)
{
	struct ev_loop *loop = connection->load->bench->loop;
	if (ev_is_active(&connection->io) && connection->io.events == (events | EV__IOFDSET))
		return;
	ev_io_stop(loop, &connection->io);
	ev_io_set(&connection->io, channel_fd(connection->channel), events);
	ev_io_start(loop, &connection->io);
}

static void go_on(struct load *load);

static bool is_over(const struct load *load)
{
	return load->started >= load->limit || load->bench->interrupted ||
	       (load->end_us && bench_now_us() >= load->end_us);
}

/* The request has its answer, or will never have one. */
static void connection_done(struct load_connection *connection, bool failed)
{
	struct load *load = connection->load;
	struct bench_result *result = load->result;
	connection->busy = false;
	load->finished++;
	if (failed) {
		result->errors++;
	} else {
		result->count++;
		latency_add(&result->latency, (uint64_t)(bench_now_us() - connection->begun_us));
	}
	if (load->finished == load->started && is_over(load))
		stop_part(load, 0);
}

static void connection_lost(struct load_connection *connection)
{
	struct load *load = connection->load;
	connection_close(connection);
	if (connection->busy)
		connection_done(connection, true);
	if (++load->reopened > REOPEN_MAX + load->bench->connections) {
		output_complain("the server ends connections again and again");
		stop_part(load, EXIT_UNREACHABLE);
	}
}

static bool connection_write(struct load_connection *connection)
{
	while (connection->sent < connection->request.len) {
		ssize_t sent =
			channel_send(connection->channel, connection->request.at + connection->sent,
				     connection->request.len - connection->sent);
		if (sent == -EAGAIN) {
			connection_watch(connection, EV_READ | EV_WRITE);
			return true;
		}
		if (sent < 0) {
			connection_lost(connection);
			return false;
		}
		connection->sent += (size_t)sent;
	}
	connection_watch(connection, EV_READ);
	return true;
}

static void take_reply(struct load_connection *connection)
{
	struct load *load = connection->load;
	struct http_reply *reply = &connection->reply;
	struct span kept = http_reply_header(reply, "Connection");
	bool failed = reply->status >= 400;
	if (failed && load->kind == BENCH_PREPARE && !load->status)
		stop_part(load, client_refused(load->bench->context, reply));
	if (kept.len == 5 && strncasecmp(kept.at, "close", 5) == 0)
		connection_close(connection);
	http_reply_reset(reply);
	connection_done(connection, failed);
}

static void connection_read(struct load_connection *connection)
{
	char bytes[16384];
	while (connection->channel) {
		ssize_t got = channel_receive(connection->channel, bytes, sizeof(bytes));
		if (got == -EAGAIN)
			return;
		size_t len = got > 0 ? (size_t)got : 0;
		if (got <= 0 || !connection->busy ||
		    http_reply_feed(&connection->reply, bytes, &len)) {
			connection_lost(connection);
			return;
		}
		if (connection->reply.state == HTTP_REPLY_DONE)
			take_reply(connection);
	}
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct load_connection *connection = watcher->data;
	(void)loop;
	if ((events & EV_WRITE) && !connection_write(connection))
		return;
	if (events & EV_READ)
		connection_read(connection);
	go_on(connection->load);
}

static void connection_begin(struct load_connection *connection, int64_t due_us)
{
	struct load *load = connection->load;
	if (!connection->channel && connection_open(connection)) {
		stop_part(load, EXIT_UNREACHABLE);
		return;
	}
	connection->busy = true;
	connection->begun_us = due_us;
	connection->sent = 0;
	http_reply_reset(&connection->reply);
	load->started++;
	if (connection->digits_at)
		bench_stamp(load->bench, connection->request.at + connection->digits_at, due_us);
	connection_write(connection);
}

/* ---- a part ---- */

static struct load_connection *find_free(struct load *load)
{
	unsigned count = load->bench->connections;
	for (unsigned i = 0; i < count; i++) {
		struct load_connection *connection = &load->connections[(load->next + i) % count];
		if (!connection->busy) {
			load->next = (unsigned)(connection - load->connections + 1) % count;
			return connection;
		}
	}
	return NULL;
}

/* When the next request is due; INT64_MAX: not before another is answered. */
static int64_t next_due_us(const struct load *load, int64_t now_us)
{
	if (load->rate < 0)
		return now_us;
	return load->begun_us + (int64_t)((double)load->started * 1e6 / (double)load->rate);
}

/* Sends what is due on what is free. */
static void go_on(struct load *load)
{
	while (!load->status && !is_over(load)) {
		int64_t now_us = bench_now_us(), due_us = next_due_us(load, now_us);
		struct load_connection *connection = due_us <= now_us ? find_free(load) : NULL;
		if (!connection)
			return;
		connection_begin(connection, due_us);
	}
	if (load->finished == load->started)
		stop_part(load, 0);
}

static void on_pace(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	go_on(timer->data);
}

static void on_end(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	stop_part(timer->data, 0);
}

static void on_progress(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct load *load = timer->data;
	double seconds = (double)(bench_now_us() - load->begun_us) / 1e6;
	char text[128];
	(void)loop;
	(void)events;
	snprintf(text, sizeof(text), "%s: %.1f s, %" PRIu64 " requests, %.0f/s, %" PRIu64 " errors",
		 load->result->name, seconds, load->result->count,
		 (double)load->result->count / seconds, load->result->errors);
	bench_progress(text);
	go_on(load); /* also when a part ends while nothing is under way */
}

static void start_timer(struct load *load, ev_timer *timer,
			void (*fn)(struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(timer, fn, seconds, seconds);
	timer->data = load;
	ev_timer_start(load->bench->loop, timer);
}

/* What was never answered; its connection would give the answer to a later request. */
static void give_up_stragglers(struct load *load)
{
	for (unsigned i = 0; i < load->bench->connections; i++) {
		struct load_connection *connection = &load->connections[i];
		if (!connection->busy)
			continue;
		connection_close(connection);
		connection->busy = false;
		load->finished++;
		load->result->errors += !load->bench->interrupted;
	}
}

int load_run(struct load *load, enum bench_kind kind, int64_t rate, struct bench_result *ret)
{
	struct bench *bench = load->bench;
	bool once = kind == BENCH_PREPARE || kind == BENCH_DELETE;
	bool interrupted = bench->interrupted;
	int64_t part_ms = once ? bench->context->timeout_ms : bench->part_ms;
	if (kind == BENCH_DELETE)
		bench->interrupted = false; /* cleaned up is always */
	load->kind = kind;
	load->rate = rate;
	load->result = ret;
	load->status = 0;
	load->started = load->finished = 0;
	load->reopened = 0;
	load->limit = once ? bench->connections : UINT64_MAX;
	for (unsigned i = 0; i < bench->connections; i++)
		bench_build_request(bench, kind, i, &load->connections[i].request,
				    &load->connections[i].digits_at);
	load->begun_us = bench_now_us();
	load->end_us = once ? 0 : load->begun_us + part_ms * 1000;
	start_timer(load, &load->progress, on_progress, PROGRESS_S);
	start_timer(load, &load->end, on_end, (double)(part_ms + STRAGGLER_MS) / 1000.);
	if (rate > 0)
		start_timer(load, &load->pace, on_pace, PACE_S);
	go_on(load);
	/* ev_break() before ev_run() has no effect. */
	bench->loading = true;
	if (!load->status && load->finished < load->started + !is_over(load))
		ev_run(bench->loop, 0);
	bench->loading = false;
	ev_timer_stop(bench->loop, &load->progress);
	ev_timer_stop(bench->loop, &load->end);
	ev_timer_stop(bench->loop, &load->pace);
	ret->seconds = (double)(bench_now_us() - load->begun_us) / 1e6;
	give_up_stragglers(load);
	bench->interrupted = bench->interrupted || interrupted;
	return load->status;
}

/* ---- create and destroy ---- */

int load_create(struct bench *bench, struct load **ret)
{
	struct load *load = calloc(1, sizeof(*load));
	MUST(load);
	load->bench = bench;
	load->connections = calloc(bench->connections, sizeof(load->connections[0]));
	MUST(load->connections);
	int error = 0;
	for (unsigned i = 0; i < bench->connections; i++) {
		struct load_connection *connection = &load->connections[i];
		connection->load = load;
		connection->index = i;
		ev_init(&connection->io, on_connection);
		connection->io.data = connection;
		if (!error)
			error = connection_open(connection);
	}
	if (error)
		load_destroy(load);
	else
		*ret = load;
	return error;
}

void load_destroy(struct load *load)
{
	if (!load)
		return;
	for (unsigned i = 0; i < load->bench->connections; i++) {
		connection_close(&load->connections[i]);
		buffer_fini(&load->connections[i].request);
		http_reply_fini(&load->connections[i].reply);
	}
	free(load->connections);
	free(load);
}
