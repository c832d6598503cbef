#include "access_log.h"
#include "log.h"
#include "principal.h"
#include "replay.h"
#include "resync.h"
#include "sse.h"
#include "streams_private.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>

#define BURST_FACTOR 16 /* of ws.queue, for a client that reads */
#define RETRY_MS 1000
#define DRAIN_RETRY_MS 2000 /* clients come back within this, each at its own random moment */
#define BLOCK_LEN 1024      /* MHD's buffer where chunks are not possible (HTTP/1.0) */

/* --- queue and end ----------------------------------------------------------- */

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

void stream_cut(struct stream *stream)
{
	if (stream->cut)
		return;
	stream->cut = true;
	drop_queue(stream);
	shutdown(stream->fd, SHUT_RDWR);
	stream_end(stream);
}

void stream_cut_slow(struct stream *stream, const char *why)
{
	static struct log_limit limit;

	stat_add(stream->streams->worker->slot, STAT_streams_cut_slow, 1);
	if (log_allow(&limit))
		log_info("stream: %s with %zu bytes waiting, cutting it", why, stream->queue_bytes);
	stream_cut(stream);
}

/* MHD sends a chunk of some KiB to each connection in turn, so after a burst (a pass may have 1
 * MiB) more than ws.queue can wait for a client that reads: its socket still takes bytes. What
 * waits already decides, so one text may wait whatever its size. */
static bool is_too_slow(const struct stream *stream, size_t most)
{
	struct pollfd socket = {.events = POLLOUT};

	if (stream->queue_bytes <= most)
		return false;
	socket.fd = http_connection_socket(stream->connection);
	return stream->queue_bytes / BURST_FACTOR > most || poll(&socket, 1, 0) != 1 ||
	       socket.revents != POLLOUT;
}

bool stream_send(struct stream *stream, struct text *text)
{
	const struct worker *worker = stream->streams->worker;

	if (stream->ended)
		return false;
	if (is_too_slow(stream, worker->config->ws_queue)) {
		stream_cut_slow(stream, "ws.queue is exceeded");
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

bool stream_send_bytes(struct stream *stream, struct span bytes)
{
	struct text *text = text_create(bytes);
	bool taken = stream_send(stream, text);

	text_put(text);
	return taken;
}

/* MHD_ContentReaderCallback: MHD has room for more. */
static ssize_t on_room(void *arg, uint64_t position, char *to, size_t room)
{
	struct stream *stream = arg;
	size_t len = 0;

	(void)position;
	if (!stream->ended)
		replay_stream_go_on(stream);
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
	access_line_add_bytes(stream->access, len);
	if (len) {
		/* MHD sends a chunk a run, and while requests wait for their answers it cannot say
		 * that it has more to send. */
		http_run_soon(stream->streams->worker->http);
		return (ssize_t)len;
	}
	/* Also for one that is cut: its socket takes no last chunk, so the client sees no good end.
	 * After END_WITH_ERROR MHD 0.9.75 keeps the connection until something happens to it. */
	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	/* As MHD documents it. A 1.0.1 built with --enable-asserts (Debian has it without) aborts
	 * in MHD_connection_handle_write() when this is resumed: it keeps its wish to write while
	 * suspended. Without asserts it returns there and asks us again. */
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

	replay_stream_forget(stream);
	subscription_leave(streams->index, &stream->member);
	ev_io_stop(streams->worker->loop, &stream->gone);
	TAILQ_REMOVE(&streams->all, stream, list);
	stat_set(streams->worker->slot, STAT_streams, --streams->count);
	drop_queue(stream);
	principal_put(stream->principal);
	free(stream);
}

/* --- what is no event -------------------------------------------------------- */

struct span stream_position(const struct stream *stream)
{
	return stream->resumes ? SPAN_NONE : streams_position(stream->streams);
}

void stream_send_position(struct stream *stream)
{
	CLEANUP(buffer_fini) struct buffer comment = {0};

	sse_append_comment(&comment, stream_position(stream), "position");
	stream_send_bytes(stream, buffer_span(&comment));
}

static void send_retry(struct stream *stream, unsigned ms)
{
	CLEANUP(buffer_fini) struct buffer text = {0};

	sse_append_retry(&text, stream_position(stream), ms);
	stream_send_bytes(stream, buffer_span(&text));
}

struct resync {
	struct streams *streams;
	struct buffer text;
	const char *reason;
	unsigned left; /* subscriptions */
};

/* Only who has got all of them comes back with where we are now. */
static void append_resync(const struct subscription_spec *spec, void *arg)
{
	struct resync *resync = arg;
	CLEANUP(buffer_fini) struct buffer json = {0};
	bool is_last = !--resync->left;

	resync_format_subscription(&json, spec, resync->reason);
	sse_append_text(&resync->text, is_last ? streams_position(resync->streams) : SPAN_NONE,
			buffer_span(&json));
	stat_add(resync->streams->worker->slot, STAT_resyncs_sent, 1);
}

void stream_send_resync(struct stream *stream, const char *reason)
{
	const struct audience *audience = replay_stream_member(stream)->audience;
	struct resync resync = {.streams = stream->streams,
				.reason = reason,
				.left = audience_subscription_count(audience)};

	if (audience)
		audience_each_subscription(audience, append_resync, &resync);
	stream_send_bytes(stream, buffer_span(&resync.text));
	buffer_fini(&resync.text);
}

void stream_end_for_drain(struct stream *stream)
{
	send_retry(stream, (unsigned)(drand48() * DRAIN_RETRY_MS));
	stream_end(stream);
}

void stream_end_by_order(struct stream *stream)
{
	stream_cut(stream);
}

/* --- opening ----------------------------------------------------------------- */

static struct stream *stream_create(struct streams *streams, struct MHD_Connection *connection)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	MUST(stream && info);
	stream->streams = streams;
	stream->connection = connection;
	stream->fd = info->connect_fd;
	char id[CONNECTION_ID_LEN + 1];
	worker_random_name(id, CONNECTION_ID_LEN);
	memcpy(stream->id, id, CONNECTION_ID_LEN);
	stream->since_ms = worker_now_ms();
	stream->ping_at_ms = worker_monotonic_ms() + streams->worker->config->ws_ping_interval_ms;
	STAILQ_INIT(&stream->queue);
	TAILQ_INSERT_TAIL(&streams->all, stream, list);
	stat_set(streams->worker->slot, STAT_streams, ++streams->count);
	stat_add(streams->worker->slot, STAT_streams_total, 1);
	ev_io_init(&stream->gone, on_gone, stream->fd, EV_READ);
	ev_io_start(streams->worker->loop, &stream->gone);
	return stream;
}

static void start_live(struct stream *stream, const struct subscription_spec *specs,
		       unsigned spec_count)
{
	struct streams *streams = stream->streams;

	for (unsigned i = 0; i < spec_count; i++)
		MUST(!subscription_add(streams->index, &stream->member, &specs[i], spec_count));
	stream->unsure = !streams_are_fed(streams);
	stream->placed = streams_position(streams).len;
	streams->some_unsettled = streams->some_unsettled || stream->unsure || !stream->placed;
}

/* What is no position of ours is no reason to refuse: an EventSource would not come back, and not
 * say why. */
static void start_feed(struct stream *stream, const struct subscription_spec *specs,
		       unsigned spec_count, const char *last_event_id)
{
	struct progress from;

	/* A client that loses its connection before the first event shall not come back as if it
	 * were new. */
	send_retry(stream, RETRY_MS);
	if (!stream->resumes) {
		start_live(stream, specs, spec_count);
	} else if (progress_parse(span_string(last_event_id), &from)) {
		start_live(stream, specs, spec_count);
		stream_send_resync(stream, "invalid_position");
		stream->resumes = false;
	} else {
		stream->placed = true;
		replay_stream(stream, specs, spec_count, &from);
	}
}

void stream_end_for_token(struct stream *stream)
{
	stat_add(stream->streams->worker->slot, STAT_auth_ended, 1);
	stream_end(stream);
}

void stream_open(struct request *request, const struct subscription_spec *specs,
		 unsigned spec_count, const char *last_event_id)
{
	struct streams *streams = request_worker(request)->streams;
	struct stream *stream = stream_create(streams, request_connection(request));
	stream->access = request_access_line(request);
	stream->address = request_address(request);

	stream->principal = principal_get(request_principal(request));
	stream->resumes = last_event_id && *last_event_id;
	/* A browser gives up for good on anything but 200, so in a drain it gets a stream, too,
	 * with an end. */
	if (streams->worker->draining)
		stream_end_for_drain(stream);
	else
		start_feed(stream, specs, spec_count, last_event_id);
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_LEN, on_room, stream, on_free);
	MUST(response);
	request_answer_stream(request, response);
}
