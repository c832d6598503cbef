#include "tls_front.h"

#include "address_count.h"
#include "client_address.h"
#include "linger.h"
#include "slow_reader.h"
#include "tls_session.h"

#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_TURN 4 /* one busy client does not keep the loop from the others */

enum front_state {
	FRONT_HANDSHAKE,
	FRONT_OPEN,
	FRONT_FAREWELL, /* MHD's end is closed, and all that came from it is with the session */
};

struct tls_front {
	struct tls_front *previous, *next;
	struct tls_fronts *fronts;   /* borrowed */
	struct tls_session *session; /* owned */
	struct client *client;       /* borrowed; NULL: MHD has it not yet, or not any more */
	ev_io socket;                /* owned descriptor */
	ev_io pair;                  /* owned descriptor; -1: there is none */
	struct deadline deadline;    /* of the handshake; and from when MHD has let go */
	struct sockaddr_in6 peer;    /* IPv4 has room in it */
	socklen_t peer_len;
	struct in6_addr address;
	bool counts;     /* in worker->addresses */
	bool input_over; /* the client sends no more, or MHD wants no more */
	enum front_state state;
	int64_t since_ms;   /* monotonic */
	struct buffer held; /* from the client, what the pair did not take… */
	size_t held_at;     /* …from here on */
	bool looked_at;     /* since MHD has let go: `taken` is known */
	uint64_t taken;     /* by the client's end, when it was last looked at */
};

struct tls_fronts {
	struct http *http; /* borrowed */
	struct tls_server *server;
	struct tls_front *first;
	struct tls_front *joining; /* MHD_add_connection() is at work for it */
	size_t count, joined;
	char bytes[TLS_INPUT_MIN]; /* scratch */
};

/* --- end --------------------------------------------------------------------- */

static void close_pair(struct tls_front *front)
{
	ev_io_stop(front->fronts->http->worker->loop, &front->pair);
	if (front->pair.fd >= 0)
		close(front->pair.fd);
	front->pair.fd = -1;
}

static void front_destroy(struct tls_front *front)
{
	struct tls_fronts *fronts = front->fronts;
	struct worker *worker = fronts->http->worker;

	if (front->client) {
		front->client->front = NULL;
		fronts->joined--;
	}
	deadline_stop(&front->deadline);
	close_pair(front);
	ev_io_stop(worker->loop, &front->socket);
	tls_session_destroy(front->session);
	if (front->socket.fd >= 0)
		close(front->socket.fd);
	if (front->counts)
		address_count_remove(worker->addresses, &front->address);
	buffer_fini(&front->held);
	if (front->previous)
		front->previous->next = front->next;
	else
		fronts->first = front->next;
	if (front->next)
		front->next->previous = front->previous;
	fronts->count--;
	free(front);
}

void tls_front_reset(struct tls_front *front)
{
	const struct linger hard = {.l_onoff = 1};

	setsockopt(front->socket.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	front_destroy(front);
}

/* --- watching ---------------------------------------------------------------- */

static void watch(struct ev_loop *loop, ev_io *watcher, int events)
{
	if (ev_is_active(watcher) && (watcher->events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop, watcher);
	ev_io_modify(watcher, events);
	if (events)
		ev_io_start(loop, watcher);
}

static void front_watch(struct tls_front *front)
{
	struct ev_loop *loop = front->fronts->http->worker->loop;
	bool pending = tls_session_has_pending_output(front->session);
	bool held = front->held.len, open = front->state == FRONT_OPEN;
	bool reads =
		front->state == FRONT_HANDSHAKE ? !pending : open && !held && !front->input_over;

	watch(loop, &front->socket, (reads ? EV_READ : 0) | (pending ? EV_WRITE : 0));
	if (open)
		watch(loop, &front->pair, (pending ? 0 : EV_READ) | (held ? EV_WRITE : 0));
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

/* 0, or what tls_session_recv() says of its end. */
static int pump_in(struct tls_front *front)
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

/* -ESHUTDOWN: all is said. Not closed at once: see linger.h. */
static int say_farewell(struct tls_front *front)
{
	int error = tls_session_bye(front->session);

	if (error)
		return error;
	shutdown(front->socket.fd, SHUT_WR);
	linger_on(front->fronts->http->lingers, front->socket.fd);
	return -ESHUTDOWN;
}

/* Sends what has come from MHD. -EAGAIN: the socket takes no more now; -ENODATA: there is no more
 * now; others: the end. */
static int pump_once(struct tls_front *front)
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
		close_pair(front);
		front->state = FRONT_FAREWELL;
		return say_farewell(front);
	}
	const struct iovec part = {front->fronts->bytes, (size_t)got};
	ssize_t sent = tls_session_send(front->session, &part, 1);
	if (sent < 0)
		return (int)sent;
	MUST(sent == got); /* nothing was pending, and it fits one record */
	return (size_t)got < most ? -ENODATA : 0;
}

static int pump_out(struct tls_front *front)
{
	int error = 0;

	for (unsigned i = 0; i < READS_PER_TURN && !error; i++)
		error = pump_once(front);
	return error == -EAGAIN || error == -ENODATA ? 0 : error;
}

/* --- handshake --------------------------------------------------------------- */

static int refuse(struct tls_front *front, const char *why)
{
	static struct log_limit limit;

	stat_add(front->fronts->http->worker->slot, STAT_http_connections_refused, 1);
	if (log_allow(&limit))
		log_warning("tls: connection refused after its handshake: %s", why);
	return -ECONNREFUSED;
}

/* Now it is a connection as all others are. */
static int join_mhd(struct tls_front *front)
{
	struct tls_fronts *fronts = front->fronts;
	struct http *http = fronts->http;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return refuse(front, strerror(errno));
	front->state = FRONT_OPEN;
	ev_io_set(&front->pair, pair[0], EV_READ);
	fronts->joining = front;
	int added = MHD_add_connection(http->mhd, pair[1], (const struct sockaddr *)&front->peer,
				       front->peer_len);
	fronts->joining = NULL;
	if (added != MHD_YES)
		return refuse(front, "no memory"); /* MHD has closed its end */
	http_run_soon(http);
	return 0;
}

static int shake_hands(struct tls_front *front)
{
	int error = tls_session_handshake(front->session);

	if (error)
		return error == -EAGAIN ? 0 : error;
	deadline_stop(&front->deadline);
	return join_mhd(front);
}

/* --- events ------------------------------------------------------------------ */

static void finish_turn(struct tls_front *front, int error)
{
	if (error && error != -EAGAIN)
		front_destroy(
			front); /* where MHD still has its end, it sees the other one closed */
	else
		front_watch(front);
}

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct tls_front *front = CONTAINER_OF(watcher, struct tls_front, socket);
	int error = 0;

	(void)loop;
	if (front->state == FRONT_HANDSHAKE) {
		error = shake_hands(front);
	} else if (front->state == FRONT_FAREWELL) {
		error = say_farewell(front);
	} else {
		if (events & EV_WRITE)
			error = pump_out(front);
		if (events & EV_READ && !error && front->state == FRONT_OPEN)
			error = pump_in(front);
	}
	finish_turn(front, error);
}

static void on_pair(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct tls_front *front = CONTAINER_OF(watcher, struct tls_front, pair);
	int error = 0;

	(void)loop;
	if (events & EV_WRITE)
		error = pump_in(front);
	if (events & EV_READ && !error)
		error = pump_out(front);
	finish_turn(front, error);
}

/* --- life -------------------------------------------------------------------- */

void tls_fronts_accept(struct tls_fronts *fronts, int fd, const struct sockaddr *peer,
		       socklen_t len)
{
	struct http *http = fronts->http;
	struct tls_front *front = calloc(1, sizeof(*front));

	MUST(front && len <= sizeof(front->peer));
	front->fronts = fronts;
	memcpy(&front->peer, peer, len);
	front->peer_len = len;
	front->since_ms = worker_monotonic_ms();
	front->counts = client_address_add(http, peer, &front->address);
	ev_io_init(&front->socket, on_socket, fd, EV_READ);
	ev_io_init(&front->pair, on_pair, -1, EV_READ);
	front->next = fronts->first;
	if (front->next)
		front->next->previous = front;
	fronts->first = front;
	fronts->count++;
	front->session = tls_session_create(fronts->server, fd);
	if (!front->session) {
		front_destroy(front);
		return;
	}
	http_start_deadline(http, HTTP_DEADLINE_HANDSHAKE, &front->deadline);
	front_watch(front);
}

struct tls_front *tls_fronts_join(struct tls_fronts *fronts, struct client *client)
{
	struct tls_front *front = fronts ? fronts->joining : NULL;

	if (front) {
		front->client = client;
		fronts->joined++;
	}
	return front;
}

/* What MHD has written goes out, however slowly it is read: but it must be read. */
void tls_front_leave(struct tls_front *front)
{
	front->client = NULL;
	front->fronts->joined--;
	http_start_deadline(front->fronts->http, HTTP_DEADLINE_TAIL, &front->deadline);
}

/* As slow_reader.c judges answers: not at the first look. */
static bool is_too_slow(struct tls_front *front)
{
	uint64_t taken = front->taken;

	slow_reader_taken(front->socket.fd, &taken);
	bool too_slow = front->looked_at && taken - front->taken < SLOW_READER_BYTES;
	front->looked_at = true;
	front->taken = taken;
	return too_slow;
}

void tls_front_meet_deadline(struct deadline *deadline)
{
	struct tls_front *front = CONTAINER_OF(deadline, struct tls_front, deadline);
	struct slot *slot = front->fronts->http->worker->slot;

	if (front->state == FRONT_HANDSHAKE) {
		stat_add(slot, STAT_tls_handshakes_timed_out, 1);
		front_destroy(front);
	} else if (is_too_slow(front)) {
		stat_add(slot, STAT_tls_cut_slow, 1);
		tls_front_reset(front);
	} else {
		http_start_deadline(front->fronts->http, HTTP_DEADLINE_TAIL, &front->deadline);
	}
}

void tls_fronts_end_unready(struct tls_fronts *fronts, int64_t began_ms)
{
	struct tls_front *next;

	for (struct tls_front *front = fronts->first; front; front = next) {
		next = front->next;
		if (front->state == FRONT_HANDSHAKE && front->since_ms < began_ms)
			front_destroy(front);
	}
}

int tls_front_socket(const struct tls_front *front)
{
	return front->socket.fd;
}

static void read_all(int fd, struct buffer *ret)
{
	ssize_t got;

	do {
		char *room = buffer_reserve(ret, TLS_RECORD_MAX);
		got = recv(fd, room, TLS_RECORD_MAX, MSG_DONTWAIT);
		if (got > 0)
			ret->len += (size_t)got;
	} while (got > 0);
}

void tls_front_take(struct tls_front *front, int mhd_fd, struct tls_taken *ret)
{
	*ret = (struct tls_taken){.session = front->session, .fd = front->socket.fd};
	read_all(front->pair.fd, &ret->unsent);
	read_all(mhd_fd, &ret->unread);
	buffer_append(&ret->unread, front->held.at + front->held_at,
		      front->held.len - front->held_at);
	/* Its socket goes on with somebody else's watcher. */
	ev_io_stop(front->fronts->http->worker->loop, &front->socket);
	front->session = NULL;
	front->socket.fd = -1;
	front_destroy(front);
}

size_t tls_fronts_count(const struct tls_fronts *fronts)
{
	return fronts ? fronts->count : 0;
}

size_t tls_fronts_alone(const struct tls_fronts *fronts)
{
	return fronts ? fronts->count - fronts->joined : 0;
}

struct tls_fronts *tls_fronts_create(struct http *http, const struct tls_files *files)
{
	struct tls_fronts *fronts = calloc(1, sizeof(*fronts));

	MUST(fronts);
	fronts->http = http;
	fronts->server = tls_server_create(files, http->worker->slot);
	if (fronts->server)
		return fronts;
	free(fronts);
	return NULL;
}

void tls_fronts_destroy(struct tls_fronts *fronts)
{
	if (!fronts)
		return;
	while (fronts->first) {
		struct tls_front *front = fronts->first;

		/* Nothing twice: that would be a fault of ours, and no end. */
		for (unsigned nothing = 0; front->state == FRONT_OPEN && nothing < 2;) {
			int error = pump_once(front);

			if (error && error != -ENODATA)
				break;
			nothing += error == -ENODATA;
		}
		front_destroy(front);
	}
	tls_server_destroy(fronts->server);
	free(fronts);
}
