/* test_seccomp_filter.c — what a worker can still ask of the kernel. Each case in a child, which
 * the filter is put on; built without sanitizers, which ask for more. */
#include <criterion/criterion.h>

#include "name_lookup.h"
#include "seccomp_filter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(seccomp_filter, .timeout = 100);

#define NO_FILTER 254

/* 0 or the errno of `ask`, or minus the signal it died of. */
static int behind_filter_with(bool io_uring, int (*ask)(void))
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_filter_apply(io_uring))
			_exit(NO_FILTER);
		_exit(ask());
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	cr_assert_neq(WEXITSTATUS(status), NO_FILTER, "the filter is not put on");
	return WEXITSTATUS(status);
}

static int behind_filter(int (*ask)(void))
{
	return behind_filter_with(false, ask);
}

static int code(long result)
{
	return result < 0 ? errno : 0;
}

static int open_for_writing(void)
{
	return code(open("/dev/null", O_WRONLY));
}

static int open_and_truncate(void)
{
	return code(open("/dev/null", O_WRONLY | O_APPEND | O_TRUNC));
}

static int open_for_both(void)
{
	return code(open("/dev/null", O_RDWR | O_APPEND));
}

static int map_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int make_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? 200 : code(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int open_packet_socket(void)
{
	return code(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_netlink_socket(void)
{
	return code(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int fork_again(void)
{
	return code(fork());
}

static int kill_parent(void)
{
	return code(kill(getppid(), 0));
}

static int make_the_kernel_signal_parent(void)
{
	int ends[2];

	return pipe2(ends, 0) < 0 ? 200 : code(fcntl(ends[0], F_SETOWN, getppid()));
}

static int remove_file(void)
{
	return code(unlink("/tmp/syncdoc-no-such-file"));
}

static int change_mode(void)
{
	return code(chmod("/tmp/syncdoc-no-such-file", 0777));
}

static int raise_limit(void)
{
	struct rlimit limit = {1, 1};

	return code(setrlimit(RLIMIT_CORE, &limit));
}

static int listen_anew(void)
{
	return code(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

Test(seccomp_filter, what_a_worker_does_not_need_fails)
{
	static const struct {
		const char *what;
		int (*ask)(void);
	} table[] = {
		{"to open a file for writing", open_for_writing},
		{"to cut a file", open_and_truncate},
		{"to open a file for both", open_for_both},
		{"to map code", map_code},
		{"to make code of data", make_code},
		{"a packet socket", open_packet_socket},
		{"a netlink socket", open_netlink_socket},
		{"to fork", fork_again},
		{"to signal others", kill_parent},
		{"to have others signalled", make_the_kernel_signal_parent},
		{"to remove a file", remove_file},
		{"to change a mode", change_mode},
		{"to change a limit", raise_limit},
		{"to listen", listen_anew},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		cr_expect_eq(behind_filter(table[i].ask), EPERM, "%s", table[i].what);
}

static int run_program(void)
{
	char *const arguments[] = {"true", NULL};

	return code(execv("/bin/true", arguments));
}

static int trace(void)
{
	return code(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int change_user(void)
{
	return code(setuid(0));
}

Test(seccomp_filter, what_only_an_intruder_asks_for_ends_the_process)
{
	cr_expect_eq(behind_filter(run_program), -SIGSYS);
	cr_expect_eq(behind_filter(trace), -SIGSYS);
	cr_expect_eq(behind_filter(change_user), -SIGSYS);
}

static int make_ring(void)
{
	return code(syscall(SYS_io_uring_setup, 8, NULL));
}

static int use_ring(void)
{
	return code(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
}

static int register_with_ring(void)
{
	return code(syscall(SYS_io_uring_register, -1, 0, NULL, 0));
}

Test(seccomp_filter, an_io_uring_may_be_used_where_there_is_one_and_never_made_or_changed)
{
	cr_expect_eq(behind_filter(use_ring), EPERM);
	cr_expect_eq(behind_filter_with(true, use_ring), EBADF);
	cr_expect_eq(behind_filter_with(true, register_with_ring), EPERM);
	cr_expect_eq(behind_filter_with(true, make_ring), -SIGSYS);
	cr_expect_eq(behind_filter(make_ring), -SIGSYS);
}

static int end_by_abort(void)
{
	abort();
}

Test(seccomp_filter, our_own_assertions_still_end_it_as_they_should)
{
	cr_expect_eq(behind_filter(end_by_abort), -SIGABRT);
}

/* What libraries do in a worker that serves; returns which of it failed. */
static int serve(void)
{
	struct rlimit limit;
	struct stat status;
	struct timespec now;
	char byte;
	int pair[2], epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	void *memory = malloc(64 << 20);

	if (!memory || epoll < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1; /* the pair: libmicrohttpd, for a WebSocket over TLS */
	free(memory);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return 2;
	int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (file < 0 || read(file, &byte, 1) != 1 || stat("/proc/self/fd", &status) < 0)
		return 4;
	if (open("/dev/null", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) < 0)
		return 5; /* the log */
	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 6;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL)) < 0)
		return 9;
	if (fcntl(fd, F_DUPFD_CLOEXEC, 3) < 0 || shutdown(fd, SHUT_RDWR) == 0)
		return 7; /* it is not connected: ENOTCONN, not EPERM */
	return errno == ENOTCONN ? 0 : 8;
}

static void on_addresses(const struct name_addresses *addresses, const char *reason, void *arg)
{
	(void)reason;
	*(int *)arg = addresses ? (int)addresses->count : -1;
}

static int look_up(const char *name, const char *servers)
{
	const struct name_lookup_options options = {
		.name = name, .timeout_ms = 1000, .servers = servers};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	int found = 0;

	name_lookup_start(loop, &options, on_addresses, &found);
	for (int turns = 0; !found && turns < 1000; turns++)
		ev_run(loop, EVRUN_ONCE);
	ev_loop_destroy(loop);
	return found;
}

/* /etc/hosts, and the configuration of the resolver. */
static int look_up_locally(void)
{
	return look_up("localhost", NULL) > 0 ? 0 : 1;
}

/* Answers one question in a child, which has no filter. */
static int answer_one(char servers[32])
{
	static const unsigned char record[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
					       0,    60, 0, 4, 192, 0, 2, 1};
	struct sockaddr_in address = {.sin_family = AF_INET}, from;
	socklen_t len = sizeof(address), from_len = sizeof(from);
	unsigned char packet[600];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		  !getsockname(fd, (struct sockaddr *)&address, &len));
	snprintf(servers, 32, "127.0.0.1:%u", ntohs(address.sin_port));
	pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (pid > 0) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ssize_t got = recvfrom(fd, packet, 512, 0, (void *)&from, &from_len);
		size_t end = 12;
		while (got > 12 && end < (size_t)got && packet[end])
			end += packet[end] + 1u;
		end += 5;
		bool is_v4 = packet[end - 3] == 1;
		packet[2] = 0x81;
		packet[3] = 0x80;
		memset(packet + 6, 0, 6);
		packet[7] = is_v4;
		memcpy(packet + end, record, sizeof(record));
		sendto(fd, packet, end + (is_v4 ? sizeof(record) : 0), 0, (void *)&from, from_len);
	}
}

static char name_servers[32];

static int look_up_by_server(void)
{
	return look_up("one.test", name_servers) == 1 ? 0 : 1;
}

Test(seccomp_filter, names_are_looked_up)
{
	int pid = answer_one(name_servers);

	cr_expect_eq(behind_filter(look_up_locally), 0);
	cr_expect_eq(behind_filter(look_up_by_server), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(seccomp_filter, what_a_worker_does_is_allowed)
{
	cr_expect_eq(behind_filter(serve), 0);
}
