/* send_ring.c — see send_ring.h. Sends with MSG_DONTWAIT end while they are submitted, so a call
 * that submits finds all their results; it is still asked to wait, for that is nowhere promised. */
#include "send_ring.h"

#include <liburing.h>
#include <sys/socket.h>

/* Calls in a row that brought no result. A signal may be the cause, or a shortage of memory. */
#define TRIES 16

struct send_ring {
	struct io_uring uring;
};

/* Only sends, only plain ones, and nothing may be registered: in force from here on. */
static int restrict_and_enable(struct io_uring *uring)
{
	struct io_uring_restriction only_sends = {.opcode = IORING_RESTRICTION_SQE_OP,
						  .sqe_op = IORING_OP_SEND};
	/* liburing 2.3 has functions for both in its header only. */
	int error = io_uring_register((unsigned)uring->ring_fd, IORING_REGISTER_RESTRICTIONS,
				      &only_sends, 1);

	/* Not known before Linux 5.10. */
	return error ? (error == -EINVAL ? -ENOSYS : error)
		     : io_uring_register((unsigned)uring->ring_fd, IORING_REGISTER_ENABLE_RINGS,
					 NULL, 0);
}

static int open_uring(struct io_uring *uring)
{
	/* The newest flags first: Linux 6.1, 5.19, 5.10. Results are made by whoever asks for
	 * them, instead of by interrupting this process. */
	static const unsigned flags[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
					 IORING_SETUP_COOP_TASKRUN, 0};
	int error = -EINVAL;

	for (size_t i = 0; i < ARRAY_LEN(flags) && error == -EINVAL; i++)
		error = io_uring_queue_init(SEND_RING_MAX, uring,
					    IORING_SETUP_R_DISABLED | flags[i]);
	return error == -EINVAL ? -ENOSYS : error;
}

int send_ring_create(struct send_ring **ret_ring)
{
	struct send_ring *ring = calloc(1, sizeof(*ring));

	MUST(ring);
	int error = open_uring(&ring->uring);
	if (error)
		goto fail;
	error = restrict_and_enable(&ring->uring);
	if (error)
		goto fail_open;
	*ret_ring = ring;
	return 0;
fail_open:
	io_uring_queue_exit(&ring->uring);
fail:
	free(ring);
	return error;
}

void send_ring_destroy(struct send_ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->uring);
	free(ring);
}

static void prepare(struct send_ring *ring, struct send_ring_entry *entries, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct io_uring_sqe *request = io_uring_get_sqe(&ring->uring);

		MUST(request); /* the last call left none behind */
		io_uring_prep_send(request, entries[i].fd, entries[i].at, entries[i].len,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
		request->user_data = i;
		entries[i].result = -EIO;
	}
}

static unsigned reap(struct send_ring *ring, struct send_ring_entry *entries, unsigned count)
{
	struct io_uring_cqe *completion;
	unsigned head, reaped = 0;

	io_uring_for_each_cqe(&ring->uring, head, completion)
	{
		MUST(completion->user_data < count);
		entries[completion->user_data].result = completion->res;
		reaped++;
	}
	(void)head; /* which not every liburing reads */
	io_uring_cq_advance(&ring->uring, reaped);
	return reaped;
}

int send_ring_send(struct send_ring *ring, struct send_ring_entry *entries, unsigned count)
{
	unsigned left = count, failures = 0;
	int error = 0;

	MUST(count <= SEND_RING_MAX);
	prepare(ring, entries, count);
	while (left && failures < TRIES) {
		error = io_uring_submit_and_wait(&ring->uring, left);
		unsigned reaped = reap(ring, entries, count);
		MUST(reaped <= left);
		left -= reaped;
		failures = reaped ? 0 : failures + 1;
	}
	if (!left)
		return 0;
	/* They are taken in order. */
	unsigned untaken = io_uring_sq_ready(&ring->uring);
	MUST(untaken <= left);
	for (unsigned i = count - untaken; i < count; i++)
		entries[i].result = -EAGAIN;
	return error < 0 ? error : -EIO;
}
