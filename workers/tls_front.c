/* tls_front.c — fronts come and go: handshakes, deadlines, and the end. What they copy: tls_pump.c.
 */
#include "tls_front_private.h"

#include "address_count.h"
#include "client_address.h"
#include "slow_reader.h"

#include <sys/socket.h>
#include <unistd.h>

/* --- end --------------------------------------------------------------------- */

static void stop_joining(struct tls_front *front)
{
	if (front->mhd_fd >= 0)
		TAILQ_REMOVE(&front->fronts->joining, front, link);
	front->mhd_fd = -1;
}

static void front_destroy(struct tls_front *front)
{
	struct tls_fronts *fronts = front->fronts;
	struct worker *worker = fronts->http->worker;

	if (front->client) {
		front->client->front = NULL;
		fronts->joined--;
	}
	stop_joining(front);
	deadline_stop(&front->deadline);
	tls_front_close_pair(front);
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
	front->mhd_fd = pair[1];
	TAILQ_INSERT_HEAD(&fronts->joining, front, link);
	if (MHD_add_connection(http->mhd, pair[1], (const struct sockaddr *)&front->peer,
			       front->peer_len) != MHD_YES)
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
		error = tls_front_say_farewell(front);
	} else {
		if (events & EV_WRITE)
			error = tls_front_pump_out(front);
		if (events & EV_READ && !error && front->state == FRONT_OPEN)
			error = tls_front_pump_in(front);
	}
	finish_turn(front, error);
}

static void on_pair(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct tls_front *front = CONTAINER_OF(watcher, struct tls_front, pair);
	int error = 0;

	(void)loop;
	if (events & EV_WRITE)
		error = tls_front_pump_in(front);
	if (events & EV_READ && !error)
		error = tls_front_pump_out(front);
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
	front->mhd_fd = -1;
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

struct tls_front *tls_fronts_join(struct tls_fronts *fronts, struct client *client, int mhd_fd)
{
	struct tls_front *front = fronts ? TAILQ_FIRST(&fronts->joining) : NULL;

	/* The newest of that number, should MHD have closed one without telling of it. */
	while (front && front->mhd_fd != mhd_fd)
		front = TAILQ_NEXT(front, link);
	if (!front)
		return NULL;
	stop_joining(front);
	front->client = client;
	fronts->joined++;
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
	TAILQ_INIT(&fronts->joining);
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
			int error = tls_front_pump_once(front);

			if (error && error != -ENODATA)
				break;
			nothing += error == -ENODATA;
		}
		front_destroy(front);
	}
	tls_server_destroy(fronts->server);
	free(fronts);
}
