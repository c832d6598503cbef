/* linger.h — sockets closed while the client was still sending. close() with unread bytes makes the
 * kernel send a reset, which may overtake our last answer; so a copy of the descriptor stays open,
 * and what comes is thrown away, until the client closes. */
#ifndef SYNCDOC_LINGER_H
#define SYNCDOC_LINGER_H

#include <ev.h>

struct lingers;

struct lingers *lingers_create(struct ev_loop *loop);
void lingers_destroy(struct lingers *lingers); /* closes what is left; NULL is fine */
/* `fd` is not taken over. Beyond the limits (64 at once, 16 MiB or 5 s each) the close is a hard
 * one. */
void linger_on(struct lingers *lingers, int fd);

#endif
