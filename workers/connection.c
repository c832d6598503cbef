/* connection.c — bytes in. When messages may not be handled for a while (ws.rate, a full queue, too
 * many operations under way), the rest of what was read is held and the socket is not read: nothing
 * is lost, and nothing is done for free. */
#include "connection_private.h"

#include "log.h"
#include "ws_deflate.h"
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4 /* one busy client does not keep the loop from the others */

/* Read, but not looked at. */
struct held_input {
	size_t at, len;
	char bytes[];
};

bool connection_takes_input(const struct connection *connection)
{
	const struct config *config = connection->websockets->worker->config;

	if (connection->state != CONNECTION_OPEN)
		return true; /* the peer's Close must be seen */
	return !(connection->flags & CONNECTION_PAUSED) &&
	       connection->pending < CONNECTION_PENDING_MAX &&
	       connection_queue_bytes(connection) <= config->ws_queue;
}

/* Only its session knows: no descriptor tells of it. */
static bool has_unseen_end(const struct connection *connection)
{
	return connection->tls && tls_session_has_pending_input(connection->tls);
}

void connection_watch(struct connection *connection)
{
	struct ev_loop *loop = connection->websockets->worker->loop;
	bool reads = connection_takes_input(connection);
	int events = (reads ? EV_READ : 0) | (connection_is_flushed(connection) ? 0 : EV_WRITE);

	if (connection->state == CONNECTION_DEAD)
		return;
	if (!ev_is_active(&connection->io) ||
	    (connection->io.events & (EV_READ | EV_WRITE)) != events) {
		ev_io_stop(loop, &connection->io);
		ev_io_modify(&connection->io, events);
		if (events)
			ev_io_start(loop, &connection->io);
	}
	/* Not handled here: the caller may stand in the middle of a message. */
	if (reads && (connection->held || has_unseen_end(connection)))
		ev_feed_event(loop, &connection->io, EV_READ);
}

/* --- messages ---------------------------------------------------------------- */

/* RFC 6455 section 5.5.1: the peer's status comes back; then the server closes the connection
 * first. */
static void on_peer_close(struct connection *connection, uint16_t code)
{
	connection->flags |= CONNECTION_PEER_CLOSE;
	connection_close(connection, code, "", true);
	if (connection->state == CONNECTION_CLOSING && connection_is_flushed(connection))
		websockets_mark_dead(connection);
}

static void on_fault(struct connection *connection, const struct ws_message *message)
{
	char reason[WS_CONTROL_MAX];

	stat_add(connection_slot(connection), STAT_protocol_faults, 1);
	log_debug("connection %.*s: protocol fault: %.*s", CONNECTION_ID_LEN, connection->id,
		  SPAN_ARGS(message->payload));
	snprintf(reason, sizeof(reason), "%.*s", SPAN_ARGS(message->payload));
	connection_close(connection, message->close_code, reason, true);
}

/* After our Close only the peer's counts; other messages are read over. */
static void on_message(struct connection *connection, const struct ws_message *message)
{
	bool open = connection->state == CONNECTION_OPEN;

	/* Nothing that follows one of these is a frame. */
	if (message->type == WS_INPUT_TOO_BIG || message->type == WS_INPUT_FAULT ||
	    message->type == WS_INPUT_CLOSE)
		connection->flags |= CONNECTION_DEAF;
	if (message->type == WS_INPUT_CLOSE)
		on_peer_close(connection, message->close_code);
	else if (open && message->type == WS_INPUT_TEXT)
		session_receive(connection, message->payload);
	else if (open && message->type == WS_INPUT_PING)
		connection_send_frame(connection, WS_PONG, message->payload);
	else if (open && message->type == WS_INPUT_FAULT)
		on_fault(connection, message);
	else if (open && message->type == WS_INPUT_TOO_BIG) {
		session_refuse_too_big(connection, message->payload);
		connection_close(connection, WS_CLOSE_TOO_BIG, "message too big", false);
	}
}

/* After our Close nobody looks at messages any more. */
static void inflate_message(struct connection *connection, size_t message_max,
			    struct ws_message *message)
{
	if (connection->state != CONNECTION_OPEN)
		return;
	stat_add(connection_slot(connection), STAT_messages_inflated, 1);
	ws_deflate_open(connection->websockets->worker->deflate, message_max, message);
}

/* Handles what may be handled; returns how many bytes need not be kept. Goes on until the reader
 * has nothing more, also at the end of the bytes: only then it lets go of the last message. */
static size_t feed(struct connection *connection, char *bytes, size_t len)
{
	size_t at = 0;

	while (connection->state != CONNECTION_DEAD && !(connection->flags & CONNECTION_DEAF)) {
		size_t message_max = session_message_max(connection);
		struct ws_message message;
		size_t used = connection_takes_input(connection) ? len - at : 0;

		if (!used && at < len)
			len = at; /* the last message is let go, and the rest stays */
		ws_reader_feed(&connection->reader, bytes + at, &used, message_max,
			       connection_deflates(connection), &message);
		at += used;
		if (message.type == WS_INPUT_NONE)
			return at;
		if (message.compressed)
			inflate_message(connection, message_max, &message);
		on_message(connection, &message);
	}
	return len;
}

static void hold(struct connection *connection, const char *bytes, size_t len)
{
	struct held_input *held = malloc(sizeof(*held) + len);

	MUST(held);
	held->at = 0;
	held->len = len;
	memcpy(held->bytes, bytes, len);
	connection->held = held;
	connection_watch(connection);
}

static void feed_or_hold(struct connection *connection, char *bytes, size_t len)
{
	size_t used = feed(connection, bytes, len);

	if (used < len)
		hold(connection, bytes + used, len - used);
}

static void feed_held(struct connection *connection)
{
	struct held_input *held = connection->held;

	held->at += feed(connection, held->bytes + held->at, held->len - held->at);
	if (held->at < held->len)
		return;
	free(held);
	connection->held = NULL;
}

/* --- the socket -------------------------------------------------------------- */

/* As recv(); -EAGAIN, or another -errno. */
static ssize_t receive(struct connection *connection, char *to, size_t len)
{
	if (connection->tls)
		return tls_session_recv(connection->tls, to, len);
	ssize_t got = recv(connection->io.fd, to, len, MSG_DONTWAIT);
	if (got < 0)
		return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
	return got;
}

static void on_readable(struct connection *connection)
{
	char *input = connection->websockets->input;

	if (connection->held && connection_takes_input(connection))
		feed_held(connection);
	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		if (connection->state == CONNECTION_DEAD || connection->held ||
		    !connection_takes_input(connection))
			return;
		ssize_t got = receive(connection, input, INPUT_LEN);

		if (got == -EAGAIN)
			return;
		if (got <= 0) {
			websockets_mark_dead(connection);
			return;
		}
		connection->pings_missed = 0;
		feed_or_hold(connection, input, (size_t)got);
		if (got < INPUT_LEN && !has_unseen_end(connection))
			return;
	}
	connection_watch(connection); /* an unseen end has to wait for the next turn */
}

static void on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *connection = CONTAINER_OF(watcher, struct connection, io);

	(void)loop;
	if (events & EV_WRITE && connection->state != CONNECTION_DEAD)
		connection_flush(connection);
	if (events & EV_READ && connection->state != CONNECTION_DEAD)
		on_readable(connection);
}

void connection_start(struct connection *connection, const struct connection_socket *socket)
{
	connection->tls = socket->tls;
	ev_io_init(&connection->io, on_io, socket->fd, EV_READ);
	if (socket->unsent.len)
		connection_send_bytes(connection, socket->unsent);
	session_start(connection);
	if (socket->unread.len) {
		char *copy = malloc(socket->unread.len);

		MUST(copy);
		memcpy(copy, socket->unread.at, socket->unread.len);
		feed_or_hold(connection, copy, socket->unread.len);
		free(copy);
	}
	connection_watch(connection);
}

static void close_socket(struct connection *connection)
{
	if (connection->tls) {
		tls_session_bye(connection->tls); /* as far as the socket takes it */
		tls_session_destroy(connection->tls);
		connection->tls = NULL;
	}
	close(connection->io.fd);
}

void connection_fini(struct connection *connection)
{
	MUST(!(connection->flags & CONNECTION_GATHERED));
	ev_io_stop(connection->websockets->worker->loop, &connection->io);
	connection_queue_free(connection);
	ws_reader_fini(&connection->reader);
	free(connection->held);
	connection->held = NULL;
	close_socket(connection);
	connection->io.fd = -1;
}
