/* supervisor_orders.c — see supervisor_private.h: what the operator wants, by signal or over the
 * control socket: reload, another log level, a drained worker, the end. */
#define _GNU_SOURCE
#include "supervisor_private.h"

#include "core_dumps.h"
#include "reload.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define ERROR_MAX 512

/* ---- reload ---- */

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
	struct config *config = reload_config(supervisor->config, options->config_path,
					      options->overrides, options->override_count,
					      &supervisor->restart_keys, ret_error, error_len);
	if (!config) {
		supervisor->figures.source.reloads_refused++;
		return -EINVAL;
	}
	supervisor->reload_waits = children_make_room(supervisor->children) == -EAGAIN;
	if (supervisor->reload_waits) {
		/* Read again when there is room: it may have changed by then. */
		config_destroy(config);
		log_notice("reload: waiting for killed workers to be gone");
		return -EAGAIN;
	}
	reload_log(supervisor->config, config, options->has_stderr);
	core_dumps_forbid(config);
	/* What syncdocctl loglevel has set ends here: the file is in force again. */
	set_log_level(config->log_level, supervisor);
	struct config *old = supervisor->config;
	supervisor->config = config;
	children_start(supervisor->children, config);
	supervisor->figures.source.reloads++;
	figures_tell(&supervisor->figures);
	supervisor_stop_store(supervisor);
	supervisor_start_store(supervisor);
	redis_set_timeout(supervisor->commands.redis, config->redis_timeout_ms);
	redis_set_timeout(supervisor->relay.upstream.redis, config->redis_timeout_ms);
	config_destroy(old);
	log_notice("reload: done, new workers serve, the old ones drain");
	return 0;
}

void supervisor_reload(struct supervisor *supervisor)
{
	char error[ERROR_MAX];
	reload(supervisor, error, sizeof(error));
}

/* ---- signals ---- */

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
			supervisor_stop(supervisor, "the terminal is gone");
		else if (supervisor->phase == PHASE_RUNNING)
			supervisor_reload(supervisor);
		break;
	case SIGUSR1:
		if ((error = log_reopen()))
			log_error("SIGUSR1: log %s: %s; the old file stays",
				  supervisor->config->log_target, strerror(-error));
		children_signal_all(supervisor->children, SIGUSR1);
		break;
	default:
		supervisor_stop(supervisor, watcher->signum == SIGINT ? "SIGINT" : "SIGTERM");
	}
}

void supervisor_start_signals(struct supervisor *supervisor)
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

void supervisor_stop_signals(struct supervisor *supervisor)
{
	for (int i = 0; i < WATCH_COUNT; i++)
		ev_signal_stop(supervisor->loop, &supervisor->signals[i]);
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
		.restart_keys = buffer_span(&supervisor->restart_keys),
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
	supervisor_stop(supervisor, "control: drain all");
	return 0;
}

int supervisor_open_control(struct supervisor *supervisor, char *ret_error, size_t error_len)
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
