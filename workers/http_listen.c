/* http_listen.c — connections: accepted on the inherited listeners, counted, closed at a drain. MHD
 * could take one listen socket only, and spins when it is out of descriptors; so it runs without,
 * and gets its connections from here. */
#define _GNU_SOURCE
#include "http_private.h"

#include "client_address.h"
#include "request_private.h"
#include "revocations.h"
#include "tls_front.h"
#include "websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_TURN 64     /* per listener and loop turn, so that old connections are served, too */
#define ACCEPT_PAUSE_S 0.1 /* out of descriptors or memory */
#define DRAIN_SWEEP_S 0.1
#define DRAIN_FRESH_MS 1000 /* a new connection may still bring its first request that long */
#define TLS_DESCRIPTORS 3   /* its own, and the pair to MHD; a WebSocket over TLS has one */

/* --- accept ---------------------------------------------------------------- */

static void start_listeners(struct http *http)
{
	for (unsigned i = 0; i < http->listener_count; i++)
		ev_io_start(http->worker->loop, &http->listeners[i].watcher);
}

static void stop_listeners(struct http *http)
{
	for (unsigned i = 0; i < http->listener_count; i++)
		ev_io_stop(http->worker->loop, &http->listeners[i].watcher);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	start_listeners(CONTAINER_OF(timer, struct http, accept_pause));
}

/* The listener stays readable, so without a pause this would be a busy loop. */
static void pause_accepting(struct http *http, int error)
{
	static struct log_limit limit;

	if (log_allow(&limit))
		log_error("http: accept: %s, trying again in %d ms", strerror(error),
			  (int)(ACCEPT_PAUSE_S * 1000));
	stat_add(http->worker->slot, STAT_accepts_paused, 1);
	stop_listeners(http);
	ev_timer_set(&http->accept_pause, ACCEPT_PAUSE_S, 0.);
	ev_timer_start(http->worker->loop, &http->accept_pause);
}

static void count_refused(struct http *http, const char *why)
{
	static struct log_limit limit;

	stat_add(http->worker->slot, STAT_http_connections_refused, 1);
	if (log_allow(&limit))
		log_warning("http: connection refused: %s", why);
}

/* Has it no room for one more of that kind? */
static bool is_full(const struct http *http, bool tls)
{
	size_t websockets =
		http->worker->websockets ? websockets_count(http->worker->websockets) : 0;
	size_t connections = http_connections(http) + websockets;
	size_t descriptors = connections + (TLS_DESCRIPTORS - 1) * tls_fronts_count(http->fronts);

	return connections >= http->connection_max ||
	       descriptors + (tls ? TLS_DESCRIPTORS : 1) > http->descriptor_max;
}

static void add_connection(struct http *http, int fd, const struct sockaddr_storage *address,
			   socklen_t len)
{
	const struct sockaddr *peer = (const struct sockaddr *)address;
	bool tls = http->fronts && address->ss_family != AF_UNIX;

	if (is_full(http, tls)) {
		count_refused(http, "limits.connections, or the limit of descriptors");
		close(fd);
	} else if (!client_address_may_connect(http, peer)) {
		stat_add(http->worker->slot, STAT_connections_refused_address, 1);
		count_refused(http, "limits.per_address");
		close(fd);
	} else if (tls) {
		tls_fronts_accept(http->fronts, fd, peer, len);
	} else if (MHD_add_connection(http->mhd, fd, peer, len) != MHD_YES) {
		/* MHD has closed it. */
		count_refused(http, "no memory");
	} else {
		http_run_soon(http);
	}
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct http *http = CONTAINER_OF(watcher, struct listener, watcher)->http;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof(address);
		int fd = accept4(watcher->fd, (struct sockaddr *)&address, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add_connection(http, fd, &address, len);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(http, errno);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Anything else is a fault of that one connection (accept(2)). */
	}
}

/* --- connections ----------------------------------------------------------- */

static struct client *client_create(struct http *http, struct MHD_Connection *connection)
{
	struct client *client = calloc(1, sizeof(*client));
	const union MHD_ConnectionInfo *info;

	MUST(client);
	/* Each answer is copied before the next question: 1.0 gives all of them the same memory. */
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	MUST(info);
	client->http = http;
	client->fd = info->connect_fd;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	client->local = !info || !info->client_addr || info->client_addr->sa_family == AF_UNIX;
	client->front = tls_fronts_join(http->fronts, client, client->fd);
	client_address_come(client, client->local ? NULL : info->client_addr);
	client->since_ms = worker_monotonic_ms();
	client->next = http->clients;
	if (client->next)
		client->next->previous = client;
	http->clients = client;
	http->client_count++;
	http_client_wait(http, client);
	return client;
}

void http_client_wait(struct http *http, struct client *client)
{
	http_start_deadline(http, client->answered ? HTTP_DEADLINE_NEXT : HTTP_DEADLINE_FIRST,
			    &client->deadline);
}

/* Without an answer: what came of a request, if anything, is not even a line of it. */
void http_client_meet_deadline(struct deadline *deadline)
{
	struct client *client = CONTAINER_OF(deadline, struct client, deadline);

	client->silent = true;
	stat_add(client->http->worker->slot, STAT_http_connections_silent, 1);
	shutdown(client->fd, SHUT_RDWR); /* MHD sees the end and closes */
}

static void client_destroy(struct http *http, struct client *client)
{
	/* Where 0.9.75 fails twice with one request (too many cookies, for which it lets go of all
	 * headers, and then no Host), it does not say that the request is over. */
	if (client->request)
		request_complete(client->request);
	deadline_stop(&client->deadline);
	client_address_go(client);
	/* No first line: libmicrohttpd has refused it without telling us, or nothing came. */
	if (!client->answered && !client->silent && !client->upgraded)
		stat_add(http->worker->slot, STAT_http_connections_broken, 1);
	if (client->previous)
		client->previous->next = client->next;
	else
		http->clients = client->next;
	if (client->next)
		client->next->previous = client->previous;
	http->client_count--;
	if (client->front)
		tls_front_leave(client->front);
	free(client);
}

int http_client_socket(const struct client *client)
{
	return client->front ? tls_front_socket(client->front) : client->fd;
}

void http_connection_changed(void *arg, struct MHD_Connection *connection, void **socket_context,
			     enum MHD_ConnectionNotificationCode code)
{
	struct http *http = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = client_create(http, connection);
	} else if (*socket_context) {
		client_destroy(http, *socket_context);
		*socket_context = NULL;
	}
}

static bool is_unread(int fd)
{
	int unread = 0;

	return ioctl(fd, FIONREAD, &unread) || unread;
}

/* Between two requests, and not even the first bytes of the next one are there. */
static bool is_idle(const struct client *client)
{
	bool fresh = !client->answered && worker_monotonic_ms() - client->since_ms < DRAIN_FRESH_MS;

	return !client->request && !client->upgraded && !fresh && !is_unread(client->fd) &&
	       !is_unread(http_client_socket(client));
}

static void on_drain_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http *http = CONTAINER_OF(timer, struct http, drain_sweep);

	(void)events;
	for (struct client *client = http->clients; client; client = client->next)
		if (is_idle(client))
			shutdown(client->fd, SHUT_RDWR); /* MHD sees the end and closes */
	if (http->fronts)
		tls_fronts_end_unready(http->fronts, worker_monotonic_ms() - DRAIN_FRESH_MS);
	if (!http_connections(http))
		ev_timer_stop(loop, timer);
}

/* --- life ------------------------------------------------------------------ */

void http_listen_start(struct http *http)
{
	const struct inherit *inherit = http->worker->inherit;

	ev_timer_init(&http->drain_sweep, on_drain_sweep, DRAIN_SWEEP_S, DRAIN_SWEEP_S);
	ev_timer_init(&http->accept_pause, on_pause_over, 0., 0.);
	http->listener_count = inherit->listener_count;
	for (unsigned i = 0; i < inherit->listener_count; i++) {
		struct listener *listener = &http->listeners[i];
		int one = 1;

		/* Accepted sockets inherit it. Fails on a unix socket, which has no delay. */
		setsockopt(inherit->listeners[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		listener->http = http;
		ev_io_init(&listener->watcher, on_connection, inherit->listeners[i], EV_READ);
	}
	if (revocations_are_known(http->worker->revocations)) {
		start_listeners(http);
		return;
	}
	/* Clients wait in the accept queue instead of being refused, but not for ever: who needs no
	 * token is served also without Redis. */
	ev_timer_set(&http->accept_pause, (double)http->worker->config->redis_timeout_ms / 1000.,
		     0.);
	ev_timer_start(http->worker->loop, &http->accept_pause);
}

void http_accept_now(struct http *http)
{
	if (!ev_is_active(&http->accept_pause))
		return;
	ev_timer_stop(http->worker->loop, &http->accept_pause);
	start_listeners(http);
}

void http_listen_stop(struct http *http)
{
	stop_listeners(http);
	ev_timer_stop(http->worker->loop, &http->accept_pause);
}

void http_drain(struct http *http)
{
	http_listen_stop(http);
	on_drain_sweep(http->worker->loop, &http->drain_sweep, 0);
	if (http_connections(http))
		ev_timer_again(http->worker->loop, &http->drain_sweep);
}

size_t http_connections(const struct http *http)
{
	return http->client_count + tls_fronts_alone(http->fronts);
}

/* In a drain a connection counts until it is closed: its request may be on the way. */
size_t http_active(const struct http *http)
{
	return http->worker->draining ? http_connections(http) : http->active;
}
