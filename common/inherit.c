/* inherit.c — what a fresh worker does before anything else; see inherit.h. */
#define _GNU_SOURCE
#include "inherit.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_CLOSED 3 /* 0, 1 and 2 stay */
#define KEEP_MAX (INHERIT_LISTENERS_MAX + 6)

/* Descriptors to keep: sorted, each once, none below FIRST_CLOSED. */
struct keep_list {
	int fds[KEEP_MAX];
	unsigned count;
};

static void keep_list_add(struct keep_list *keep, int fd)
{
	if (fd < FIRST_CLOSED)
		return;
	unsigned i = keep->count;
	while (i > 0 && keep->fds[i - 1] > fd)
		i--;
	if (i > 0 && keep->fds[i - 1] == fd)
		return;
	MUST(keep->count < KEEP_MAX);
	memmove(&keep->fds[i + 1], &keep->fds[i], (keep->count - i) * sizeof(keep->fds[0]));
	keep->fds[i] = fd;
	keep->count++;
}

static bool keep_list_has(const struct keep_list *keep, int fd)
{
	for (unsigned i = 0; i < keep->count; i++)
		if (keep->fds[i] == fd)
			return true;
	return false;
}

static int close_between(unsigned first, unsigned last)
{
	if (first > last)
		return 0;
#ifdef SYS_close_range
	return syscall(SYS_close_range, first, last, 0) < 0 ? -errno : 0;
#else
	return -ENOSYS;
#endif
}

static int close_gaps(const struct keep_list *keep)
{
	unsigned first = FIRST_CLOSED;
	for (unsigned i = 0; i < keep->count; i++) {
		int error = close_between(first, (unsigned)keep->fds[i] - 1);
		if (error)
			return error;
		first = (unsigned)keep->fds[i] + 1;
	}
	return close_between(first, UINT_MAX);
}

/* For kernels before 5.9, and containers whose seccomp filter does not know close_range(). */
static int close_listed(const struct keep_list *keep)
{
	DIR *directory = opendir("/proc/self/fd");
	if (!directory)
		return -errno;
	const struct dirent *entry;
	while ((entry = readdir(directory))) {
		char *end;
		long fd = strtol(entry->d_name, &end, 10);
		bool is_number = end != entry->d_name && *end == '\0';
		if (is_number && fd >= FIRST_CLOSED && fd != dirfd(directory) &&
		    !keep_list_has(keep, (int)fd))
			close((int)fd);
	}
	closedir(directory);
	return 0;
}

static int close_others(const struct inherit *inherit)
{
	struct keep_list keep = {.count = 0};
	MUST(inherit->listener_count <= INHERIT_LISTENERS_MAX);
	for (unsigned i = 0; i < inherit->listener_count; i++)
		keep_list_add(&keep, inherit->listeners[i]);
	keep_list_add(&keep, inherit->ring_fd);
	keep_list_add(&keep, inherit->slots_fd);
	keep_list_add(&keep, inherit->page_fd);
	keep_list_add(&keep, inherit->wake_fd);
	keep_list_add(&keep, inherit->drain_fd);
	keep_list_add(&keep, log_fd());
	/* syslog(3) hides its socket: it must be let go before the number belongs to something
	 * else, which would get our lines. */
	if (log_fd() < 0)
		log_reopen();
	return close_gaps(&keep) ? close_listed(&keep) : 0;
}

/* The supervisor's handlers write into its own pipes and loop; none may run here. SIGPIPE stays
 * ignored: a peer that is gone is an error of send(), not a reason to die. */
static void reset_signals(void)
{
	/* Fails for SIGKILL, SIGSTOP and the C library's own, as it should. */
	for (int number = 1; number < NSIG; number++)
		if (number != SIGPIPE)
			signal(number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int inherit_settle(const struct inherit *inherit, int parent_pid)
{
	reset_signals(); /* first: until then the supervisor's handlers would run here */
	/* SIGKILL: a worker without its supervisor has nothing to save, and must not serve what it
	 * can no longer learn about. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* The parent may have died before that line; then the signal never comes. */
	if (getppid() != parent_pid)
		return -ESRCH;
	return close_others(inherit);
}
