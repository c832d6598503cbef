/* supervisor.c — see supervisor.h: which parts there are, in which order they start, and how they
 * end. Orders are in supervisor_orders.c, Redis in supervisor_redis.c. */
#define _GNU_SOURCE
#include "supervisor_private.h"

#include "auth_secrets.h"
#include "child_table.h"
#include "clock.h"
#include "reload.h"
#include "tls_files.h"

#include <bsd/stdlib.h>

/* ---- ending ---- */

static void on_redis_stopped(void *arg)
{
	struct supervisor *supervisor = arg;
	ev_break(supervisor->loop, EVBREAK_ALL);
}

static void on_forgotten(void *arg)
{
	struct supervisor *supervisor = arg;
	supervisor->phase = PHASE_STOPPING;
	supervisor_stop_store(supervisor);
	supervisor->commands.quiet = supervisor->relay.upstream.quiet = true;
	if (supervisor->embedded)
		embedded_redis_stop(supervisor->embedded, on_redis_stopped, supervisor);
	else
		ev_break(supervisor->loop, EVBREAK_ALL);
}

static void on_children_empty(void *arg)
{
	struct supervisor *supervisor = arg;
	supervisor->phase = PHASE_FORGETTING;
	presence_reaper_finish(&supervisor->presence_reaper, on_forgotten, supervisor);
}

void supervisor_stop(struct supervisor *supervisor, const char *why)
{
	if (supervisor->phase == PHASE_DRAINING) {
		log_notice("%s again: not waiting for the workers any longer", why);
		children_kill_all(supervisor->children);
		return;
	}
	if (supervisor->phase != PHASE_RUNNING)
		return;
	log_notice("%s: draining %u workers", why, children_count(supervisor->children));
	supervisor->phase = PHASE_DRAINING;
	children_drain_all(supervisor->children);
}

/* ---- start ---- */

static int start(struct supervisor *supervisor, char *ret_error, size_t error_len)
{
	struct config *config = supervisor->config;
	int error = auth_secrets_load(config, &config->auth_secrets, ret_error, error_len);
	if (!error)
		error = tls_files_load(config, &config->tls_files, ret_error, error_len);
	if (error)
		return error;
	reload_tell_certificate(config);
	error = publisher_init(&supervisor->publisher, config->ring_size,
			       config->workers * CHILD_SLOTS_PER_WORKER);
	if (error) {
		snprintf(ret_error, error_len, "ring.size %zu: %s", config->ring_size,
			 strerror(-error));
		return error;
	}
	publisher_set_log_level(&supervisor->publisher, config->log_level);
	error = supervisor_start_redis(supervisor, ret_error, error_len);
	return error ? error : supervisor_open_control(supervisor, ret_error, error_len);
}

/* In the child: signals are not for the supervisor's loop there. */
static void on_child(void *arg)
{
	supervisor_stop_signals(arg);
}

static void announce_run(const char *run_id, void *arg)
{
	struct supervisor *supervisor = arg;
	presence_reaper_add_run(&supervisor->presence_reaper, run_id);
}

static void on_run_exit(const char *run_id, void *arg)
{
	struct supervisor *supervisor = arg;
	(void)run_id; /* known by being no longer among the living */
	presence_reaper_end_run(&supervisor->presence_reaper);
	if (supervisor->reload_waits && supervisor->phase == PHASE_RUNNING)
		supervisor_reload(supervisor);
}

/* Before each sleep of the loop: a burst of events costs each worker one wake-up. */
static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	(void)loop;
	(void)events;
	struct supervisor *supervisor = watcher->data;
	if (publisher_take_fresh(&supervisor->publisher))
		children_wake(supervisor->children);
}

static void start_children(struct supervisor *supervisor)
{
	struct children_options options = {
		.loop = supervisor->loop,
		.publisher = &supervisor->publisher,
		.listeners = supervisor->options->listeners,
		.workers = supervisor->config->workers,
		.incarnation = supervisor->incarnation,
		.redis_url = supervisor->redis_url,
		.worker_main = supervisor->options->worker_main,
		.on_child = on_child,
		.on_start = announce_run,
		.on_exit = on_run_exit,
		.on_empty = on_children_empty,
		.arg = supervisor,
	};
	supervisor->children = children_create(&options);
	children_start(supervisor->children, supervisor->config);
	ev_prepare_init(&supervisor->wake, on_prepare);
	supervisor->wake.data = supervisor;
	ev_prepare_start(supervisor->loop, &supervisor->wake);
}

static void start_figures(struct supervisor *supervisor)
{
	const struct figures_source source = {
		.publisher = &supervisor->publisher,
		.children = supervisor->children,
		.embedded = supervisor->embedded,
		.sentinels = &supervisor->sentinels,
		.commands = &supervisor->commands,
		.relay = &supervisor->relay,
		.mark_timer = &supervisor->mark_timer,
		.presence_reaper = &supervisor->presence_reaper,
		.expiry = &supervisor->expiry,
		.purge = &supervisor->purge,
		.control = supervisor->control,
		.store = &supervisor->store,
	};
	figures_start(&supervisor->figures, supervisor->loop, &source);
}

static void run(struct supervisor *supervisor)
{
	uint64_t incarnation;
	arc4random_buf(&incarnation, sizeof(incarnation));
	supervisor_publish_incarnation(incarnation, supervisor);
	supervisor_start_signals(supervisor);
	supervisor->options->on_up(supervisor->options->arg);
	supervisor_open_redis(supervisor);
	start_children(supervisor);
	start_figures(supervisor);
	ev_run(supervisor->loop, 0);
	ev_prepare_stop(supervisor->loop, &supervisor->wake);
	figures_stop(&supervisor->figures);
	supervisor_close_redis(supervisor);
	children_destroy(supervisor->children);
	supervisor_stop_signals(supervisor);
}

int supervisor_run(const struct supervisor_options *options, char *ret_error, size_t error_len)
{
	struct supervisor supervisor = {
		.options = options,
		.config = options->config,
		.publisher = {.ring_fd = -1, .slots_fd = -1, .page_fd = -1},
		.started_ms = clock_monotonic_ms(),
		/* The default loop: only that one can watch children and signals. */
		.loop = ev_default_loop(EVFLAG_AUTO),
	};
	MUST(supervisor.loop);
	int error = start(&supervisor, ret_error, error_len);
	if (!error)
		run(&supervisor);
	control_close(supervisor.control);
	embedded_redis_destroy(supervisor.embedded);
	free(supervisor.redis_url);
	buffer_fini(&supervisor.restart_keys);
	publisher_fini(&supervisor.publisher);
	config_destroy(supervisor.config);
	ev_loop_destroy(supervisor.loop);
	return error;
}
