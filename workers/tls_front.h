/* tls_front.h — TLS in front of libmicrohttpd: what comes from a client goes decrypted into a
 * socket pair, at whose other end MHD takes it for any connection, and back. A front begins with
 * the accepted socket, so handshakes count for the limits; it ends when its socket does, or gives
 * the session away with which a WebSocket goes on alone.
 *
 * Either side may be the slower one: of each direction at most what one read has brought waits
 * here, beside what kernel and GnuTLS hold, and then the other side is not read. */
#ifndef SYNCDOC_TLS_FRONT_H
#define SYNCDOC_TLS_FRONT_H

#include "buffer.h"
#include "http.h"

struct client;
struct deadline;
struct tls_front;
struct tls_fronts; /* all of a worker */
struct tls_session;
struct tls_files;

/* NULL: GnuTLS does not take the files; logged. */
struct tls_fronts *tls_fronts_create(struct http *http, const struct tls_files *files);
/* After MHD has ended: what it has still said goes out as far as the sockets take it. */
void tls_fronts_destroy(struct tls_fronts *fronts);
/* Takes `fd` over. */
void tls_fronts_accept(struct tls_fronts *fronts, int fd, const struct sockaddr *peer,
		       socklen_t len);
/* In a drain: those that began their handshake before `began_ms` and are still at it end. */
void tls_fronts_end_unready(struct tls_fronts *fronts, int64_t began_ms);
/* All, and those without a client of http_listen.c: before MHD has them, or after. */
size_t tls_fronts_count(const struct tls_fronts *fronts);
size_t tls_fronts_alone(const struct tls_fronts *fronts);

/* The front of the client that MHD tells of now, which it may do long after it got `mhd_fd` (1.0);
 * NULL: it has none. */
struct tls_front *tls_fronts_join(struct tls_fronts *fronts, struct client *client, int mhd_fd);
/* MHD has let go of its client. */
void tls_front_leave(struct tls_front *front);

/* The client's own socket: client->fd is an end of the pair. */
int tls_front_socket(const struct tls_front *front);
/* Ends it with a reset, so that the kernel does not keep what the client does not read. */
void tls_front_reset(struct tls_front *front);
/* A deadline of a handshake, or of the last bytes, is over. */
void tls_front_meet_deadline(struct deadline *deadline);

/* What a WebSocket goes on with. */
struct tls_taken {
	struct tls_session *session; /* the caller's now */
	int fd;                      /* the caller's now */
	struct buffer unsent;        /* from MHD to the client: its 101 */
	struct buffer unread;        /* from the client, behind what MHD has read */
};
/* Ends the front without its session. `mhd_fd`: the other end of its pair. */
void tls_front_take(struct tls_front *front, int mhd_fd, struct tls_taken *ret);

#endif
