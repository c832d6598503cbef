/* worker.c — see worker.h: the parts of a worker, in which order they start, and how they end. */
#include "worker.h"

#include "address_count.h"
#include "auth.h"
#include "clock.h"
#include "context.h"
#include "control.h"
#include "fanout.h"
#include "http.h"
#include "log.h"
#include "long_poll.h"
#include "operations.h"
#include "presence.h"
#include "process_figures.h"
#include "question.h"
#include "revocations.h"
#include "ring.h"
#include "seccomp_filter.h"
#include "store.h"
#include "stream.h"
#include "turn_meter.h"
#include "websocket.h"
#include <bsd/stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define HEARTBEAT_S 1.
#define DRAIN_LOOK_S 0.05
#define DRAIN_GRACE_MS 1000 /* after drain_timeout, for the last Close frames */

/* The loop's own watchers; the rest belongs to the parts. */
struct worker_run {
	struct worker worker;
	ev_timer heartbeat;
	struct turn_meter turns;
	ev_io drain_pipe;
	ev_io signals;
	int signal_fd;
	ev_timer drain_look;
	int64_t drain_until_ms; /* monotonic */
	int status;
};

/* Functions of the worker's own, because unit tests of its parts bring others: theirs stands still.
 */
int64_t worker_now_ms(void)
{
	return clock_real_ms();
}

int64_t worker_monotonic_ms(void)
{
	return clock_monotonic_ms();
}

/* 36 does not divide 256: bytes from 252 on are drawn again, or the first letters would come up
 * more often. */
void worker_random_name(char *ret, size_t len)
{
	static unsigned char pool[256]; /* so many are given whole, whatever signals come */
	static size_t left;

	for (size_t i = 0; i < len;) {
		if (!left) {
			MUST(getrandom(pool, sizeof(pool), 0) == sizeof(pool));
			left = sizeof(pool);
		}
		unsigned char byte = pool[--left];
		if (byte < 252)
			ret[i++] = WORKER_NAME_LETTERS[byte % 36];
	}
	ret[len] = '\0';
}

/* --- life signs -------------------------------------------------------------- */

static void tell_costs(struct worker *worker)
{
	struct process_figures figures;
	size_t sockets = websockets_count(worker->websockets) + http_connections(worker->http);

	process_figures_read(&figures, sockets);
	stat_set(worker->slot, STAT_cpu_seconds, figures.cpu_us);
	stat_set(worker->slot, STAT_resident_memory_bytes, figures.resident_bytes);
	stat_set(worker->slot, STAT_open_fds, figures.open_fds);
	stat_set(worker->slot, STAT_max_fds, figures.max_fds);
	stat_set(worker->slot, STAT_http_connections, http_connections(worker->http));
	stat_set(worker->slot, STAT_log_lines_lost, log_lines_lost());
}

static void on_heartbeat(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker_run *run = CONTAINER_OF(timer, struct worker_run, heartbeat);
	struct worker *worker = &run->worker;

	(void)loop;
	(void)events; /* its turn of the loop is the sign of life: see turn_meter.c */
	stat_set(worker->slot, STAT_redis_errors, store_failures(worker->store));
	stat_set(worker->slot, STAT_redis_reconnects, store_reconnects(worker->store));
	stat_set(worker->slot, STAT_list_waits, store_list_waits(worker->store));
	stat_set(worker->slot, STAT_list_refusals, store_list_refusals(worker->store));
	tell_costs(worker);
}

/* --- drain ------------------------------------------------------------------- */

static void on_drain_look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker_run *run = CONTAINER_OF(timer, struct worker_run, drain_look);
	struct worker *worker = &run->worker;
	bool empty = !websockets_count(worker->websockets) && !http_active(worker->http) &&
		     !operations_pending(worker->operations);

	(void)events;
	if (!empty && worker_monotonic_ms() < run->drain_until_ms)
		return;
	if (!empty)
		log_warning("drain: %zu connections and %zu requests left after drain_timeout, "
			    "closing them",
			    websockets_count(worker->websockets), http_active(worker->http));
	ev_break(loop, EVBREAK_ALL);
}

static void start_drain(struct worker_run *run)
{
	struct worker *worker = &run->worker;

	if (worker->draining)
		return;
	worker->draining = true;
	/* relaxed: a figure. */
	atomic_store_explicit(&worker->slot->draining, 1, memory_order_relaxed);
	log_info("draining: %zu WebSocket connections, %zu streams, %zu requests",
		 websockets_count(worker->websockets), streams_count(worker->streams),
		 http_active(worker->http));
	http_drain(worker->http);
	websockets_drain(worker->websockets);
	streams_drain(worker->streams);
	long_polls_end(worker->long_polls);
	run->drain_until_ms =
		worker_monotonic_ms() + worker->config->drain_timeout_ms + DRAIN_GRACE_MS;
	ev_timer_again(worker->loop, &run->drain_look);
}

static void on_drain_pipe(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct worker_run *run = CONTAINER_OF(watcher, struct worker_run, drain_pipe);
	char byte;
	ssize_t got = read(watcher->fd, &byte, 1);

	(void)events;
	if (got == 1) {
		start_drain(run);
	} else if (got == 0) {
		/* Without its supervisor a worker gets no events: its clients are better off
		 * elsewhere. */
		log_error("the supervisor is gone, ending");
		ev_io_stop(loop, watcher);
		run->status = 1;
		ev_break(loop, EVBREAK_ALL);
	}
}

static void reopen_log(void)
{
	int error = log_reopen();

	if (error)
		log_error("log: reopening: %s, going on with the old file", strerror(-error));
}

/* SIGINT and SIGHUP reach the whole process group of a terminal; the supervisor decides what they
 * mean. */
static void on_signal(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct worker_run *run = CONTAINER_OF(watcher, struct worker_run, signals);
	struct signalfd_siginfo info;

	(void)loop;
	(void)events;
	while (read(run->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			start_drain(run);
		else if (info.ssi_signo == SIGUSR1)
			reopen_log();
	}
}

/* --- start ------------------------------------------------------------------- */

static int map_segments(struct worker *worker)
{
	const struct inherit *inherit = worker->inherit;
	unsigned workers = inherit->config->workers;
	size_t slots_len = (size_t)SUPERVISOR_SLOTS * workers * SHM_PAGE;
	void *shared, *slots, *slot, *page;
	int error = shm_map(inherit->ring_fd, 0, SHM_PAGE, false, &shared);

	if (!error)
		error = shm_map(inherit->slots_fd, 0, slots_len, false, &slots);
	if (!error)
		error = shm_map(inherit->slots_fd, (size_t)inherit->slot * SHM_PAGE, SHM_PAGE, true,
				&slot);
	if (!error)
		error = shm_map(inherit->page_fd, 0, supervisor_page_len(workers), false, &page);
	if (error) {
		log_error("shared memory: %s", strerror(-error));
		return error;
	}
	worker->shared = shared;
	worker->slots = slots;
	worker->slot = slot;
	worker->page = page;
	worker->hash_seed = worker->shared->epoch;
	log_follow_level(&worker->shared->log_level);
	return 0;
}

/* release: pairs with the acquire of who adds figures up (metrics.c, supervisor_page.c). Whoever
 * meets a word that was put here sees, too, that its seat has changed hands, and reads again. */
#define PUT(word, value) atomic_store_explicit(&(word), value, memory_order_release)

/* The page may hold what a former worker left: only its owner writes it, so it is cleared here and
 * not by the supervisor. */
static void claim_slot(struct slot *slot, uint64_t process)
{
	PUT(slot->draining, 0);
	PUT(slot->ring_cursor, 0);
	for (unsigned i = 0; i < STAT_COUNT; i++)
		PUT(slot->values[i], 0);
	for (unsigned i = 0; i < REFUSAL_COUNT; i++)
		PUT(slot->refusals[i], 0);
	for (unsigned i = 0; i < HISTOGRAM_COUNT; i++) {
		for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
			PUT(slot->histograms[i].buckets[bucket], 0);
		PUT(slot->histograms[i].sum_ns, 0);
	}
	ring_reader_wake(&slot->sleep);
	PUT(slot->heartbeat_ms, (uint64_t)worker_monotonic_ms());
	PUT(slot->pid, (uint32_t)getpid());
	PUT(slot->process, process); /* the last: until then these figures are nobody's */
}

/* Not ev_signal: libev keeps its signal table per process, and in a forked child it still names the
 * parent's loop. */
static int watch_signals(struct worker_run *run)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	run->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signal_fd < 0)
		return -errno;
	ev_io_init(&run->signals, on_signal, run->signal_fd, EV_READ);
	ev_io_start(run->worker.loop, &run->signals);
	return 0;
}

static void start_watchers(struct worker_run *run)
{
	struct ev_loop *loop = run->worker.loop;

	ev_timer_init(&run->heartbeat, on_heartbeat, HEARTBEAT_S, HEARTBEAT_S);
	ev_timer_start(loop, &run->heartbeat);
	turn_meter_start(&run->turns, loop, run->worker.slot);
	ev_io_init(&run->drain_pipe, on_drain_pipe, run->worker.inherit->drain_fd, EV_READ);
	ev_io_start(loop, &run->drain_pipe);
	ev_init(&run->drain_look, on_drain_look);
	run->drain_look.repeat = DRAIN_LOOK_S;
}

static int start_parts(struct worker *worker)
{
	worker->auth = auth_create(worker->config, worker->slot);
	worker->addresses = address_count_create(worker->hash_seed);
	worker->operations = operations_create(worker);
	worker->presence = presence_create(worker);
	worker->websockets = websockets_create(worker);
	if (!worker->websockets)
		return -EIO;
	worker->streams = streams_create(worker);
	worker->long_polls = long_polls_create(worker);
	worker->revocations = revocations_create(worker);
	control_listen(worker);
	worker->http = http_create(worker);
	return worker->operations && worker->websockets && worker->http ? 0 : -EIO;
}

/* When all is open that it needs. Served it is in any case: the filter is a second wall. */
static void confine(const struct worker *worker)
{
	bool io_uring = websockets_has_ring(worker->websockets);
	int error = worker->config->seccomp ? seccomp_filter_apply(io_uring) : 0;

	if (error == -ENOSYS)
		log_debug("seccomp: this build has no filter");
	else if (error)
		log_warning("seccomp: %s; serving without the filter", strerror(-error));
}

/* Operations first: what waits for Redis is answered while there is still somebody to answer. */
static void stop_parts(struct worker *worker)
{
	worker->stopping = true;
	questions_end(worker);
	long_polls_end(worker->long_polls);
	presence_stop(worker->presence);
	operations_destroy(worker->operations);
	streams_cut(worker->streams);
	websockets_destroy(worker->websockets);
	presence_destroy(worker->presence);
	http_destroy(worker->http);
	streams_destroy(worker->streams);
	long_polls_destroy(worker->long_polls);
	revocations_destroy(worker->revocations);
	auth_destroy(worker->auth);
	address_count_destroy(worker->addresses);
}

int worker_main(const struct inherit *inherit)
{
	struct worker_run run = {.worker = {.inherit = inherit, .config = inherit->config}};
	struct worker *worker = &run.worker;

	srand48((long)(arc4random()));
	worker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!worker->loop) {
		log_error("no event loop: %s", strerror(errno));
		return 1;
	}
	if (map_segments(worker))
		return 1;
	if (watch_signals(&run)) {
		log_error("signalfd: %s", strerror(errno));
		return 1;
	}
	claim_slot(worker->slot, inherit->process);
	start_watchers(&run);
	if (start_parts(worker))
		return 1;
	confine(worker);
	log_info("serving: slot %u, generation %u, run %s", inherit->slot, inherit->generation,
		 inherit->run_id);
	ev_run(worker->loop, 0);
	stop_parts(worker);
	ev_loop_destroy(worker->loop);
	log_info("ended");
	return run.status;
}
