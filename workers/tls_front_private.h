/* tls_front_private.h — shared by tls_front.c and tls_pump.c. */
#ifndef SYNCDOC_TLS_FRONT_PRIVATE_H
#define SYNCDOC_TLS_FRONT_PRIVATE_H

#include "http_private.h"
#include "tls_front.h"
#include "tls_session.h"
#include <bsd/sys/queue.h>

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
	int mhd_fd; /* borrowed: MHD's end; -1: not in fronts->joining */
	TAILQ_ENTRY(tls_front) link;
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
	TAILQ_HEAD(, tls_front) joining; /* MHD has their ends, but has not told of them yet */
	size_t count, joined;
	char bytes[TLS_INPUT_MIN]; /* scratch */
};

/* tls_pump.c. 0, or an -errno that is the end of the front. */

/* From the client to MHD. */
int tls_front_pump_in(struct tls_front *front);
/* From MHD to the client; ends with the farewell. */
int tls_front_pump_out(struct tls_front *front);
/* One record of it. -EAGAIN: the socket takes no more now; -ENODATA: there is no more now. */
int tls_front_pump_once(struct tls_front *front);
/* -EAGAIN: not yet. -ESHUTDOWN: all is said. Not closed at once: see linger.h. */
int tls_front_say_farewell(struct tls_front *front);
void tls_front_close_pair(struct tls_front *front);

#endif
