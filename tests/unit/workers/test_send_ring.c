/* test_send_ring.c — many sends in one call: what each socket took, and what the ring refuses. */
#include "forbid_call.h"

/* To ask its ring for what no function of it asks for. */
#include "../../../workers/send_ring.c"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SMALL_SNDBUF 1 /* the kernel takes its least: some KiB */

static struct send_ring *ring;
static int server[SEND_RING_MAX], client[SEND_RING_MAX];
static struct send_ring_entry entries[SEND_RING_MAX];

/* Once for all tests of a process: a container may forbid it. */
static void start(void)
{
	struct rlimit limit;
	int error = send_ring_create(&ring);

	if (error)
		cr_skip_test("no io_uring here: %s", strerror(-error));
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void connect_pairs(unsigned count, int sndbuf)
{
	for (unsigned i = 0; i < count; i++) {
		int fds[2];

		cr_assert_eq(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
		server[i] = fds[0];
		client[i] = fds[1];
		if (sndbuf)
			setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
		entries[i] = (struct send_ring_entry){.fd = server[i], .result = 1234567};
	}
}

static void finish(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		close(server[i]);
		close(client[i]);
	}
	send_ring_destroy(ring);
	ring = NULL;
}

static void expect_bytes(unsigned place, const char *at, size_t len)
{
	char got[64];

	cr_assert_leq(len, sizeof(got));
	cr_assert_eq(recv(client[place], got, sizeof(got), 0), (ssize_t)len, "socket %u", place);
	cr_assert_eq(memcmp(got, at, len), 0, "socket %u", place);
}

static void expect_no_bytes(unsigned place)
{
	char byte;

	cr_assert_eq(recv(client[place], &byte, 1, 0), -1, "socket %u", place);
	cr_assert_eq(errno, EAGAIN);
}

TestSuite(send_ring, .timeout = 30);

Test(send_ring, each_of_512_sockets_gets_its_own_bytes_over_and_over)
{
	static char texts[SEND_RING_MAX][32];

	start();
	connect_pairs(SEND_RING_MAX, 0);
	for (unsigned round = 0; round < 5; round++) {
		unsigned count = round % 2 ? 7 : SEND_RING_MAX;

		for (unsigned i = 0; i < count; i++) {
			snprintf(texts[i], sizeof(texts[i]), "round %u to %u", round, i);
			entries[i].at = texts[i];
			entries[i].len = strlen(texts[i]);
		}
		cr_assert_eq(send_ring_send(ring, entries, count), 0);
		for (unsigned i = 0; i < count; i++) {
			cr_assert_eq(entries[i].result, (ssize_t)strlen(texts[i]));
			expect_bytes(i, texts[i], strlen(texts[i]));
		}
		for (unsigned i = 0; i < SEND_RING_MAX; i++)
			expect_no_bytes(i);
	}
	finish(SEND_RING_MAX);
}

Test(send_ring, a_full_socket_takes_nothing_and_does_not_hold_up_the_others)
{
	char junk[4096] = {0};

	start();
	connect_pairs(3, SMALL_SNDBUF);
	while (send(server[1], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	while (send(server[1], junk, 1, MSG_DONTWAIT) > 0)
		;
	for (unsigned i = 0; i < 3; i++) {
		entries[i].at = "event";
		entries[i].len = 5;
	}
	cr_assert_eq(send_ring_send(ring, entries, 3), 0);
	cr_assert_eq(entries[0].result, 5);
	cr_assert_eq(entries[1].result, -EAGAIN);
	cr_assert_eq(entries[2].result, 5);
	expect_bytes(2, "event", 5);
	/* What it did not take is not sent behind our back later. */
	size_t behind = 0;
	ssize_t got;
	while ((got = recv(client[1], junk, sizeof(junk), 0)) > 0)
		for (ssize_t i = 0; i < got; i++)
			behind += junk[i] != 0;
	cr_assert_eq(behind, 0);
	finish(3);
}

Test(send_ring, a_socket_with_some_room_takes_some)
{
	static char bytes[1 << 20];

	start();
	connect_pairs(1, SMALL_SNDBUF);
	memset(bytes, 'x', sizeof(bytes));
	entries[0].at = bytes;
	entries[0].len = sizeof(bytes);
	cr_assert_eq(send_ring_send(ring, entries, 1), 0);
	cr_assert_gt(entries[0].result, 0);
	cr_assert_lt(entries[0].result, (ssize_t)sizeof(bytes));
	size_t have = 0;
	ssize_t got;
	while ((got = recv(client[0], bytes, sizeof(bytes), 0)) > 0)
		have += (size_t)got;
	cr_assert_eq(have, (size_t)entries[0].result);
	finish(1);
}

Test(send_ring, who_has_gone_is_an_error_of_its_own_and_no_signal)
{
	start();
	connect_pairs(4, 0);
	close(client[1]);
	close(server[2]);
	for (unsigned i = 0; i < 4; i++) {
		entries[i].at = "event";
		entries[i].len = 5;
	}
	cr_assert_eq(send_ring_send(ring, entries, 4), 0);
	cr_assert_eq(entries[0].result, 5);
	cr_assert_eq(entries[1].result, -EPIPE);
	cr_assert_eq(entries[2].result, -EBADF);
	cr_assert_eq(entries[3].result, 5);
	client[1] = server[2] = -1;
	finish(4);
}

Test(send_ring, it_is_closed_on_exec)
{
	start();
	cr_assert(fcntl(ring->uring.ring_fd, F_GETFD) & FD_CLOEXEC);
	finish(0);
}

/* What a seccomp filter would not see. */
Test(send_ring, it_takes_nothing_but_sends_and_no_registration)
{
	static const struct {
		const char *what;
		int operation;
	} table[] = {
		{"to open a file", IORING_OP_OPENAT},   {"to read", IORING_OP_READ},
		{"to write", IORING_OP_WRITE},          {"to connect", IORING_OP_CONNECT},
		{"to make a socket", IORING_OP_SOCKET}, {"nothing at all", IORING_OP_NOP},
	};

	start();
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct io_uring_sqe *request = io_uring_get_sqe(&ring->uring);
		struct io_uring_cqe *completion;

		io_uring_prep_rw(table[i].operation, request, AT_FDCWD, "/etc/hosts", 0, 0);
		cr_assert_eq(io_uring_submit_and_wait(&ring->uring, 1), 1);
		cr_assert_eq(io_uring_peek_cqe(&ring->uring, &completion), 0);
		cr_expect_eq(completion->res, -EACCES, "%s: %d", table[i].what, completion->res);
		io_uring_cqe_seen(&ring->uring, completion);
	}
	cr_expect_eq(io_uring_register_files(&ring->uring, (int[]){0}, 1), -EACCES);
	cr_expect_eq(io_uring_register((unsigned)ring->uring.ring_fd, IORING_REGISTER_PERSONALITY,
				       NULL, 0),
		     -EACCES);
	finish(0);
}

Test(send_ring, where_it_is_forbidden_it_says_how)
{
	forbid_call(SYS_io_uring_setup, EPERM);
	cr_assert_eq(send_ring_create(&ring), -EPERM);
}

Test(send_ring, an_old_kernel_has_none)
{
	forbid_call(SYS_io_uring_setup, ENOSYS);
	cr_assert_eq(send_ring_create(&ring), -ENOSYS);
}

Test(send_ring, a_kernel_that_cannot_restrict_it_has_none_and_no_descriptor_is_left)
{
	start();
	int before = dup(0);
	close(before);
	forbid_call(SYS_io_uring_register, EINVAL);
	struct send_ring *other;
	cr_assert_eq(send_ring_create(&other), -ENOSYS);
	int after = dup(0);
	cr_assert_eq(before, after);
	close(after);
	finish(0);
}

Test(send_ring, one_that_breaks_has_sent_nothing_and_says_so)
{
	start();
	connect_pairs(3, 0);
	forbid_call(SYS_io_uring_enter, EPERM);
	for (unsigned i = 0; i < 3; i++) {
		entries[i].at = "event";
		entries[i].len = 5;
	}
	cr_assert_eq(send_ring_send(ring, entries, 3), -EPERM);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(entries[i].result, -EAGAIN);
		expect_no_bytes(i);
	}
	finish(3);
}
