/* tls_record.c — what a session carries: bytes in, bytes out, and its last word. */
#include "tls_session_private.h"

#include <sys/socket.h>

bool tls_session_has_pending_output(const struct tls_session *session)
{
	return session->pending;
}

bool tls_session_has_pending_input(const struct tls_session *session)
{
	return session->ended;
}

size_t tls_session_record_max(const struct tls_session *session)
{
	return session->record_max;
}

/* --- in ---------------------------------------------------------------------- */

static void set_end(struct tls_session *session, int end)
{
	session->ended = true;
	session->end = end;
}

/* What GnuTLS reads: of what tls_session_recv() has read ahead, with one call into the kernel for
 * all records there are; in a handshake, the socket, byte by byte as it needs them. */
ssize_t tls_session_pull(gnutls_transport_ptr_t arg, void *to, size_t len)
{
	struct tls_session *session = arg;
	struct tls_server *server = session->server;

	if (server->reading != session) {
		ssize_t got = recv(session->fd, to, len, MSG_DONTWAIT);
		if (got < 0)
			gnutls_transport_set_errno(session->gnutls, errno);
		return got;
	}
	size_t left = server->input_len - server->input_at;
	if (!left) {
		server->input_asked = true;
		gnutls_transport_set_errno(session->gnutls, EAGAIN);
		return -1;
	}
	if (len > left)
		len = left;
	memcpy(to, server->input + server->input_at, len);
	server->input_at += len;
	return (ssize_t)len;
}

/* Goes on until GnuTLS has asked for more than there is: all else stays in no buffer of its own,
 * where nothing would call for it. */
static size_t decrypt_all(struct tls_session *session, char *to, size_t len)
{
	struct tls_server *server = session->server;
	size_t taken = 0;

	while (!session->ended) {
		server->input_asked = false;
		ssize_t got = gnutls_record_recv(session->gnutls, to + taken, len - taken);

		if (got > 0)
			taken += (size_t)got;
		else if (!got)
			set_end(session, 0);
		else if (got == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal((int)got))
			set_end(session, tls_session_fail(session, got));
		else if (server->input_asked)
			break;
		/* else: it was no data, such as a new key */
	}
	return taken;
}

ssize_t tls_session_recv(struct tls_session *session, char *to, size_t len)
{
	struct tls_server *server = session->server;

	MUST(session->established && len >= TLS_INPUT_MIN);
	if (session->ended)
		return session->end;
	ssize_t got = recv(session->fd, server->input, sizeof(server->input), MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return -EAGAIN;
	if (got <= 0) {
		set_end(session, -ECONNRESET);
		return session->end;
	}
	server->reading = session;
	server->input_at = 0;
	server->input_len = (size_t)got;
	size_t taken = decrypt_all(session, to, len);
	server->reading = NULL;
	if (taken)
		return (ssize_t)taken;
	return session->ended ? session->end : -EAGAIN;
}

/* --- out --------------------------------------------------------------------- */

static bool is_passing(ssize_t status)
{
	return status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED;
}

/* Where in the parts it goes on. */
struct cursor {
	const struct iovec *part;
	unsigned count; /* of parts, from `part` on */
	size_t offset;  /* in it */
};

static void cursor_skip(struct cursor *cursor, size_t len)
{
	cursor->offset += len;
	while (cursor->count && cursor->offset >= cursor->part->iov_len) {
		cursor->offset -= cursor->part->iov_len;
		cursor->part++;
		cursor->count--;
	}
}

/* The plain text of the next record; the cursor goes behind it. */
static struct span next_record(struct tls_session *session, struct cursor *cursor)
{
	char *output = session->server->output;
	size_t len = 0, most = session->record_max;

	/* What fills a record by itself, and what is alone, need not be copied. */
	if (cursor->count == 1 || cursor->part->iov_len - cursor->offset >= most) {
		const char *at = (const char *)cursor->part->iov_base + cursor->offset;

		len = cursor->part->iov_len - cursor->offset;
		len = len < most ? len : most;
		cursor_skip(cursor, len);
		return span_of(at, len);
	}
	while (cursor->count && len < most) {
		size_t more = cursor->part->iov_len - cursor->offset;

		more = more < most - len ? more : most - len;
		memcpy(output + len, (const char *)cursor->part->iov_base + cursor->offset, more);
		len += more;
		cursor_skip(cursor, more);
	}
	return span_of(output, len);
}

ssize_t tls_session_send(struct tls_session *session, const struct iovec *parts, unsigned count)
{
	struct cursor cursor = {parts, count, 0};
	int error = tls_session_flush(session);
	size_t taken = 0;

	MUST(session->established);
	if (error)
		return error == -EAGAIN ? 0 : error;
	cursor_skip(&cursor, 0); /* empty parts */
	while (cursor.count && !session->pending) {
		struct span record = next_record(session, &cursor);
		ssize_t sent = gnutls_record_send(session->gnutls, record.at, record.len);

		if (sent >= 0)
			MUST((size_t)sent == record.len);
		else if (is_passing(sent))
			session->pending = true;
		else
			return tls_session_fail(session, sent);
		taken += record.len;
	}
	return (ssize_t)taken;
}

int tls_session_flush(struct tls_session *session)
{
	if (session->failed)
		return -ECONNRESET;
	while (session->pending) {
		ssize_t sent = gnutls_record_send(session->gnutls, NULL, 0);

		/* Not valid: there was no data behind a new key for the peer. */
		if (sent >= 0 || sent == GNUTLS_E_INVALID_REQUEST)
			session->pending = false;
		else if (sent == GNUTLS_E_AGAIN)
			return -EAGAIN;
		else if (sent != GNUTLS_E_INTERRUPTED)
			return tls_session_fail(session, sent);
	}
	return 0;
}

int tls_session_bye(struct tls_session *session)
{
	int error = session->leaving && !session->failed ? 0 : tls_session_flush(session), status;

	if (error)
		return error;
	session->leaving = true;
	do
		status = gnutls_bye(session->gnutls, GNUTLS_SHUT_WR);
	while (status == GNUTLS_E_INTERRUPTED);
	session->pending = status == GNUTLS_E_AGAIN;
	if (session->pending)
		return -EAGAIN;
	return status < 0 ? -ECONNRESET : 0;
}
