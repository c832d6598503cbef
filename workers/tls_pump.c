/* tls_pump.c — what a front copies: from the session into the pair, and back. */
#include "tls_front_private.h"

#include "linger.h"

#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4 /* one busy client does not keep the loop from the others */

void tls_front_close_pair(struct tls_front *front)
{
	ev_io_stop(front->fronts->http->worker->loop, &front->pair);
	if (front->pair.fd >= 0)
		close(front->pair.fd);
	front->pair.fd = -1;
}

/* --- from the client to MHD -------------------------------------------------- */

/* How much of it the pair took. MHD may have closed its end; then it wants nothing of it. */
static size_t give(struct tls_front *front, const char *bytes, size_t len)
{
	ssize_t sent = send(front->pair.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent >= 0)
		return (size_t)sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	front->input_over = true;
	return len;
}

/* False: some of it is still here. */
static bool give_held(struct tls_front *front)
{
	if (!front->held.len)
		return true;
	front->held_at +=
		give(front, front->held.at + front->held_at, front->held.len - front->held_at);
	if (front->held_at < front->held.len)
		return false;
	buffer_fini(&front->held);
	front->held_at = 0;
	return true;
}

int tls_front_pump_in(struct tls_front *front)
{
	char *bytes = front->fronts->bytes;

	for (unsigned i = 0; give_held(front) && !front->input_over &&
			     (i < READS_PER_TURN || tls_session_has_pending_input(front->session));
	     i++) {
		ssize_t got = tls_session_recv(front->session, bytes, sizeof(front->fronts->bytes));

		if (got == -EAGAIN)
			return 0;
		if (got < 0)
			return (int)got;
		if (!got) {
			front->input_over = true;
			shutdown(front->pair.fd, SHUT_WR);
			return 0;
		}
		size_t given = give(front, bytes, (size_t)got);
		if (given < (size_t)got)
			buffer_append(&front->held, bytes + given, (size_t)got - given);
	}
	return 0;
}

/* --- from MHD to the client -------------------------------------------------- */

int tls_front_say_farewell(struct tls_front *front)
{
	int error = tls_session_bye(front->session);

	if (error)
		return error;
	shutdown(front->socket.fd, SHUT_WR);
	linger_on(front->fronts->http->lingers, front->socket.fd);
	return -ESHUTDOWN;
}

int tls_front_pump_once(struct tls_front *front)
{
	size_t most = tls_session_record_max(front->session);
	int error = tls_session_flush(front->session);

	if (error)
		return error;
	ssize_t got = recv(front->pair.fd, front->fronts->bytes, most, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -ENODATA;
	/* Also where MHD has closed it with something unread; by then all it sent has been read. */
	if (got <= 0) {
		tls_front_close_pair(front);
		front->state = FRONT_FAREWELL;
		return tls_front_say_farewell(front);
	}
	const struct iovec part = {front->fronts->bytes, (size_t)got};
	ssize_t sent = tls_session_send(front->session, &part, 1);
	if (sent < 0)
		return (int)sent;
	MUST(sent == got); /* nothing was pending, and it fits one record */
	return (size_t)got < most ? -ENODATA : 0;
}

int tls_front_pump_out(struct tls_front *front)
{
	int error = 0;

	for (unsigned i = 0; i < READS_PER_TURN && !error; i++)
		error = tls_front_pump_once(front);
	return error == -EAGAIN || error == -ENODATA ? 0 : error;
}
