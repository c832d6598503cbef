/* http_private.h — shared by http.c, http_listen.c and request.c only. */
#ifndef SYNCDOC_HTTP_PRIVATE_H
#define SYNCDOC_HTTP_PRIVATE_H

#include "http.h"

#include <microhttpd.h>

struct host_check;
struct lingers;

/* One TCP or unix connection that MHD has. */
struct client {
	struct client *previous, *next;
	int fd;                  /* borrowed: MHD closes it */
	bool local;              /* over a unix socket */
	bool upgraded;           /* its socket belongs to websocket.c now */
	double since;            /* ev_now() of its start */
	uint64_t answered;       /* requests that are over */
	struct request *request; /* the one under way, or NULL */
};

struct listener {
	ev_io watcher;
	struct http *http;
};

struct http {
	struct worker *worker;
	struct MHD_Daemon *daemon;
	struct host_check *host_check;
	struct lingers *lingers;

	/* The loop around MHD_run(). */
	ev_io watcher; /* MHD's epoll descriptor */
	ev_timer timer;
	ev_prepare prepare;
	bool running;  /* inside MHD_run() */
	bool run_soon; /* there is work that no descriptor tells of */

	struct listener listeners[INHERIT_LISTENERS_MAX];
	unsigned listener_count;
	ev_timer accept_pause;
	unsigned connection_max;

	struct client *clients;
	size_t client_count;
	ev_timer drain_sweep;

	/* Requests not answered yet, oldest first: all have the same time, so the first is the
	 * first to meet its deadline. */
	struct request *oldest, *newest;
	ev_timer deadline;
	size_t active; /* requests that are not over */
};

/* http_listen.c: connections come and go. */
void http_listen_start(struct http *http);
void http_listen_stop(struct http *http);
/* MHD_NotifyConnectionCallback; arg is the struct http. */
void http_connection_changed(void *arg, struct MHD_Connection *connection, void **socket_context,
			     enum MHD_ConnectionNotificationCode code);

#endif
