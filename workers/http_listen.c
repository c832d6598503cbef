/* http_listen.c — accepts on the inherited listeners. MHD can take one listen socket only, and
 * stops asking where it cannot accept; so it runs without, and gets connections from here. */
#define _GNU_SOURCE
#include "http_private.h"

#include "websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_TURN 64     /* per listener and loop turn, so that old connections are served, too */
#define ACCEPT_PAUSE_S 0.1 /* out of descriptors or memory */

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

static void add_connection(struct http *http, int fd, const struct sockaddr_storage *address,
			   socklen_t len)
{
	size_t taken_over =
		http->worker->websockets ? websockets_count(http->worker->websockets) : 0;

	if (http->client_count + taken_over >= http->connection_max) {
		count_refused(http, "limits.connections, or the limit of descriptors");
		close(fd);
	} else if (MHD_add_connection(http->daemon, fd, (const struct sockaddr *)address, len) !=
		   MHD_YES) {
		/* MHD has closed it. */
		count_refused(http, "limits.per_address, or no memory");
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

void http_listen_start(struct http *http)
{
	const struct inherit *inherit = http->worker->inherit;

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
	start_listeners(http);
}

void http_listen_stop(struct http *http)
{
	stop_listeners(http);
	ev_timer_stop(http->worker->loop, &http->accept_pause);
}
