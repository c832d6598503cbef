#include "stream.h"

#include "fanout.h"
#include "log.h"
#include "long_poll.h"
#include "sse.h"

#include <microhttpd.h>
#include <sys/socket.h>

#define RETRY_MS 1000
#define DRAIN_RETRY_MS 2000 /* clients come back within this, each at its own random moment */
#define DRAIN_STEP_S 0.05
#define BLOCK_LEN 1024 /* MHD's buffer where chunks are not possible (HTTP/1.0) */

/* Text that waits for the socket of one stream, shared by all who wait for it. */
struct queued {
	STAILQ_ENTRY(queued) link;
	struct text *text; /* one reference */
};

struct stream {
	struct audience_member member; /* first: the index hands it back */
	struct streams *streams;
	struct MHD_Connection *connection; /* borrowed: lives longer than the response */
	int fd;                            /* borrowed: MHD's */
	ev_io gone;                        /* on fd: the client's end of the connection is closed */
	TAILQ_ENTRY(stream) list;
	STAILQ_HEAD(, queued) queue;
	size_t queue_bytes, taken; /* taken: bytes of the first one that MHD has */
	int64_t moved_at_ms;       /* when MHD last took something, or the queue began */
	int64_t ping_at_ms;
	bool suspended;
	bool ended;  /* the rest of the queue, then the end */
	bool cut;    /* not even that */
	bool unsure; /* opened while the host had no subscription: has to be told to read again */
};

/* What one audience gets in this pass. */
struct pass_text {
	struct buffer text;
	size_t events;
};

struct streams {
	struct worker *worker;
	struct subscription_index *index;
	struct fanout_tap tap;
	TAILQ_HEAD(, stream) all;
	size_t count;
	bool some_unsure;
	struct audience **touched; /* owned; audiences with text in this pass */
	size_t touched_count, touched_cap;
	ev_timer second; /* pings, stalls */
	ev_timer drain_timer;
	int64_t drain_since_ms;
	uint64_t drain_ended;
};

/* --- one stream -------------------------------------------------------------- */

static void resume(struct stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
	http_run_soon(stream->streams->worker->http);
}

static void drop_first(struct stream *stream)
{
	struct queued *first = STAILQ_FIRST(&stream->queue);

	STAILQ_REMOVE_HEAD(&stream->queue, link);
	stream->taken = 0;
	text_put(first->text);
	free(first);
}

static void drop_queue(struct stream *stream)
{
	while (!STAILQ_EMPTY(&stream->queue))
		drop_first(stream);
	stream->queue_bytes = 0;
}

/* The client gets what waits, and then the end. */
static void stream_end(struct stream *stream)
{
	stream->ended = true;
	ev_io_stop(stream->streams->worker->loop, &stream->gone);
	resume(stream);
}

/* MHD closes the connection when it finds the socket shut. Frees nothing yet. */
static void stream_cut(struct stream *stream)
{
	if (stream->cut)
		return;
	stream->cut = true;
	drop_queue(stream);
	shutdown(stream->fd, SHUT_RDWR);
	stream_end(stream);
}

static void cut_slow(struct stream *stream, const char *why)
{
	static struct log_limit limit;

	stat_add(stream->streams->worker->slot, STAT_streams_cut_slow, 1);
	if (log_allow(&limit))
		log_info("stream: %s with %zu bytes waiting, cutting it", why, stream->queue_bytes);
	stream_cut(stream);
}

/* False: it takes no more. */
static bool stream_send(struct stream *stream, struct text *text)
{
	const struct worker *worker = stream->streams->worker;

	if (stream->ended)
		return false;
	/* One text may always wait, whatever its size. */
	if (stream->queue_bytes && stream->queue_bytes + text->len > worker->config->ws_queue) {
		cut_slow(stream, "ws.queue is exceeded");
		return false;
	}
	struct queued *queued = calloc(1, sizeof(*queued));
	MUST(queued);
	queued->text = text_get(text);
	if (!stream->queue_bytes)
		stream->moved_at_ms = worker_monotonic_ms();
	STAILQ_INSERT_TAIL(&stream->queue, queued, link);
	stream->queue_bytes += text->len;
	resume(stream);
	return true;
}

static void send_buffer(struct stream *stream, const struct buffer *bytes)
{
	struct text *text = text_create(buffer_span(bytes));

	stream_send(stream, text);
	text_put(text);
}

/* MHD_ContentReaderCallback: MHD has room for more. */
static ssize_t on_room(void *arg, uint64_t position, char *to, size_t room)
{
	struct stream *stream = arg;
	size_t len = 0;

	(void)position;
	while (len < room && !STAILQ_EMPTY(&stream->queue)) {
		const struct text *text = STAILQ_FIRST(&stream->queue)->text;
		size_t part = text->len - stream->taken;

		part = part < room - len ? part : room - len;
		memcpy(to + len, text->at + stream->taken, part);
		len += part;
		stream->taken += part;
		if (stream->taken == text->len)
			drop_first(stream);
	}
	stream->queue_bytes -= len;
	stream->moved_at_ms = worker_monotonic_ms();
	if (len)
		return (ssize_t)len;
	/* Also for one that is cut: its socket takes no last chunk, so the client sees no good end.
	 * After END_WITH_ERROR MHD 0.9.75 keeps the connection until something happens to it. */
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	stream->suspended = true;
	MHD_suspend_connection(stream->connection);
	return 0;
}

/* MHD hides that the client of a suspended connection is gone (FACTS.md), so we look. A client that
 * only closes its own half is taken for gone, too, as proxies do. */
static void on_gone(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct stream *stream = CONTAINER_OF(watcher, struct stream, gone);
	char byte;
	ssize_t got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	(void)events;
	if (got > 0)
		ev_io_stop(loop, watcher); /* a next request: MHD's; the ping finds the end */
	else if (!got || (errno != EAGAIN && errno != EINTR))
		stream_cut(stream);
}

/* MHD_ContentReaderFreeCallback. Never in a pass of the fan-out, so the index may change. */
static void on_free(void *arg)
{
	struct stream *stream = arg;
	struct streams *streams = stream->streams;

	subscription_leave(streams->index, &stream->member);
	ev_io_stop(streams->worker->loop, &stream->gone);
	TAILQ_REMOVE(&streams->all, stream, list);
	stat_set(streams->worker->slot, STAT_streams, --streams->count);
	drop_queue(stream);
	free(stream);
}

/* --- opening ----------------------------------------------------------------- */

static bool host_is_subscribed(const struct streams *streams)
{
	/* acquire: pairs with the supervisor's release store; a mark that was drained says the
	 * rest. */
	return atomic_load_explicit(&streams->worker->shared->subscription_active,
				    memory_order_acquire) &&
	       fanout_position(streams->worker->fanout).len;
}

struct resync {
	struct streams *streams;
	struct buffer text;
	const char *reason;
};

static void append_resync(const struct subscription_spec *spec, void *arg)
{
	struct resync *resync = arg;
	CLEANUP(buffer_fini) struct buffer json = {0};

	fanout_format_resync(&json, spec, resync->reason);
	sse_append_text(&resync->text, fanout_position(resync->streams->worker->fanout),
			buffer_span(&json));
	stat_add(resync->streams->worker->slot, STAT_resyncs_sent, 1);
}

/* One for each subscription: the client reads again what it shows of it. */
static void send_resync(struct stream *stream, const char *reason)
{
	struct resync resync = {.streams = stream->streams, .reason = reason};

	audience_each_subscription(stream->member.audience, append_resync, &resync);
	send_buffer(stream, &resync.text);
	buffer_fini(&resync.text);
}

/* A client comes back that has had everything up to `last_event_id`. What it missed is not replayed
 * yet, and it is told so: it reads again, and has lost nothing then. */
static void stream_resume(struct stream *stream, const char *last_event_id)
{
	(void)last_event_id;
	send_resync(stream, "resume");
}

static struct stream *stream_create(struct streams *streams, struct MHD_Connection *connection)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	MUST(stream && info);
	stream->streams = streams;
	stream->connection = connection;
	stream->fd = info->connect_fd;
	stream->ping_at_ms = worker_monotonic_ms() + streams->worker->config->ws_ping_interval_ms;
	STAILQ_INIT(&stream->queue);
	TAILQ_INSERT_TAIL(&streams->all, stream, list);
	stat_set(streams->worker->slot, STAT_streams, ++streams->count);
	stat_add(streams->worker->slot, STAT_streams_total, 1);
	ev_io_init(&stream->gone, on_gone, stream->fd, EV_READ);
	ev_io_start(streams->worker->loop, &stream->gone);
	return stream;
}

static void start_feed(struct stream *stream, const char *last_event_id)
{
	struct streams *streams = stream->streams;
	struct buffer text = {0};

	sse_append_retry(&text, RETRY_MS);
	send_buffer(stream, &text);
	buffer_fini(&text);
	if (!host_is_subscribed(streams))
		stream->unsure = streams->some_unsure = true;
	if (last_event_id && *last_event_id)
		stream_resume(stream, last_event_id);
}

static void end_for_drain(struct stream *stream)
{
	struct buffer text = {0};

	sse_append_retry(&text, (unsigned)(drand48() * DRAIN_RETRY_MS));
	send_buffer(stream, &text);
	buffer_fini(&text);
	stream_end(stream);
}

void stream_open(struct request *request, const struct subscription_spec *specs,
		 unsigned spec_count, const char *last_event_id)
{
	struct streams *streams = request_worker(request)->streams;
	struct stream *stream = stream_create(streams, request_connection(request));

	for (unsigned i = 0; i < spec_count; i++)
		MUST(!subscription_add(streams->index, &stream->member, &specs[i], spec_count));
	/* A browser gives up for good on anything but 200, so in a drain it gets a stream, too,
	 * with an end. */
	if (streams->worker->draining)
		end_for_drain(stream);
	else
		start_feed(stream, last_event_id);
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_LEN, on_room, stream, on_free);
	MUST(response);
	request_answer_stream(request, response);
}

/* --- the feed ---------------------------------------------------------------- */

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
	sse_append_event(&pass->text, fanout_position(streams->worker->fanout), parts, count);
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
	if (!stream->ended)
		send_resync(stream, "lapped");
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
static void settle_unsure(struct streams *streams)
{
	struct stream *stream;

	if (!streams->some_unsure || !host_is_subscribed(streams))
		return;
	streams->some_unsure = false;
	TAILQ_FOREACH(stream, &streams->all, list)
	{
		if (!stream->unsure)
			continue;
		stream->unsure = false;
		if (!stream->ended)
			send_resync(stream, "gap");
	}
}

static void on_pass(struct fanout_tap *tap)
{
	struct streams *streams = CONTAINER_OF(tap, struct streams, tap);

	for (size_t i = 0; i < streams->touched_count; i++)
		send_pass(streams, streams->touched[i]);
	streams->touched_count = 0;
	settle_unsure(streams);
}

/* --- time -------------------------------------------------------------------- */

static void look_after(struct stream *stream, int64_t now_ms, struct text *ping)
{
	const struct config *config = stream->streams->worker->config;

	if (stream->cut)
		return;
	if (stream->queue_bytes && now_ms - stream->moved_at_ms >= config->ws_stall_timeout_ms) {
		cut_slow(stream, "ws.stall_timeout is over");
	} else if (now_ms >= stream->ping_at_ms) {
		stream->ping_at_ms = now_ms + config->ws_ping_interval_ms;
		if (!stream->queue_bytes)
			stream_send(stream, ping);
	}
}

static void on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct streams *streams = CONTAINER_OF(timer, struct streams, second);
	CLEANUP(buffer_fini) struct buffer comment = {0};
	struct stream *stream;

	(void)loop;
	(void)events;
	if (!streams->count)
		return;
	sse_append_comment(&comment, "ping");
	struct text *ping = text_create(buffer_span(&comment));
	TAILQ_FOREACH(stream, &streams->all, list)
	look_after(stream, worker_monotonic_ms(), ping);
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
		end_for_drain(stream);
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
	stream_cut(stream);
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
