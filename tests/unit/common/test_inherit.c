/* Children are made with fork and judge themselves by their exit code; only the parent asserts. */
#define _GNU_SOURCE
#include "inherit.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(inherit, .timeout = 100);

static struct inherit inherit;

static int open_some(void)
{
	return open("/dev/null", O_RDWR); /* without CLOEXEC: nothing but settle may close it */
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void init(void)
{
	inherit = (struct inherit){.ring_fd = -1, .slots_fd = -1, .wake_fd = -1, .drain_fd = -1};
}

/* Runs `body` in a child and returns its exit code; 128 + number if a signal ended it. */
static int in_child(int (*body)(pid_t parent))
{
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0)
		_exit(body(parent));
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Settles among 200 descriptors of which every 20th is named; then counts those that are not as
 * they should be. */
static int settle_among_many(pid_t parent)
{
	int fds[200];
	init();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = open_some();
	/* Not in ascending order, one of them twice. */
	inherit.ring_fd = fds[100];
	inherit.slots_fd = fds[0];
	inherit.wake_fd = fds[20];
	inherit.drain_fd = fds[199];
	inherit.listeners[0] = fds[60];
	inherit.listeners[1] = fds[40];
	inherit.listeners[2] = fds[60];
	inherit.listener_count = 3;
	inherit.listeners[3] = fds[80]; /* beyond the count */
	if (inherit_settle(&inherit, parent))
		return 100;
	static const size_t kept[] = {0, 20, 40, 60, 100, 199};
	int wrong = 0;
	for (size_t i = 0, next = 0; i < ARRAY_LEN(fds); i++) {
		bool keep = next < ARRAY_LEN(kept) && kept[next] == i;
		next += keep;
		wrong += is_open(fds[i]) != keep;
	}
	return wrong;
}

Test(inherit, all_but_the_named_descriptors_are_closed)
{
	cr_assert_eq(in_child(settle_among_many), 0);
}

static bool refuse_close_range(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* number of the system call */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_LEN(filter), filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
	       syscall(SYS_close_range, 1000000, 1000000, 0) < 0 && errno == EPERM;
}

static int settle_without_close_range(pid_t parent)
{
	return refuse_close_range() ? settle_among_many(parent) : 101;
}

Test(inherit, they_are_closed_too_where_close_range_is_forbidden)
{
	cr_assert_eq(in_child(settle_without_close_range), 0);
}

static int settle_with_nothing_named(pid_t parent)
{
	init();
	int fd = open_some();
	int error = inherit_settle(&inherit, parent);
	return error || is_open(fd) || !is_open(0) || !is_open(1) || !is_open(2);
}

Test(inherit, standard_descriptors_stay_and_unset_ones_are_skipped)
{
	cr_assert_eq(in_child(settle_with_nothing_named), 0);
}

static int settle_with_log_file(pid_t parent)
{
	init();
	if (log_open("/dev/null", LOG_LEVEL_INFO, LOG_FORMAT_TEXT))
		return 100;
	int fd = log_fd();
	return inherit_settle(&inherit, parent) || !is_open(fd);
}

Test(inherit, log_file_stays)
{
	cr_assert_eq(in_child(settle_with_log_file), 0);
}

static int settle_with_a_stranger(pid_t parent)
{
	(void)parent;
	init();
	return inherit_settle(&inherit, getpid()) == -ESRCH ? 0 : 1;
}

Test(inherit, child_whose_parent_is_gone_is_told)
{
	cr_assert_eq(in_child(settle_with_a_stranger), 0);
}

static void handler(int number)
{
	(void)number;
}

static bool has_handler(int number, sighandler_t expected)
{
	struct sigaction action;
	sigaction(number, NULL, &action);
	return action.sa_handler == expected;
}

static int settle_and_look_at_signals(pid_t parent)
{
	sigset_t mask;
	init();
	signal(SIGTERM, handler);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, handler);
	signal(SIGRTMAX, handler);
	signal(SIGPIPE, handler);
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (inherit_settle(&inherit, parent))
		return 100;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number <= SIGRTMAX; number++)
		if (sigismember(&mask, number) == 1)
			return 101;
	return !has_handler(SIGTERM, SIG_DFL) || !has_handler(SIGHUP, SIG_DFL) ||
	       !has_handler(SIGCHLD, SIG_DFL) || !has_handler(SIGRTMAX, SIG_DFL) ||
	       !has_handler(SIGPIPE, SIG_IGN);
}

Test(inherit, signals_are_as_in_a_fresh_process_but_sigpipe)
{
	cr_assert_eq(in_child(settle_and_look_at_signals), 0);
}

/* The supervisor's part: forks a worker that settles, says so on the pipe, and would live for ever.
 */
static void run_supervisor(int pipe_write)
{
	pid_t self = getpid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fork() == 0) {
		init();
		inherit.wake_fd = pipe_write;
		if (inherit_settle(&inherit, self) == 0 && write(pipe_write, "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(pipe_write);
	for (;;)
		pause();
}

Test(inherit, worker_dies_with_its_supervisor)
{
	int fds[2];
	char c;
	cr_assert_eq(pipe(fds), 0);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		close(fds[0]);
		run_supervisor(fds[1]);
	}
	close(fds[1]);
	cr_assert_eq(read(fds[0], &c, 1), 1, "the worker is settled");
	kill(supervisor, SIGKILL);
	cr_assert_eq(waitpid(supervisor, NULL, 0), supervisor);
	/* Only the worker holds the other end now. */
	struct pollfd wait = {.fd = fds[0], .events = POLLIN};
	cr_assert_eq(poll(&wait, 1, 10000), 1, "the worker lives on");
	cr_assert_eq(read(fds[0], &c, 1), 0);
	close(fds[0]);
}
