#include "connection.h"

#include "log.h"
#include "websockets_private.h"
#include <sys/socket.h>
#include <unistd.h>

#define IOV_MOST 64
#define READS_PER_TURN 4 /* one busy client does not keep the loop from the others */
#define TAIL_COPY_MAX 4096

/* Batches that wait for the socket; exists only while something waits. */
struct send_queue {
	struct batch **batches; /* owned references; [first, first + count) */
	size_t first, count, cap;
	size_t offset; /* bytes of the first batch that are sent */
	size_t bytes;  /* still to be sent */
	bool begun;    /* the first batch may stand in the middle of a frame */
};

static struct slot *slot_of(const struct connection *connection)
{
	return connection->websockets->worker->slot;
}

static void watch(struct connection *connection)
{
	struct ev_loop *loop = connection->websockets->worker->loop;
	int events = (connection->flags & CONNECTION_PAUSED ? 0 : EV_READ) |
		     (connection->queue ? EV_WRITE : 0);

	if (ev_is_active(&connection->io) &&
	    (connection->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop, &connection->io);
	ev_io_modify(&connection->io, events);
	if (events)
		ev_io_start(loop, &connection->io);
}

/* --- out
 * --------------------------------------------------------------------------------------------- */

static void queue_add(struct connection *connection, struct batch *batch, size_t offset)
{
	struct send_queue *queue = connection->queue;

	if (!queue) {
		queue = connection->queue = calloc(1, sizeof(*queue));
		MUST(queue);
		queue->offset = offset;
	}
	if (queue->first + queue->count == queue->cap) {
		memmove(queue->batches, queue->batches + queue->first,
			queue->count * sizeof(*queue->batches));
		queue->first = 0;
		queue->cap = queue->count + 4;
		queue->batches = reallocarray(queue->batches, queue->cap, sizeof(*queue->batches));
		MUST(queue->batches);
	}
	queue->batches[queue->first + queue->count++] = batch;
	queue->bytes += batch_len(batch) - offset;
	connection->websockets->queue_bytes += batch_len(batch) - offset;
}

static void queue_free(struct connection *connection)
{
	struct send_queue *queue = connection->queue;

	if (!queue)
		return;
	connection->websockets->queue_bytes -= queue->bytes;
	for (size_t i = 0; i < queue->count; i++)
		batch_put(queue->batches[queue->first + i]);
	free(queue->batches);
	free(queue);
	connection->queue = NULL;
}

/* The rest of what has begun must still go out, or the peer sees half a frame; the others are whole
 * frames. */
static void queue_drop_unbegun(struct connection *connection)
{
	struct send_queue *queue = connection->queue;

	if (!queue)
		return;
	if (!queue->begun) {
		queue_free(connection);
		return;
	}
	while (queue->count > 1) {
		struct batch *batch = queue->batches[queue->first + --queue->count];

		queue->bytes -= batch_len(batch);
		connection->websockets->queue_bytes -= batch_len(batch);
		batch_put(batch);
	}
}

static void fail(struct connection *connection)
{
	websockets_mark_dead(connection);
}

/* Bytes the socket took; -1: it is dead, and marked so. */
static ssize_t send_from(struct connection *connection, const struct batch *batch, size_t offset)
{
	struct iovec iov[IOV_MOST];
	struct msghdr message = {.msg_iov = iov};
	ssize_t sent;

	message.msg_iovlen = batch_iovec(batch, offset, iov, IOV_MOST);
	do
		sent = sendmsg(connection->io.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	stat_add(slot_of(connection), STAT_sends_total, 1);
	if (sent >= 0) {
		stat_add(slot_of(connection), STAT_sent_bytes, (uint64_t)sent);
		return sent;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	fail(connection);
	return -1;
}

/* A few bytes must not keep a large batch in memory. */
static struct batch *keep_tail(struct batch *batch, size_t *offset)
{
	char tail[TAIL_COPY_MAX];
	struct iovec iov[IOV_MOST];
	size_t len = batch_len(batch) - *offset, at = 0;

	if (len > TAIL_COPY_MAX || batch_held(batch) < 4 * TAIL_COPY_MAX)
		return batch_get(batch);
	while (at < len) {
		unsigned count = batch_iovec(batch, *offset + at, iov, IOV_MOST);

		for (unsigned i = 0; i < count; i++) {
			memcpy(tail + at, iov[i].iov_base, iov[i].iov_len);
			at += iov[i].iov_len;
		}
	}
	*offset = 0;
	return batch_of_bytes(span_of(tail, len));
}

static void queue_rest(struct connection *connection, struct batch *batch, size_t offset)
{
	bool begun = offset != 0;
	struct batch *kept = keep_tail(batch, &offset);

	stat_add(slot_of(connection), STAT_sends_partial, 1);
	queue_add(connection, kept, offset);
	connection->queue->begun = begun;
}

static void close_overloaded(struct connection *connection)
{
	static struct log_limit limit;

	stat_add(slot_of(connection), STAT_closed_overload, 1);
	if (log_allow(&limit))
		log_warning("connection %.*s: %zu bytes wait and its socket takes none, closing it "
			    "(1013)",
			    CONNECTION_ID_LEN, connection->id, connection_queue_bytes(connection));
	connection_close(connection, WS_CLOSE_OVERLOAD, "too slow", true);
}

static void send_or_queue(struct connection *connection, struct batch *batch)
{
	if (connection->queue) {
		queue_add(connection, batch_get(batch), 0);
		return;
	}
	ssize_t sent = send_from(connection, batch, 0);
	if (sent < 0 || (size_t)sent == batch_len(batch))
		return;
	queue_rest(connection, batch, (size_t)sent);
	watch(connection);
}

void connection_send(struct connection *connection, struct batch *batch)
{
	const struct config *config = connection->websockets->worker->config;

	if (connection->state != CONNECTION_OPEN)
		return;
	send_or_queue(connection, batch);
	/* One batch may always wait, whatever its size. */
	if (connection->state == CONNECTION_OPEN && connection->queue &&
	    connection->queue->count > 1 && connection->queue->bytes > config->ws_queue)
		close_overloaded(connection);
}

void connection_send_frame(struct connection *connection, enum ws_opcode opcode,
			   struct span payload)
{
	struct buffer frame = {0};

	if (connection->state == CONNECTION_DEAD)
		return;
	ws_frame_append(&frame, opcode, payload);
	struct batch *batch = batch_of_bytes(buffer_span(&frame));
	connection_send(connection, batch);
	batch_put(batch);
	buffer_fini(&frame);
}

void connection_send_text(struct connection *connection, struct span text)
{
	connection_send_frame(connection, WS_TEXT, text);
}

size_t connection_queue_bytes(const struct connection *connection)
{
	return connection->queue ? connection->queue->bytes : 0;
}

static void on_writable(struct connection *connection)
{
	struct send_queue *queue;

	while ((queue = connection->queue)) {
		struct batch *batch = queue->batches[queue->first];
		ssize_t sent = send_from(connection, batch, queue->offset);

		if (sent <= 0)
			return;
		queue->offset += (size_t)sent;
		queue->bytes -= (size_t)sent;
		queue->begun = true;
		connection->websockets->queue_bytes -= (size_t)sent;
		if (queue->offset < batch_len(batch))
			continue;
		batch_put(batch);
		queue->first++;
		queue->count--;
		queue->offset = 0;
		queue->begun = false;
		if (!queue->count)
			queue_free(connection);
	}
	watch(connection);
	if (connection->state == CONNECTION_CLOSING && connection->flags & CONNECTION_PEER_CLOSE)
		fail(connection);
}

/* --- close
 * ------------------------------------------------------------------------------------------- */

void connection_close(struct connection *connection, uint16_t code, const char *reason,
		      bool drop_queue)
{
	struct buffer frame = {0};

	if (connection->state != CONNECTION_OPEN)
		return;
	if (drop_queue)
		queue_drop_unbegun(connection);
	ws_frame_append_close(&frame, code, span_string(reason));
	struct batch *batch = batch_of_bytes(buffer_span(&frame));
	send_or_queue(connection, batch);
	batch_put(batch);
	buffer_fini(&frame);
	if (connection->state == CONNECTION_OPEN)
		websockets_mark_closing(connection);
	if (connection->state == CONNECTION_CLOSING)
		watch(connection);
}

/* RFC 6455 section 5.5.1: the peer's status comes back; then the server closes the connection
 * first. */
static void on_peer_close(struct connection *connection, uint16_t code)
{
	connection->flags |= CONNECTION_PEER_CLOSE;
	if (connection->state == CONNECTION_OPEN)
		connection_close(connection, code, "", true);
	if (connection->state == CONNECTION_CLOSING && !connection->queue)
		fail(connection);
}

/* --- in
 * ---------------------------------------------------------------------------------------------- */

static void on_fault(struct connection *connection, const struct ws_message *message)
{
	stat_add(slot_of(connection), STAT_protocol_faults, 1);
	log_debug("connection %.*s: protocol fault: %.*s", CONNECTION_ID_LEN, connection->id,
		  SPAN_ARGS(message->payload));
	char reason[WS_CONTROL_MAX];
	snprintf(reason, sizeof(reason), "%.*s", SPAN_ARGS(message->payload));
	connection_close(connection, message->close_code, reason, true);
}

/* False: nothing more of this connection's input counts. */
static bool on_message(struct connection *connection, const struct ws_message *message)
{
	switch (message->type) {
	case WS_INPUT_TEXT:
		session_receive(connection, message->payload);
		break;
	case WS_INPUT_PING:
		connection_send_frame(connection, WS_PONG, message->payload);
		break;
	case WS_INPUT_TOO_BIG:
		session_refuse_too_big(connection, message->payload);
		connection_close(connection, WS_CLOSE_TOO_BIG, "message too big", false);
		return false;
	case WS_INPUT_FAULT:
		on_fault(connection, message);
		return false;
	case WS_INPUT_CLOSE:
		on_peer_close(connection, message->close_code);
		return false;
	case WS_INPUT_PONG:
	case WS_INPUT_NONE:
		break;
	}
	return connection->state == CONNECTION_OPEN;
}

/* After our Close only the peer's counts; other messages are read over. */
static void feed(struct connection *connection, char *bytes, size_t len)
{
	size_t message_max = connection->websockets->worker->config->ws_max_message;

	while (len && connection->state != CONNECTION_DEAD) {
		struct ws_message message;
		size_t used = len;

		ws_reader_feed(&connection->reader, bytes, &used, message_max, &message);
		bytes += used;
		len -= used;
		if (message.type == WS_INPUT_NONE)
			return;
		if (connection->state == CONNECTION_OPEN) {
			if (!on_message(connection, &message) &&
			    connection->state == CONNECTION_OPEN)
				return;
		} else if (message.type == WS_INPUT_CLOSE) {
			on_peer_close(connection, message.close_code);
			return;
		}
		if (message.type == WS_INPUT_FAULT || message.type == WS_INPUT_TOO_BIG) {
			connection->flags |= CONNECTION_OUR_CLOSE; /* the stream has no frames any
								      more: see on_readable() */
			return;
		}
	}
}

static void on_readable(struct connection *connection)
{
	char *input = connection->websockets->input;

	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		ssize_t got = recv(connection->io.fd, input, INPUT_LEN, MSG_DONTWAIT);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			fail(connection);
			return;
		}
		connection->pings_missed = 0;
		if (!(connection->flags & CONNECTION_OUR_CLOSE))
			feed(connection, input, (size_t)got);
		if (got < INPUT_LEN || connection->state == CONNECTION_DEAD ||
		    connection->flags & CONNECTION_PAUSED)
			return;
	}
}

static void on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *connection = CONTAINER_OF(watcher, struct connection, io);

	(void)loop;
	if (events & EV_WRITE)
		on_writable(connection);
	if (events & EV_READ && connection->state != CONNECTION_DEAD)
		on_readable(connection);
}

void connection_pause(struct connection *connection)
{
	connection->flags |= CONNECTION_PAUSED;
	watch(connection);
}

void connection_resume(struct connection *connection)
{
	connection->flags &= (uint8_t)~CONNECTION_PAUSED;
	watch(connection);
}

void connection_start(struct connection *connection, int fd, struct span extra)
{
	ev_io_init(&connection->io, on_io, fd, EV_READ);
	watch(connection);
	session_start(connection);
	if (extra.len) {
		char *copy = malloc(extra.len);

		MUST(copy);
		memcpy(copy, extra.at, extra.len);
		feed(connection, copy, extra.len);
		free(copy);
	}
}

void connection_fini(struct connection *connection)
{
	ev_io_stop(connection->websockets->worker->loop, &connection->io);
	queue_free(connection);
	ws_reader_fini(&connection->reader);
	close(connection->io.fd);
	connection->io.fd = -1;
}
