/* http_tls.c — WebSockets over TLS. MHD keeps the session and copies between it and a socket pair,
 * whose other end is the connection's socket; a connection over TLS so costs three descriptors, two
 * copies and what MHD and GnuTLS keep for it. Taking the session out of MHD is not possible. */
#include "http_private.h"

#include <poll.h>
#include <sys/socket.h>

#define SWEEP_S 0.25

/* The client's end is closed, but MHD does not tell the socket pair. Two sweeps have to see it:
 * what the client sent before is through by then. */
static void look_at(struct client *client, short events)
{
	if (!(events & (POLLRDHUP | POLLHUP | POLLERR)))
		return;
	if (client->peer_gone && !client->closing)
		shutdown(client->upgrade_fd, SHUT_RD);
	client->peer_gone = true;
}

static bool is_watched(const struct client *client)
{
	return client->upgrade && !client->closing;
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http *http = CONTAINER_OF(timer, struct http, tls_sweep);
	struct pollfd *polled = calloc(http->tls_upgraded + 1, sizeof(*polled));
	nfds_t count = 0, at = 0;

	(void)events;
	MUST(polled);
	for (struct client *client = http->clients; client; client = client->next)
		if (is_watched(client) && count < http->tls_upgraded)
			polled[count++] = (struct pollfd){.fd = client->fd, .events = POLLRDHUP};
	if (poll(polled, count, 0) > 0)
		for (struct client *client = http->clients; client && at < count;
		     client = client->next)
			if (is_watched(client))
				look_at(client, polled[at++].revents);
	free(polled);
	if (!http->tls_upgraded)
		ev_timer_stop(loop, timer);
}

void http_tls_init(struct http *http)
{
	ev_init(&http->tls_sweep, on_sweep);
	http->tls_sweep.repeat = SWEEP_S;
}

void http_tls_fini(struct http *http)
{
	ev_timer_stop(http->worker->loop, &http->tls_sweep);
}

void http_tls_keep(struct client *client, struct MHD_UpgradeResponseHandle *handle, int fd)
{
	struct http *http = client->http;

	client->upgrade = handle;
	client->upgrade_fd = fd;
	if (!ev_is_active(&http->tls_sweep))
		ev_timer_again(http->worker->loop, &http->tls_sweep);
}

void http_tls_close(struct client *client)
{
	client->closing = true;
	client->http->tls_closing++;
	/* A peer that takes nothing is not waited for long. */
	http_start_deadline(client->http, HTTP_DEADLINE_CLOSE, &client->deadline);
	MHD_upgrade_action(client->upgrade, MHD_UPGRADE_ACTION_CLOSE);
	http_run_soon(client->http);
}
