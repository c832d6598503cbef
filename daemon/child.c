/* child.c — see child.h: forking a worker, and what the child does before worker_main(). */
#define _GNU_SOURCE
#include "child.h"

#include "clock.h"
#include "daemonise.h"
#include "fork_masked.h"
#include "log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int open_channels(struct child *child, int *ret_drain_read_fd)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0) {
		int error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	child->wake_fd = wake_fd;
	child->drain_fd = ends[1];
	*ret_drain_read_fd = ends[0];
	return 0;
}

static void fill_inherit(const struct children *children, const struct child *child,
			 struct inherit *ret)
{
	*ret = (struct inherit){
		.config = children->config,
		.index = child->seat.index,
		.slot = child->slot,
		.generation = child->seat.generation,
		.process = child->fork_number,
		.ring_fd = children->options.publisher->ring_fd,
		.slots_fd = children->options.publisher->slots_fd,
		.page_fd = children->options.publisher->page_fd,
		.wake_fd = child->wake_fd,
		.drain_fd = -1,
	};
	listeners_inherit(children->options.listeners, ret);
	snprintf(ret->run_id, sizeof(ret->run_id), "%s", child->run_id);
	snprintf(ret->redis_url, sizeof(ret->redis_url), "%s", children->options.redis_url);
}

/* All signals are blocked here; inherit_settle() unblocks them when none of the supervisor's
 * handlers is left. */
static _Noreturn void run_child(struct children *children, const struct inherit *inherit,
				pid_t parent)
{
	char name[32];
	snprintf(name, sizeof(name), "worker %u", inherit->index);
	log_set_process(name);
	process_title_set(name);

	/* The worker makes its own loop. Without this, libev's global signal table would still name
	 * the supervisor's, and the first signal watcher of the worker would fail its assertion.
	 * Closing the epoll descriptor here does not touch the parent's. */
	children->options.on_child(children->options.arg);
	ev_loop_destroy(children->options.loop);

	int error = inherit_settle(inherit, parent);
	if (error) {
		if (error != -ESRCH)
			log_error("cannot settle: %s", strerror(-error));
		_exit(1);
	}
	/* Ctrl-C and the hang-up of a terminal reach the whole process group; what follows from
	 * them is the supervisor's to say. SIGUSR1 may come before the worker is ready for it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	int status = children->options.worker_main(inherit);
	fflush(NULL);
	_exit(status);
}

void child_name_run(struct child *child)
{
	const struct children *children = child->children;
	snprintf(child->run_id, sizeof(child->run_id), "%s.%" PRIu64 ".%" PRIu64,
		 children->config->node, children->options.incarnation, child->fork_number);
}

static void fill_child(struct children *children, struct child *child, unsigned index)
{
	const struct slot *page = publisher_slot(children->options.publisher, child->slot);
	child->seat.index = index;
	child->seat.generation = children->generation;
	child->seat.draining = false;
	child->killed = false;
	child->woken = 0;
	/* relaxed: nobody writes it now; see child_wake(). */
	child->stale_sleep = atomic_load_explicit(&page->sleep, memory_order_relaxed);
	child->heartbeat = (struct heartbeat){
		.seen = atomic_load_explicit(&page->heartbeat_ms, memory_order_relaxed)};
	child->fork_number = ++children->forks;
	child_name_run(child);
}

int child_fork(struct children *children, unsigned slot, unsigned index)
{
	struct child *child = &children->list[slot];
	int drain_read_fd = -1;
	int error = open_channels(child, &drain_read_fd);
	if (error)
		return error;
	fill_child(children, child, index);
	struct inherit inherit;
	fill_inherit(children, child, &inherit);
	inherit.drain_fd = drain_read_fd;

	pid_t parent = getpid();
	pid_t pid = fork_masked();
	if (pid == 0)
		run_child(children, &inherit, parent);
	close(drain_read_fd);
	if (pid < 0) {
		child_close(child);
		return (int)pid;
	}
	child->seat.pid = pid;
	child->started_ms = clock_monotonic_ms();
	supervisor_page_seat_take(children->options.publisher->page, slot, child->fork_number,
				  index, (unsigned)pid, child->seat.generation, child->started_ms);
	return 0;
}

void child_close(struct child *child)
{
	if (child->wake_fd >= 0)
		close(child->wake_fd);
	if (child->drain_fd >= 0)
		close(child->drain_fd);
	child->wake_fd = child->drain_fd = -1;
	child->seat.pid = 0;
	child->seat.draining = false;
}

void child_drain(struct child *child)
{
	child->seat.draining = true;
	supervisor_page_seat_drain(child->children->options.publisher->page, child->slot);
	/* One byte into an empty pipe: there is room; and when the reader is gone, so is the
	 * worker. */
	if (write(child->drain_fd, "d", 1) < 0)
		log_debug("worker %u: drain pipe: %s", child->seat.index, strerror(errno));
}

void child_wake(struct child *child, const struct slot *page)
{
	/* A new process may begin with the word of the one before, or from 0: its first sleep can
	 * then look like one that we have woken already. So as long as the word is what it was at
	 * the fork, every wake-up is sent and none is remembered. */
	uint32_t remember_nothing = 0;
	/* relaxed: only compared; ring_writer_must_wake() makes the ordered load. */
	if (atomic_load_explicit(&page->sleep, memory_order_relaxed) != child->stale_sleep)
		child->stale_sleep = 0;
	if (!ring_writer_must_wake(&page->sleep,
				   child->stale_sleep ? &remember_nothing : &child->woken))
		return;
	uint64_t one = 1;
	/* EAGAIN: it is readable already. */
	if (write(child->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_debug("worker %u: eventfd: %s", child->seat.index, strerror(errno));
}
