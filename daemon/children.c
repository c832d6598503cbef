/* children.c — see children.h: the table of worker processes and what becomes of each. */
#define _GNU_SOURCE
#include "children.h"

#include "child.h"
#include "clock.h"
#include "exit_reason.h"
#include "log.h"

#include <signal.h>
#include <unistd.h>

#define WATCH_MS 500
/* A worker closes what remains at drain_timeout and takes a second for the last Close frames; only
 * one that does not end is killed. */
#define DRAIN_GRACE_MS 3000

static bool is_current(const struct child *child)
{
	return child->seat.generation == child->children->generation && !child->seat.draining;
}

/* Calls fn for every process; which may end in the call. */
#define FOR_EACH_CHILD(children, child)                                                            \
	for (struct child *child = (children)->list;                                               \
	     child < (children)->list + (children)->table.count; child++)                          \
		if (child->seat.pid != 0)

static void kill_child(struct child *child)
{
	child->killed = true;
	kill(child->seat.pid, SIGKILL);
}

/* ---- start and exit of one process ---- */

static void start_worker(struct children *children, unsigned index);

static void schedule_respawn(struct children *children, unsigned index, int64_t delay_ms)
{
	struct respawn *respawn = &children->respawns[index];
	ev_timer_set(&respawn->timer, (double)delay_ms / 1000., 0.);
	ev_timer_start(children->options.loop, &respawn->timer);
}

static void on_respawn(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct respawn *respawn = watcher->data;
	start_worker(respawn->children, (unsigned)(respawn - respawn->children->respawns));
}

static void log_exit(const struct child *child, int status, bool asked, const char *next)
{
	char reason[EXIT_REASON_MAX];
	exit_reason(status, reason);
	int pid = (int)child->seat.pid;
	if (asked && status == 0)
		log_info("worker %u (pid %d): drained", child->seat.index, pid);
	else if (asked)
		log_warning("worker %u (pid %d): %s%s while draining", child->seat.index, pid,
			    reason, child->killed ? " by the supervisor" : "");
	else
		log_error("worker %u (pid %d): %s%s, %s", child->seat.index, pid, reason,
			  child->killed ? " by the supervisor" : "", next);
}

static void count_exit(struct children *children, const struct child *child, int status)
{
	if (child->killed)
		children->exits_killed++;
	else if (status == 0)
		children->exits_drained++;
	else
		children->exits_crashed++;
	supervisor_page_seat_free(children->options.publisher->page, child->slot,
				  publisher_slot(children->options.publisher, child->slot));
}

static void on_child_exit(struct ev_loop *loop, ev_child *watcher, int events)
{
	(void)events;
	struct child *child = watcher->data;
	struct children *children = child->children;
	unsigned index = child->seat.index;
	bool respawn = is_current(child) && !children->stopping;
	char next[64] = "";
	int64_t delay_ms = 0;
	if (respawn) {
		int64_t lived_ms = clock_monotonic_ms() - child->started_ms;
		delay_ms = backoff_delay_ms(&children->respawns[index].backoff, lived_ms);
		backoff_describe(delay_ms, next, sizeof(next));
	}
	log_exit(child, watcher->rstatus, !respawn, next);
	count_exit(children, child, watcher->rstatus);
	ev_child_stop(loop, &child->exit);
	ev_timer_stop(loop, &child->drain_limit);
	child_close(child);
	if (respawn)
		schedule_respawn(children, index, delay_ms);
	children->options.on_exit(child->run_id, children->options.arg);
	if (children->stopping && children_count(children) == 0)
		children->options.on_empty(children->options.arg);
}

static void on_drain_limit(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct child *child = watcher->data;
	log_warning("worker %u (pid %d): not drained in time, killed", child->seat.index,
		    (int)child->seat.pid);
	kill_child(child);
}

static void start_worker(struct children *children, unsigned index)
{
	unsigned slot;
	int error = child_table_find_free(&children->table, &slot);
	if (!error)
		error = child_fork(children, slot, index);
	if (error) {
		int64_t delay_ms = backoff_delay_ms(&children->respawns[index].backoff, 0);
		children->fork_failures++;
		/* At once would turn a machine without memory or processes into a busy loop. */
		delay_ms = delay_ms ? delay_ms : BACKOFF_FIRST_MS;
		log_error("worker %u: cannot fork: %s, trying again in %d ms", index,
			  strerror(-error), (int)delay_ms);
		schedule_respawn(children, index, delay_ms);
		return;
	}
	struct child *child = &children->list[slot];
	ev_child_set(&child->exit, child->seat.pid, 0);
	ev_child_start(children->options.loop, &child->exit);
	log_info("worker %u (pid %d): started, generation %u, slot %u", index, (int)child->seat.pid,
		 children->generation, slot);
	children->options.on_start(child->run_id, children->options.arg);
}

/* ---- heartbeats ---- */

static void on_watch(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct children *children = watcher->data;
	FOR_EACH_CHILD(children, child)
	{
		const struct slot *page = publisher_slot(children->options.publisher, child->slot);
		/* relaxed: only whether it changes. */
		uint64_t value = atomic_load_explicit(&page->heartbeat_ms, memory_order_relaxed);
		if (!heartbeat_is_dead(&child->heartbeat, value, children->watch_ticks) ||
		    child->killed)
			continue;
		log_error("worker %u (pid %d): no heartbeat for %u ms, killed", child->seat.index,
			  (int)child->seat.pid, children->watch_ticks * WATCH_MS);
		kill_child(child);
	}
}

static void set_watch(struct children *children)
{
	int64_t ticks = (children->config->worker_timeout_ms + WATCH_MS - 1) / WATCH_MS;
	children->watch_ticks = ticks < 1 ? 1 : (unsigned)ticks;
}

/* ---- generations ---- */

static void drain_child(struct child *child)
{
	struct children *children = child->children;
	child_drain(child);
	double limit_ms = (double)(children->config->drain_timeout_ms + DRAIN_GRACE_MS);
	ev_timer_set(&child->drain_limit, limit_ms / 1000., 0.);
	ev_timer_start(children->options.loop, &child->drain_limit);
}

static void kill_generation(struct children *children, unsigned generation)
{
	unsigned killed = 0;
	FOR_EACH_CHILD(children, child)
	{
		if (child->seat.generation != generation || child->killed)
			continue;
		kill_child(child);
		killed++;
	}
	if (killed)
		log_warning("generation %u: %u workers were still draining after two more reloads, "
			    "killed",
			    generation, killed);
}

static void cancel_respawns(struct children *children)
{
	for (unsigned i = 0; i < children->options.workers; i++) {
		ev_timer_stop(children->options.loop, &children->respawns[i].timer);
		children->respawns[i].backoff = (struct backoff){0};
	}
}

int children_make_room(struct children *children)
{
	unsigned oldest, workers = children->options.workers;
	if (child_table_draining(&children->table, &oldest) >= 2)
		kill_generation(children, oldest);
	if (children->stopping || child_table_free_count(&children->table) < workers)
		return -EAGAIN;
	return 0;
}

void children_start(struct children *children, const struct config *config)
{
	unsigned workers = children->options.workers, former = children->generation++;
	MUST(child_table_free_count(&children->table) >= workers);
	children->config = config;
	set_watch(children);
	cancel_respawns(children);
	for (unsigned i = 0; i < workers; i++)
		start_worker(children, i);
	FOR_EACH_CHILD(children, child)
	{
		if (child->seat.generation == former && !child->seat.draining)
			drain_child(child);
	}
}

static struct child *find_current(struct children *children, unsigned index)
{
	FOR_EACH_CHILD(children, child)
	{
		if (child->seat.index == index && is_current(child) && !child->killed)
			return child;
	}
	return NULL;
}

int children_replace(struct children *children, unsigned index, pid_t *ret_pid)
{
	struct child *old = find_current(children, index);
	if (!old)
		return -ESRCH;
	if (child_table_free_count(&children->table) <= children->options.workers)
		return -EAGAIN;
	pid_t pid = old->seat.pid;
	start_worker(children, index);
	drain_child(old);
	*ret_pid = pid;
	return 0;
}

void children_drain_all(struct children *children)
{
	children->stopping = true;
	cancel_respawns(children);
	FOR_EACH_CHILD(children, child)
	{
		if (!child->seat.draining)
			drain_child(child);
	}
	if (children_count(children) == 0)
		children->options.on_empty(children->options.arg);
}

/* ---- all of them ---- */

void children_kill_all(struct children *children)
{
	FOR_EACH_CHILD(children, child)
	{
		kill_child(child);
	}
}

void children_signal_all(struct children *children, int number)
{
	FOR_EACH_CHILD(children, child)
	{
		kill(child->seat.pid, number);
	}
}

void children_wake(struct children *children)
{
	FOR_EACH_CHILD(children, child)
	{
		child_wake(child, publisher_slot(children->options.publisher, child->slot));
	}
}

void children_for_each(struct children *children, void (*fn)(const char *run_id, void *arg),
		       void *arg)
{
	FOR_EACH_CHILD(children, child)
	{
		fn(child->run_id, arg);
	}
}

void children_renew_runs(struct children *children, uint64_t incarnation)
{
	children->options.incarnation = incarnation;
	FOR_EACH_CHILD(children, child)
	{
		child_name_run(child);
	}
}

void children_view(const struct children *children,
		   void (*fn)(const struct child_view *child, void *arg), void *arg)
{
	FOR_EACH_CHILD(children, child)
	{
		struct child_view view = {
			.index = child->seat.index,
			.slot = child->slot,
			.generation = child->seat.generation,
			.pid = child->seat.pid,
			.draining = child->seat.draining,
			.started_ms = child->started_ms,
			.process = child->fork_number,
		};
		fn(&view, arg);
	}
}

unsigned children_generation(const struct children *children)
{
	return children->generation;
}

void children_tell_figures(const struct children *children)
{
	struct supervisor_page *page = children->options.publisher->page;
	supervisor_page_set(page, SUPERVISOR_forks, children->forks);
	supervisor_page_set(page, SUPERVISOR_exits_drained, children->exits_drained);
	supervisor_page_set(page, SUPERVISOR_exits_crashed, children->exits_crashed);
	supervisor_page_set(page, SUPERVISOR_exits_killed, children->exits_killed);
	supervisor_page_set(page, SUPERVISOR_fork_failures, children->fork_failures);
}

uint64_t children_forks(const struct children *children)
{
	return children->forks;
}

unsigned children_count(const struct children *children)
{
	return child_table_used_count(&children->table);
}

/* ---- create and destroy ---- */

static void init_child(struct children *children, unsigned slot)
{
	struct child *child = &children->list[slot];
	child->children = children;
	child->slot = slot;
	child->wake_fd = child->drain_fd = -1;
	ev_child_init(&child->exit, on_child_exit, 0, 0);
	child->exit.data = child;
	ev_timer_init(&child->drain_limit, on_drain_limit, 0., 0.);
	child->drain_limit.data = child;
}

struct children *children_create(const struct children_options *options)
{
	unsigned slots = options->workers * CHILD_SLOTS_PER_WORKER;
	struct children *children = calloc(1, sizeof(*children));
	MUST(children && slots <= options->publisher->slot_count);
	children->options = *options;
	children->list = calloc(slots, sizeof(children->list[0]));
	children->respawns = calloc(options->workers, sizeof(children->respawns[0]));
	MUST(children->list && children->respawns);
	children->table = (struct child_table){.seats = &children->list[0].seat,
					       .stride = sizeof(children->list[0]),
					       .count = slots};
	for (unsigned i = 0; i < slots; i++)
		init_child(children, i);
	for (unsigned i = 0; i < options->workers; i++) {
		children->respawns[i].children = children;
		ev_timer_init(&children->respawns[i].timer, on_respawn, 0., 0.);
		children->respawns[i].timer.data = &children->respawns[i];
	}
	ev_timer_init(&children->watch, on_watch, WATCH_MS / 1000., WATCH_MS / 1000.);
	children->watch.data = children;
	ev_timer_start(options->loop, &children->watch);
	return children;
}

void children_destroy(struct children *children)
{
	if (!children)
		return;
	struct ev_loop *loop = children->options.loop;
	cancel_respawns(children);
	ev_timer_stop(loop, &children->watch);
	FOR_EACH_CHILD(children, child)
	{
		kill_child(child);
		ev_child_stop(loop, &child->exit);
		ev_timer_stop(loop, &child->drain_limit);
		child_close(child);
	}
	free(children->list);
	free(children->respawns);
	free(children);
}
