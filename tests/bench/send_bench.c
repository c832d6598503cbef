/* send_bench.c — is io_uring a cheaper way to send one message to many sockets than a loop of
 * sendmsg(2)? One sender, one process that reads, TCP over loopback with TCP_NODELAY.
 *
 *     send_bench [SOCKETS BYTES [ROUNDS [REPEATS [awake|stopped]]]]     1000 200 200 5 awake
 *
 * `stopped`: the reader is stopped while messages are sent, and takes them afterwards: what sending
 * costs without waking anybody, which over loopback is a part of it and over a network is not.
 *
 * Each way sends the same rounds, in turn, several times over; the cheapest run of each counts, for
 * whatever else the machine does only adds to it. CPU is that of the sender's process with all
 * threads that the kernel gave it (SQPOLL and io-wq are among them), and of the reader's. */
#include "base.h"

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MAX 16384
#define BATCH 512 /* submissions made known to the kernel at once */
#define AHEAD_BYTES                                                                                \
	(16 << 10) /* that the reader may be behind, per socket: no buffer is ever full */
#define SENDER_CPU 0
#define READER_CPU 1

struct bench {
	int fds[SOCKETS_MAX];
	unsigned sockets, rounds;
	size_t len;
	char message[65536];
	_Atomic uint64_t *received; /* written by: the reader */
	uint64_t sent;
	pid_t reader;
	bool stops_reader;
	struct io_uring ring;
};

struct way {
	const char *name;
	bool plain;     /* send(2), without a header and a vector to copy */
	unsigned setup; /* flags of the ring */
	bool is_ring;
	bool fixed; /* descriptors are registered */
	bool skips; /* no completion where all went well */
	double best_sender_us, best_reader_us, best_rate;
};

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		sched_setaffinity(0, sizeof(cpus), &cpus);
}

static double clock_s(clockid_t clock)
{
	struct timespec now;

	MUST(clock_gettime(clock, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- the reader: takes everything, looks at nothing --- */

static void read_for_ever(const struct bench *bench, const struct sockaddr_in *address)
{
	struct epoll_event events[512];
	int epoll = epoll_create1(0);

	pin(READER_CPU);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	MUST(epoll >= 0);
	for (unsigned i = 0; i < bench->sockets; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		MUST(fd >= 0 &&
		     connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
		     epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	}
	for (;;) {
		int count = epoll_wait(epoll, events, ARRAY_LEN(events), -1);

		for (int i = 0; i < count; i++) {
			/* MSG_TRUNC: TCP throws the bytes away instead of copying them. */
			ssize_t got =
				recv(events[i].data.fd, NULL, 1 << 20, MSG_DONTWAIT | MSG_TRUNC);
			if (got == 0)
				_exit(0);
			if (got > 0) /* relaxed: only a figure */
				atomic_fetch_add_explicit(bench->received, (uint64_t)got,
							  memory_order_relaxed);
		}
	}
}

static void open_sockets(struct bench *bench)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	MUST(listener >= 0 && bind(listener, (struct sockaddr *)&address, len) == 0 &&
	     listen(listener, 4096) == 0 &&
	     getsockname(listener, (struct sockaddr *)&address, &len) == 0);
	bench->reader = fork();
	MUST(bench->reader >= 0);
	if (!bench->reader)
		read_for_ever(bench, &address);
	for (unsigned i = 0; i < bench->sockets; i++) {
		bench->fds[i] = accept(listener, NULL, NULL);
		MUST(bench->fds[i] >= 0);
		setsockopt(bench->fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	close(listener);
}

/* --- the sender --- */

static bool reader_is_behind(const struct bench *bench, uint64_t ahead)
{
	return bench->sent - atomic_load_explicit(bench->received, memory_order_relaxed) > ahead;
}

static void wait_for_reader(const struct bench *bench, uint64_t ahead)
{
	const struct timespec pause = {.tv_nsec = 20000};

	if (!reader_is_behind(bench, ahead))
		return;
	if (bench->stops_reader) {
		kill(bench->reader, SIGCONT);
		ahead = 0;
	}
	while (reader_is_behind(bench, ahead))
		nanosleep(&pause, NULL);
	if (bench->stops_reader)
		kill(bench->reader, SIGSTOP);
}

static void plain_round(struct bench *bench)
{
	for (unsigned i = 0; i < bench->sockets; i++)
		MUST(send(bench->fds[i], bench->message, bench->len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		     (ssize_t)bench->len);
}

static void send_round(struct bench *bench)
{
	struct iovec bytes = {bench->message, bench->len};
	const struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

	for (unsigned i = 0; i < bench->sockets; i++)
		MUST(sendmsg(bench->fds[i], &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		     (ssize_t)bench->len);
}

static void reap(struct bench *bench, unsigned count)
{
	struct io_uring_cqe *completion;
	unsigned head, seen = 0;

	while (seen < count) {
		unsigned before = seen;

		io_uring_for_each_cqe(&bench->ring, head, completion)
		{
			MUST(completion->res == (int)bench->len);
			seen++;
		}
		io_uring_cq_advance(&bench->ring, seen - before);
		if (seen < count)
			MUST(io_uring_wait_cqe(&bench->ring, &completion) == 0);
	}
}

static void ring_round(struct bench *bench, const struct way *way)
{
	bool polled = way->setup & IORING_SETUP_SQPOLL;

	for (unsigned i = 0; i < bench->sockets;) {
		unsigned begun = i;

		for (; i < bench->sockets && i - begun < BATCH; i++) {
			struct io_uring_sqe *entry = io_uring_get_sqe(&bench->ring);

			MUST(entry);
			io_uring_prep_send(entry, way->fixed ? (int)i : bench->fds[i],
					   bench->message, bench->len,
					   MSG_NOSIGNAL | (way->skips ? MSG_WAITALL : 0));
			entry->flags |= (way->fixed ? IOSQE_FIXED_FILE : 0) |
					(way->skips ? IOSQE_CQE_SKIP_SUCCESS : 0);
		}
		unsigned count = i - begun, wanted = way->skips || polled ? 0 : count;
		int submitted = io_uring_submit_and_wait(&bench->ring, wanted);
		MUST(submitted == (int)count || (polled && submitted >= 0));
		if (!way->skips)
			reap(bench, count);
		else if (polled)
			io_uring_sqring_wait(&bench->ring);
	}
}

/* False: this kernel has no such ring. */
static bool open_ring(struct bench *bench, const struct way *way)
{
	struct io_uring_params params = {.flags = way->setup, .sq_thread_idle = 1000};
	int error = io_uring_queue_init_params(BATCH, &bench->ring, &params);

	if (error) {
		printf("%-34s not here: %s\n", way->name, strerror(-error));
		return false;
	}
	if (way->fixed)
		MUST(io_uring_register_files(&bench->ring, bench->fds, bench->sockets) == 0);
	return true;
}

static void run(struct bench *bench, struct way *way)
{
	clockid_t reader_clock;
	double deliveries = (double)bench->sockets * bench->rounds;

	MUST(clock_getcpuclockid(bench->reader, &reader_clock) == 0);
	if (way->is_ring && !open_ring(bench, way))
		return;
	double sender = 0, reader = clock_s(reader_clock);
	double wall = clock_s(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < bench->rounds; i++) {
		wait_for_reader(bench, (uint64_t)bench->sockets * AHEAD_BYTES);
		bench->sent += (uint64_t)bench->sockets * bench->len;
		sender -= clock_s(CLOCK_PROCESS_CPUTIME_ID);
		if (way->is_ring)
			ring_round(bench, way);
		else if (way->plain)
			plain_round(bench);
		else
			send_round(bench);
		sender += clock_s(CLOCK_PROCESS_CPUTIME_ID);
	}
	wait_for_reader(bench, 0);
	wall = clock_s(CLOCK_MONOTONIC) - wall;
	sender = sender / deliveries * 1e6;
	reader = (clock_s(reader_clock) - reader) / deliveries * 1e6;
	if (way->is_ring)
		io_uring_queue_exit(&bench->ring);
	if (!way->best_rate || sender < way->best_sender_us) {
		way->best_sender_us = sender;
		way->best_reader_us = reader;
	}
	if (deliveries / wall > way->best_rate)
		way->best_rate = deliveries / wall;
}

/* What each send of a loop pays before it has sent anything: differs much between machines. */
static double system_call_us(void)
{
	const unsigned calls = 200000;
	double best = 1e9;

	for (unsigned i = 0; i < 5; i++) {
		double begun = clock_s(CLOCK_PROCESS_CPUTIME_ID);
		for (unsigned j = 0; j < calls; j++)
			syscall(SYS_getppid);
		double took = (clock_s(CLOCK_PROCESS_CPUTIME_ID) - begun) / calls * 1e6;
		best = took < best ? took : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	static struct way ways[] = {
		{.name = "sendmsg loop"},
		{.name = "send loop", .plain = true},
		{.name = "io_uring", .is_ring = true},
		{.name = "io_uring, registered", .is_ring = true, .fixed = true},
		{.name = "io_uring, registered, deferred",
		 .is_ring = true,
		 .fixed = true,
		 .setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
		{.name = "io_uring, registered, no completions",
		 .is_ring = true,
		 .fixed = true,
		 .skips = true,
		 .setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
		{.name = "io_uring, registered, SQPOLL",
		 .is_ring = true,
		 .fixed = true,
		 .setup = IORING_SETUP_SQPOLL},
	};
	struct rlimit limit;
	unsigned repeats = argc > 4 ? (unsigned)atoi(argv[4]) : 5;

	bench.sockets = argc > 2 ? (unsigned)atoi(argv[1]) : 1000;
	bench.len = argc > 2 ? (size_t)atoi(argv[2]) : 200;
	bench.rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 200;
	bench.stops_reader = argc > 5 && strcmp(argv[5], "stopped") == 0;
	if (!bench.sockets || bench.sockets > SOCKETS_MAX || !bench.len ||
	    bench.len > AHEAD_BYTES / 2 || !bench.rounds || !repeats) {
		fprintf(stderr,
			"usage: send_bench [SOCKETS BYTES [ROUNDS [REPEATS [awake|stopped]]]]\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	bench.received =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(bench.received != MAP_FAILED);
	pin(SENDER_CPU);
	open_sockets(&bench);
	for (unsigned i = 0; i < repeats; i++)
		for (size_t w = 0; w < ARRAY_LEN(ways); w++)
			run(&bench, &ways[w]);
	printf("%u sockets, %zu bytes, %u rounds, the best of %u%s; an empty system call: %.3f "
	       "us\n",
	       bench.sockets, bench.len, bench.rounds, repeats,
	       bench.stops_reader ? ", the reader stopped" : "", system_call_us());
	for (size_t w = 0; w < ARRAY_LEN(ways); w++)
		printf("%-38s sender %.3f us, reader %.3f us of CPU a delivery, %.0f deliveries/s, "
		       "sender / loop %.2f\n",
		       ways[w].name, ways[w].best_sender_us, ways[w].best_reader_us,
		       ways[w].best_rate, ways[w].best_sender_us / ways[0].best_sender_us);
	kill(bench.reader, SIGKILL);
	waitpid(bench.reader, NULL, 0);
	return 0;
}
