/* send_ring.h — one call into the kernel that sends to many sockets (io_uring): like sendmmsg(2),
 * but with a socket for each message. Knows no connection. To be had where the build has liburing,
 * and kernel and sandbox allow it. One per worker process, made in it: not shared, closed on exec.
 *
 * The ring can do nothing but send: what a process does through io_uring, its seccomp filter does
 * not see, so the kernel is told once and for all (IORING_REGISTER_RESTRICTIONS) that this ring
 * takes no other operation, and no registration. Linux 5.10 can do that; older ones count as having
 * no io_uring. */
#ifndef SYNCDOC_SEND_RING_H
#define SYNCDOC_SEND_RING_H

#include "base.h"

#include <sys/types.h>

#define SEND_RING_MAX 512 /* sends a call; more per call were no cheaper */

struct send_ring;

struct send_ring_entry {
	int fd;
	const void *at; /* borrowed until send_ring_send() returns */
	size_t len;     /* not 0 */
	ssize_t result; /* bytes the socket took; or -Exxx: -EAGAIN, it took none */
};

#ifdef SYNCDOC_IO_URING
/* -ENOSYS: not in this build or kernel; -EPERM, -ENOMEM…: what the kernel says. */
int send_ring_create(struct send_ring **ret_ring);
void send_ring_destroy(struct send_ring *ring); /* NULL is fine */
/* Sends all (at most SEND_RING_MAX), never waits for a socket, and returns when each has its
 * result: nothing is in flight any more. An error: the ring is of no more use. The results are
 * there all the same: -EAGAIN for what never reached the kernel, -EIO for what may have been sent
 * or not. */
int send_ring_send(struct send_ring *ring, struct send_ring_entry *entries, unsigned count);
#else
static inline int send_ring_create(struct send_ring **ret_ring)
{
	(void)ret_ring;
	return -ENOSYS;
}

static inline void send_ring_destroy(struct send_ring *ring)
{
	(void)ring;
}

static inline int send_ring_send(struct send_ring *ring, struct send_ring_entry *entries,
				 unsigned count)
{
	(void)ring;
	for (unsigned i = 0; i < count; i++)
		entries[i].result = -EAGAIN;
	return -ENOSYS;
}
#endif

#endif
