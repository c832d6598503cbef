/* connection_send.c — frames out: to the socket at once, or to the queue; and our Close. */
#include "connection_private.h"

#include "log.h"
#include "replay.h"
#include "ws_deflate.h"
#include <sys/socket.h>

#define IOV_MOST 64
/* Answers from here on are compressed: each for one connection, so it must save more than a packet
 * costs. Events are from WS_DEFLATE_MIN, once for all. */
#define ANSWER_DEFLATE_MIN 1024

/* One piece, as nearly all events are, goes without the kernel's copying and checking a list. */
static ssize_t send_pieces(int fd, struct iovec *iov, unsigned count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};

	if (count == 1)
		return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Bytes that were taken; -1: the socket is dead, and marked so. */
static ssize_t count_sent(struct connection *connection, ssize_t sent)
{
	struct slot *slot = connection_slot(connection);

	stat_add(slot, STAT_sends_total, 1);
	if (sent >= 0) {
		stat_add(slot, STAT_sent_bytes, (uint64_t)sent);
		return sent;
	}
	websockets_mark_dead(connection);
	return -1;
}

/* What the session keeps for the socket counts as taken; but the socket must be watched for it. Out
 * of the way of plain sockets: inlined it costs each of their deliveries registers. */
__attribute__((noinline)) static ssize_t send_tls(struct connection *connection,
						  const struct iovec *iov, unsigned count)
{
	ssize_t sent = tls_session_send(connection->tls, iov, count);

	if (tls_session_has_pending_output(connection->tls))
		connection_watch(connection);
	return count_sent(connection, sent);
}

/* Bytes the socket took; -1: it is dead, and marked so. */
static ssize_t send_iovec(struct connection *connection, struct iovec *iov, unsigned count)
{
	ssize_t sent;

	MUST(!(connection->flags & CONNECTION_GATHERED)); /* it would overtake that */
	if (connection->tls)
		return send_tls(connection, iov, count);
	do
		sent = send_pieces(connection->io.fd, iov, count);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		sent = 0;
	return count_sent(connection, sent);
}

static size_t iovec_len(const struct iovec *iov, unsigned count)
{
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* --- the queue --------------------------------------------------------------- */

size_t connection_queue_bytes(const struct connection *connection)
{
	const struct send_queue *queue = connection->queue;

	if (!queue)
		return 0;
	return queue->bytes + (queue->conflation ? conflation_bytes(queue->conflation) : 0);
}

/* The queue has grown or shrunk since it had `before` bytes. */
static void count_queue(struct connection *connection, size_t before)
{
	struct websockets *websockets = connection->websockets;
	size_t change = connection_queue_bytes(connection) - before; /* modulo 2^64 */

	websockets->queue_bytes += change;
	if (connection->state != CONNECTION_OPEN)
		websockets->queue_bytes_leaving += change;
}

static struct send_queue *queue_need(struct connection *connection)
{
	if (!connection->queue) {
		connection->queue = send_queue_create(connection);
		stat_add(connection_slot(connection), STAT_sends_partial, 1);
		websockets_stalled_add(connection);
	}
	return connection->queue;
}

void connection_queue_free(struct connection *connection)
{
	size_t before = connection_queue_bytes(connection);

	if (!connection->queue)
		return;
	websockets_stalled_remove(connection);
	connection_conflation_free(connection);
	send_queue_destroy(connection->queue);
	connection->queue = NULL;
	count_queue(connection, before);
}

/* ws.queue bounds events here (connection_conflate.c), and answers by not being read. */
static void check_bounds(struct connection *connection)
{
	websockets_check_queue_total(connection->websockets);
	if (connection->state != CONNECTION_DEAD)
		connection_watch(connection);
}

/* Bytes the socket took; -1: it is dead. */
static ssize_t flush_some(struct connection *connection, bool *ret_more)
{
	struct iovec iov[IOV_MOST];
	size_t before = connection_queue_bytes(connection);
	unsigned count = send_queue_iovec(connection->queue, iov, IOV_MOST);
	ssize_t sent = send_iovec(connection, iov, count);

	if (sent <= 0)
		return sent;
	*ret_more = (size_t)sent == iovec_len(iov, count);
	send_queue_advance(connection->queue, (size_t)sent);
	count_queue(connection, before);
	return sent;
}

static void drain_conflated(struct connection *connection)
{
	size_t before = connection_queue_bytes(connection);

	connection_drain_conflated(connection);
	count_queue(connection, before);
}

/* What the session has kept for the socket. False: there is still some, or the socket is dead. */
static bool flush_session(struct connection *connection, bool *ret_moved)
{
	bool pending = connection->tls && tls_session_has_pending_output(connection->tls);
	int error = pending ? tls_session_flush(connection->tls) : 0;

	*ret_moved = pending;
	if (error && error != -EAGAIN)
		websockets_mark_dead(connection);
	return !error;
}

void connection_flush(struct connection *connection)
{
	bool more = true, moved;

	if (!flush_session(connection, &moved))
		return;
	while (more && connection->queue && connection->queue->bytes) {
		more = false;
		ssize_t sent = flush_some(connection, &more);
		if (sent < 0)
			return;
		moved |= sent > 0;
		drain_conflated(connection);
	}
	if (connection->queue && !connection->queue->bytes)
		connection_queue_free(connection);
	else if (connection->queue && moved)
		websockets_stalled_moved(connection);
	websockets_check_queue_total(connection->websockets);
	connection_watch(connection);
	if (connection->replays)
		replay_go_on(connection);
	if (connection_is_flushed(connection) && connection->state == CONNECTION_CLOSING &&
	    connection->flags & CONNECTION_PEER_CLOSE)
		websockets_mark_dead(connection);
}

/* --- batches ----------------------------------------------------------------- */

/* How much of it the socket took; -1: it is dead. */
static ssize_t send_batch(struct connection *connection, const struct batch *batch)
{
	struct iovec iov[IOV_MOST];
	size_t at = 0, offered = 0;
	ssize_t sent = 0;

	while ((size_t)sent == offered && at < batch_len(batch)) {
		unsigned count = batch_iovec(batch, at, iov, IOV_MOST);

		offered = iovec_len(iov, count);
		sent = send_iovec(connection, iov, count);
		if (sent < 0)
			return -1;
		at += (size_t)sent;
	}
	return (ssize_t)at;
}

/* Behind what waits, or remembered. */
static bool queue_batch(struct connection *connection, struct batch *batch)
{
	size_t before = connection_queue_bytes(connection);
	bool conflates = connection_must_conflate(connection, batch);

	if (conflates)
		connection_conflate(connection, batch);
	else
		send_queue_add(connection->queue, batch, 0);
	count_queue(connection, before);
	check_bounds(connection);
	return !conflates && connection->state == CONNECTION_OPEN;
}

/* The socket took so many bytes of it; -1: it is dead. */
static bool queue_rest(struct connection *connection, struct batch *batch, ssize_t sent)
{
	if (sent < 0)
		return false;
	if ((size_t)sent == batch_len(batch))
		return true;
	/* One may wait whatever its size. */
	send_queue_add(queue_need(connection), batch, (size_t)sent);
	count_queue(connection, 0);
	check_bounds(connection);
	return connection->state == CONNECTION_OPEN;
}

bool connection_send(struct connection *connection, struct batch *batch)
{
	if (connection->state != CONNECTION_OPEN)
		return false;
	if (connection->queue)
		return queue_batch(connection, batch);
	return queue_rest(connection, batch, send_batch(connection, batch));
}

bool connection_note_sent(struct connection *connection, struct batch *batch, ssize_t result)
{
	bool took_none = result == -EAGAIN || result == -EWOULDBLOCK || result == -EINTR;

	return queue_rest(connection, batch, count_sent(connection, took_none ? 0 : result));
}

/* --- single frames ----------------------------------------------------------- */

/* Most answers go straight to the socket: no batch is made for them. */
static void send_parts(struct connection *connection, struct iovec *parts, unsigned count)
{
	size_t before = connection_queue_bytes(connection);
	ssize_t sent = connection->queue ? 0 : send_iovec(connection, parts, count);
	bool begun = sent > 0;

	if (sent < 0 || (size_t)sent == iovec_len(parts, count))
		return;
	while (count && (size_t)sent >= parts->iov_len) {
		sent -= (ssize_t)parts->iov_len;
		parts++;
		count--;
	}
	parts->iov_base = (char *)parts->iov_base + sent;
	parts->iov_len -= (size_t)sent;
	send_queue_add_bytes(queue_need(connection), parts, count, begun);
	count_queue(connection, before);
}

static void send_frame_parts(struct connection *connection, struct iovec *parts, unsigned count)
{
	if (connection->state != CONNECTION_OPEN)
		return;
	send_parts(connection, parts, count);
	if (connection->queue && connection->state == CONNECTION_OPEN)
		check_bounds(connection);
}

void connection_send_frame(struct connection *connection, enum ws_opcode opcode,
			   struct span payload)
{
	unsigned char header[WS_HEADER_MAX];
	struct iovec parts[] = {{header, ws_frame_header(header, opcode, payload.len)},
				{(void *)payload.at, payload.len}};

	send_frame_parts(connection, parts, payload.len ? 2 : 1);
}

void connection_send_text(struct connection *connection, struct span text)
{
	struct ws_deflate *deflate = connection->websockets->worker->deflate;
	unsigned char header[WS_HEADER_MAX];
	struct iovec parts[] = {{header, ws_frame_header(header, WS_TEXT, text.len)},
				{(void *)text.at, text.len}};
	struct span frame;

	if (!connection_deflates(connection) || text.len < ANSWER_DEFLATE_MIN ||
	    connection->state != CONNECTION_OPEN || !ws_deflate_frame(deflate, parts, 2, &frame)) {
		connection_send_frame(connection, WS_TEXT, text);
		return;
	}
	stat_add(connection_slot(connection), STAT_answers_compressed, 1);
	struct iovec part = {(void *)frame.at, frame.len};
	send_frame_parts(connection, &part, 1);
}

/* Never dropped: whatever comes later follows it. */
void connection_send_bytes(struct connection *connection, struct span bytes)
{
	struct iovec part = {(void *)bytes.at, bytes.len};
	ssize_t sent = send_iovec(connection, &part, 1);

	if (sent < 0 || (size_t)sent == bytes.len)
		return;
	part = (struct iovec){(char *)bytes.at + sent, bytes.len - (size_t)sent};
	send_queue_add_bytes(queue_need(connection), &part, 1, true);
	count_queue(connection, 0);
	check_bounds(connection);
}

/* --- close ------------------------------------------------------------------- */

static void drop_unbegun(struct connection *connection)
{
	size_t before = connection_queue_bytes(connection);

	if (!connection->queue)
		return;
	send_queue_drop_unbegun(connection->queue);
	count_queue(connection, before);
	if (!connection->queue->bytes)
		connection_queue_free(connection);
}

void connection_close(struct connection *connection, uint16_t code, const char *reason,
		      bool drop_queue)
{
	struct buffer frame = {0};

	if (connection->state != CONNECTION_OPEN)
		return;
	if (drop_queue)
		drop_unbegun(connection);
	ws_frame_append_close(&frame, code, span_string(reason));
	struct iovec part = {frame.at, frame.len};
	send_parts(connection, &part, 1);
	buffer_fini(&frame);
	if (connection->state != CONNECTION_OPEN)
		return;
	websockets_mark_closing(connection);
	connection_watch(connection);
}

void connection_close_overloaded(struct connection *connection, const char *why)
{
	static struct log_limit limit;

	stat_add(connection_slot(connection), STAT_closed_overload, 1);
	if (log_allow(&limit))
		log_warning("connection %.*s: %s, %zu bytes wait for its socket, closing it (1013)",
			    CONNECTION_ID_LEN, connection->id, why,
			    connection_queue_bytes(connection));
	connection_close(connection, WS_CLOSE_OVERLOAD, why, true);
}
