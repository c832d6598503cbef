/* supervisor.c — see supervisor.h. */
#define _GNU_SOURCE
#include "supervisor.h"

#include "auth_secrets.h"
#include "child_table.h"
#include "children.h"
#include "clock.h"
#include "control_verbs.h"
#include "embedded_redis.h"
#include "expiry.h"
#include "figures.h"
#include "keys.h"
#include "mark_timer.h"
#include "presence_reaper.h"
#include "purge.h"
#include "relay.h"
#include "reload.h"

#include <bsd/stdlib.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define ERROR_MAX 512

enum phase {
	PHASE_RUNNING,
	PHASE_DRAINING,   /* workers end */
	PHASE_FORGETTING, /* Redis is told that they have, and their presence is cleaned */
	PHASE_STOPPING,   /* the embedded Redis ends */
};

enum { WATCH_HUP, WATCH_TERM, WATCH_INT, WATCH_USR1, WATCH_COUNT };

struct supervisor {
	const struct supervisor_options *options;
	struct ev_loop *loop;
	struct config *config; /* owned */
	enum phase phase;
	bool reload_waits; /* for killed workers to be reaped */
	char mark_channel[KEY_MAX];
	struct publisher publisher;
	struct embedded_redis *embedded; /* owned; NULL: Redis is somebody else's */
	char *redis_url; /* owned: the effective one; outlives the config, which a reload replaces
			  */
	struct upstream commands;
	uint64_t hash_seed;
	struct store *store; /* owned; made anew by a reload */
	struct expiry expiry;
	struct purge purge;
	struct relay relay;
	struct marks marks;
	struct mark_timer mark_timer;
	struct presence_reaper presence_reaper;
	struct figures figures;
	struct children *children; /* owned */
	uint64_t incarnation;
	int64_t started_ms; /* CLOCK_MONOTONIC */
	struct control_host control_host;
	struct control *control; /* owned */
	ev_signal signals[WATCH_COUNT];
	ev_prepare wake;
};

/* ---- documents ---- */

/* What writes and reads documents: with the limits of the configuration at hand. */
static void start_store(struct supervisor *supervisor)
{
	supervisor->store = store_create(supervisor->loop, supervisor->config,
					 supervisor->redis_url, supervisor->hash_seed);
	relay_set_store(&supervisor->relay, supervisor->store);
	expiry_start(&supervisor->expiry, supervisor->loop, supervisor->store);
	purge_start(&supervisor->purge, supervisor->loop, supervisor->store,
		    supervisor->config->documents_tombstone_ttl_ms);
}

static void stop_store(struct supervisor *supervisor)
{
	expiry_stop(&supervisor->expiry);
	purge_stop(&supervisor->purge);
	relay_set_store(&supervisor->relay, NULL);
	store_destroy(supervisor->store);
	supervisor->store = NULL;
}

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
	stop_store(supervisor);
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

static void stop(struct supervisor *supervisor, const char *why)
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

/* ---- signals ---- */

static void set_log_level(enum log_level level, void *arg)
{
	struct supervisor *supervisor = arg;
	enum log_level former = log_level_in_force();
	log_set_level(level);
	publisher_set_log_level(&supervisor->publisher, level);
	if (level != former)
		log_notice("log.level is now %s, was %s", log_level_name(level),
			   log_level_name(former));
}

/* -EAGAIN: it will be made again when killed workers are gone. -EINVAL: the configuration is
 * faulty; ret_error and the log say how. */
static int reload(struct supervisor *supervisor, char *ret_error, size_t error_len)
{
	const struct supervisor_options *options = supervisor->options;
	struct config *config =
		reload_config(supervisor->config, options->config_path, options->overrides,
			      options->override_count, ret_error, error_len);
	if (!config) {
		supervisor->figures.source.reloads_refused++;
		return -EINVAL;
	}
	reload_log(supervisor->config, config, options->has_stderr);
	/* What syncdocctl loglevel has set ends here: the file is in force again. */
	set_log_level(config->log_level, supervisor);
	struct config *old = supervisor->config;
	supervisor->config = config;
	supervisor->reload_waits = children_start(supervisor->children, config) == -EAGAIN;
	if (supervisor->reload_waits) {
		/* The table still refers to the old one. Read again when there is room: it may have
		 * changed by then. */
		supervisor->config = old;
		config_destroy(config);
		log_notice("reload: waiting for killed workers to be gone");
		return -EAGAIN;
	}
	supervisor->figures.source.reloads++;
	figures_tell(&supervisor->figures);
	stop_store(supervisor);
	start_store(supervisor);
	redis_set_timeout(supervisor->commands.redis, config->redis_timeout_ms);
	redis_set_timeout(supervisor->relay.upstream.redis, config->redis_timeout_ms);
	config_destroy(old);
	log_notice("reload: done, new workers serve, the old ones drain");
	return 0;
}

static void reload_and_log(struct supervisor *supervisor)
{
	char error[ERROR_MAX];
	reload(supervisor, error, sizeof(error));
}

static bool terminal_is_gone(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	struct supervisor *supervisor = watcher->data;
	int error;
	switch (watcher->signum) {
	case SIGHUP:
		if (supervisor->options->ends_with_terminal && terminal_is_gone())
			stop(supervisor, "the terminal is gone");
		else if (supervisor->phase == PHASE_RUNNING)
			reload_and_log(supervisor);
		break;
	case SIGUSR1:
		if ((error = log_reopen()))
			log_error("SIGUSR1: log %s: %s; the old file stays",
				  supervisor->config->log_target, strerror(-error));
		children_signal_all(supervisor->children, SIGUSR1);
		break;
	default:
		stop(supervisor, watcher->signum == SIGINT ? "SIGINT" : "SIGTERM");
	}
}

static void start_signals(struct supervisor *supervisor)
{
	static const int numbers[WATCH_COUNT] = {[WATCH_HUP] = SIGHUP,
						 [WATCH_TERM] = SIGTERM,
						 [WATCH_INT] = SIGINT,
						 [WATCH_USR1] = SIGUSR1};
	for (int i = 0; i < WATCH_COUNT; i++) {
		ev_signal_init(&supervisor->signals[i], on_signal, numbers[i]);
		supervisor->signals[i].data = supervisor;
		ev_signal_start(supervisor->loop, &supervisor->signals[i]);
	}
}

static void stop_signals(void *arg)
{
	struct supervisor *supervisor = arg;
	for (int i = 0; i < WATCH_COUNT; i++)
		ev_signal_stop(supervisor->loop, &supervisor->signals[i]);
}

/* ---- Redis ---- */

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
		reload_and_log(supervisor);
}

static void on_commands_ready(void *arg)
{
	struct supervisor *supervisor = arg;
	mark_timer_connected(&supervisor->mark_timer);
	presence_reaper_connected(&supervisor->presence_reaper);
}

static void on_commands_lost(void *arg)
{
	struct supervisor *supervisor = arg;
	mark_timer_lost(&supervisor->mark_timer);
}

static void on_deaf(void *arg)
{
	struct supervisor *supervisor = arg;
	relay_reconnect(&supervisor->relay);
}

static void for_each_run(void (*fn)(const char *run_id, void *arg), void *fn_arg, void *arg)
{
	struct supervisor *supervisor = arg;
	if (supervisor->children)
		children_for_each(supervisor->children, fn, fn_arg);
}

static uint64_t count_forks(void *arg)
{
	struct supervisor *supervisor = arg;
	return supervisor->children ? children_forks(supervisor->children) : 0;
}

static void renew_runs(uint64_t incarnation, void *arg)
{
	struct supervisor *supervisor = arg;
	if (supervisor->children)
		children_renew_runs(supervisor->children, incarnation);
}

static void publish_incarnation(uint64_t incarnation, void *arg)
{
	struct supervisor *supervisor = arg;
	supervisor->incarnation = incarnation;
	publisher_set_incarnation(&supervisor->publisher, incarnation);
}

static void start_presence_reaper(struct supervisor *supervisor, uint64_t incarnation)
{
	struct presence_reaper_options options = {
		.loop = supervisor->loop,
		.redis = supervisor->commands.redis,
		.node = supervisor->config->node,
		.lock_fd = supervisor->options->lock_fd,
		.for_each_run = for_each_run,
		.forks = count_forks,
		.renew_runs = renew_runs,
		.publish_incarnation = publish_incarnation,
		.arg = supervisor,
	};
	presence_reaper_start(&supervisor->presence_reaper, &options, incarnation);
}

static void on_confirmed(void *arg)
{
	struct supervisor *supervisor = arg;
	mark_timer_ask(&supervisor->mark_timer);
}

static void on_run_id(void *arg)
{
	struct supervisor *supervisor = arg;
	relay_primary_known(&supervisor->relay);
}

static void open_redis(struct supervisor *supervisor, uint64_t incarnation)
{
	key_mark(supervisor->mark_channel, supervisor->config->node, incarnation);
	marks_init(&supervisor->marks, &supervisor->publisher);
	supervisor->commands = (struct upstream){.name = "marks",
						 .on_ready = on_commands_ready,
						 .on_lost = on_commands_lost,
						 .arg = supervisor};
	upstream_open(&supervisor->commands, supervisor->loop, supervisor->config,
		      supervisor->redis_url);
	start_presence_reaper(supervisor, incarnation);
	mark_timer_start(&supervisor->mark_timer, supervisor->loop, supervisor->commands.redis,
			 &supervisor->marks, supervisor->mark_channel, on_deaf, on_run_id,
			 supervisor);
	relay_open(&supervisor->relay, supervisor->loop, supervisor->config, supervisor->redis_url,
		   supervisor->mark_channel, &supervisor->publisher, &supervisor->marks,
		   on_confirmed, supervisor);
	arc4random_buf(&supervisor->hash_seed, sizeof(supervisor->hash_seed));
	start_store(supervisor);
}

/* ---- control socket ---- */

static void look(struct control_view *ret, void *arg)
{
	static const char *const phases[] = {[PHASE_RUNNING] = "running",
					     [PHASE_DRAINING] = "draining",
					     [PHASE_FORGETTING] = "forgetting",
					     [PHASE_STOPPING] = "stopping"};
	struct supervisor *supervisor = arg;
	*ret = (struct control_view){
		.config = supervisor->config,
		.config_path = supervisor->options->config_path,
		.phase = phases[supervisor->phase],
		.reload_waits = supervisor->reload_waits,
		.started_ms = supervisor->started_ms,
		.log_level = log_level_in_force(),
		.incarnation = supervisor->incarnation,
		.publisher = &supervisor->publisher,
		.marks = &supervisor->marks,
		.commands = &supervisor->commands,
		.subscription = &supervisor->relay.upstream,
		.redis_pid = supervisor->embedded ? embedded_redis_pid(supervisor->embedded) : 0,
		.children = supervisor->children,
		.control = supervisor->control,
	};
}

static int reload_as_ordered(char *ret_error, size_t error_len, void *arg)
{
	struct supervisor *supervisor = arg;
	if (supervisor->phase != PHASE_RUNNING)
		return -EBUSY;
	log_notice("control: reload");
	return reload(supervisor, ret_error, error_len);
}

static int drain_worker(unsigned index, pid_t *ret_pid, void *arg)
{
	struct supervisor *supervisor = arg;
	if (supervisor->phase != PHASE_RUNNING)
		return -EBUSY;
	int error = children_replace(supervisor->children, index, ret_pid);
	if (!error)
		log_notice("control: worker %u (pid %d) drains, a new one serves", index,
			   (int)*ret_pid);
	return error;
}

static int drain_all(void *arg)
{
	struct supervisor *supervisor = arg;
	if (supervisor->phase != PHASE_RUNNING)
		return -EBUSY;
	stop(supervisor, "control: drain all");
	return 0;
}

static int open_control(struct supervisor *supervisor, char *ret_error, size_t error_len)
{
	supervisor->control_host = (struct control_host){
		.look = look,
		.set_log_level = set_log_level,
		.reload = reload_as_ordered,
		.drain_worker = drain_worker,
		.drain_all = drain_all,
		.arg = supervisor,
	};
	return control_open(supervisor->loop, supervisor->config->state_dir, control_verbs_answer,
			    &supervisor->control_host, &supervisor->control, ret_error, error_len);
}

/* ---- start ---- */

/* Before each sleep of the loop: a burst of events costs each worker one wake-up. */
static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	(void)loop;
	(void)events;
	struct supervisor *supervisor = watcher->data;
	if (publisher_take_fresh(&supervisor->publisher))
		children_wake(supervisor->children);
}

static int start_redis(struct supervisor *supervisor, char *ret_error, size_t error_len)
{
	const char *reason;
	const char *url = supervisor->config->redis_url;
	if (strcmp(url, "embedded") == 0) {
		int error = embedded_redis_start(supervisor->loop, supervisor->config->state_dir,
						 supervisor->options->lock_fd,
						 &supervisor->embedded, ret_error, error_len);
		if (error)
			return error;
		url = embedded_redis_url(supervisor->embedded);
	}
	supervisor->redis_url = strdup(url);
	MUST(supervisor->redis_url);
	struct inherit inherit;
	if (strlen(supervisor->redis_url) >= sizeof(inherit.redis_url)) {
		snprintf(ret_error, error_len, "redis.url: must be shorter than %zu bytes",
			 sizeof(inherit.redis_url));
		return -ENAMETOOLONG;
	}
	if (redis_url_check(url, &reason)) {
		snprintf(ret_error, error_len, "redis.url: %s", reason);
		return -EINVAL;
	}
	return 0;
}

static int start(struct supervisor *supervisor, char *ret_error, size_t error_len)
{
	struct config *config = supervisor->config;
	int error = auth_secrets_load(config, &config->auth_secrets, ret_error, error_len);
	if (error)
		return error;
	error = publisher_init(&supervisor->publisher, config->ring_size,
			       config->workers * CHILD_SLOTS_PER_WORKER);
	if (error) {
		snprintf(ret_error, error_len, "ring.size %zu: %s", config->ring_size,
			 strerror(-error));
		return error;
	}
	publisher_set_log_level(&supervisor->publisher, config->log_level);
	error = start_redis(supervisor, ret_error, error_len);
	return error ? error : open_control(supervisor, ret_error, error_len);
}

static void start_children(struct supervisor *supervisor, uint64_t incarnation)
{
	struct children_options options = {
		.loop = supervisor->loop,
		.publisher = &supervisor->publisher,
		.listeners = supervisor->options->listeners,
		.workers = supervisor->config->workers,
		.incarnation = incarnation,
		.redis_url = supervisor->redis_url,
		.worker_main = supervisor->options->worker_main,
		.on_child = stop_signals,
		.on_start = announce_run,
		.on_exit = on_run_exit,
		.on_empty = on_children_empty,
		.arg = supervisor,
	};
	supervisor->children = children_create(&options);
	MUST(children_start(supervisor->children, supervisor->config) == 0);
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
	publish_incarnation(incarnation, supervisor);
	start_signals(supervisor);
	supervisor->options->on_up(supervisor->options->arg);
	open_redis(supervisor, incarnation);
	start_children(supervisor, incarnation);
	start_figures(supervisor);
	ev_run(supervisor->loop, 0);
	ev_prepare_stop(supervisor->loop, &supervisor->wake);
	figures_stop(&supervisor->figures);
	stop_store(supervisor);
	mark_timer_stop(&supervisor->mark_timer);
	relay_close(&supervisor->relay);
	upstream_close(&supervisor->commands);
	presence_reaper_stop(&supervisor->presence_reaper);
	children_destroy(supervisor->children);
	stop_signals(supervisor);
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
	publisher_fini(&supervisor.publisher);
	config_destroy(supervisor.config);
	ev_loop_destroy(supervisor.loop);
	return error;
}
