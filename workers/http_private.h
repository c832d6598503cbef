/* http_private.h — the inside of struct http and of its clients, for http*.c, tls_front*.c and what
 * includes request_private.h. */
#ifndef SYNCDOC_HTTP_PRIVATE_H
#define SYNCDOC_HTTP_PRIVATE_H

#include "address.h"
#include "deadline.h"
#include "http.h"

#include <microhttpd.h>
#include <netinet/in.h>

struct address_rate;
struct host_check;
struct lingers;
struct tls_front;
struct tls_fronts;

/* One TCP or unix connection that MHD has. */
struct client {
	struct client *previous, *next;
	struct http *http;        /* borrowed */
	int fd;                   /* borrowed: MHD closes it */
	struct tls_front *front;  /* borrowed: fd leads to it; NULL: no TLS, or gone */
	bool local;               /* over a unix socket */
	struct in6_addr address;  /* of the peer; all zero over a unix socket */
	bool is_proxy;            /* one of trusted_proxies */
	bool counts;              /* in worker->addresses */
	bool silent;              /* ended for it */
	bool upgraded;            /* its socket belongs to websocket.c now */
	int64_t since_ms;         /* monotonic: its start */
	uint64_t answered;        /* requests that are over */
	struct request *request;  /* the one under way, or NULL */
	struct deadline deadline; /* while there is none: its next one must have begun */
};

enum http_deadline {
	HTTP_DEADLINE_FIRST,     /* struct client: from its start to its first request line */
	HTTP_DEADLINE_NEXT,      /* struct client: from an answer to the next request line */
	HTTP_DEADLINE_ANSWER,    /* struct request: from its first line to its answer */
	HTTP_DEADLINE_READER,    /* struct request: a period in which its answer must be read */
	HTTP_DEADLINE_SENDER,    /* struct request: a period in which more of it must come */
	HTTP_DEADLINE_HANDSHAKE, /* struct tls_front: from its start to the end of its handshake */
	HTTP_DEADLINE_TAIL, /* struct tls_front: a period in which what MHD has left must be read */
	HTTP_DEADLINE_COUNT
};

struct listener {
	ev_io watcher;
	struct http *http;
};

struct http {
	struct worker *worker;
	struct MHD_Daemon *mhd;
	ev_io watcher;             /* MHD's epoll descriptor */
	struct tls_fronts *fronts; /* owned; NULL: no TLS */
	struct host_check *host_check;
	struct lingers *lingers;
	struct address_network *proxies; /* owned: trusted_proxies */
	size_t proxy_count;
	struct address_rate *rate; /* owned; NULL: no limits.requests_per_address */

	/* The loop around MHD_run(). */
	ev_timer timer;
	ev_prepare prepare;
	bool running;   /* inside MHD_run() */
	bool run_soon;  /* there is work that no descriptor tells of */
	size_t waiting; /* requests that MHD will ask for their answers; request_wait.c */

	struct listener listeners[INHERIT_LISTENERS_MAX];
	unsigned listener_count;
	ev_timer accept_pause;
	unsigned connection_max;
	size_t descriptor_max; /* of all connections together */

	struct client *clients;
	size_t client_count;
	ev_timer drain_sweep;

	struct deadline_list deadlines[HTTP_DEADLINE_COUNT];
	ev_timer deadline_timer;
	int64_t deadline_ms; /* monotonic: when it fires, or DEADLINE_NEVER */
	size_t active;       /* requests that are not over */
};

/* http.c */
void http_start_deadline(struct http *http, enum http_deadline which, struct deadline *deadline);

/* http_listen.c: connections come and go. */
/* Its request is over, or it is new: from now on it owes the next one. */
void http_client_wait(struct http *http, struct client *client);
void http_client_meet_deadline(struct deadline *deadline);
void http_listen_start(struct http *http);
void http_listen_stop(struct http *http);
/* The socket that the client is at. client->fd is where MHD reads and writes: over TLS an end of a
 * socket pair. */
int http_client_socket(const struct client *client);
/* MHD_NotifyConnectionCallback; arg is the struct http. */
void http_connection_changed(void *arg, struct MHD_Connection *connection, void **socket_context,
			     enum MHD_ConnectionNotificationCode code);

#endif
