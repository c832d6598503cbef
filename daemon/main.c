/* main.c — syncdocd: command line, configuration, and the order in which a process becomes the
 * supervisor: all that needs root first, then the drop of privileges, then the log, the state
 * directory's lock, and everything that runs. The only file that knows both daemon and workers. */
#define _GNU_SOURCE
#include "buffer.h"
#include "config.h"
#include "core_dumps.h"
#include "daemonise.h"
#include "embedded_redis.h"
#include "listeners.h"
#include "options.h"
#include "pid_file.h"
#include "privileges.h"
#include "reload.h"
#include "state_dir.h"
#include "supervisor.h"
#include "system_reason.h"
#include "worker.h"

#include <bsd/libutil.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define ERROR_MAX 1024

/* What is held from step to step of the start, and given back at the end. */
struct start {
	struct options options;
	char config_path[PATH_MAX]; /* absolute, when given: a daemon works in `/` */
	struct config *config;      /* owned until supervisor_run() */
	struct privileges privileges;
	struct listeners *listeners;
	struct pidfh *pid_file; /* NULL: none */
	int ready_fd;           /* of daemonise(); -1: foreground */
	int lock_fd;
	bool log_is_open;
	char error[ERROR_MAX];
};

/* A shell may have closed them, and then the first descriptors we open would be taken for stderr.
 */
static void fill_standard_fds(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static int load_config(struct start *start)
{
	const struct options *options = &start->options;
	const char *path = options->config_path;
	if (path && realpath(path, start->config_path))
		path = start->config_path;
	start->options.config_path = path;
	return config_load(path, options->overrides, options->override_count, &start->config,
			   start->error, sizeof(start->error));
}

/* The configuration on stdout and nothing else: it can be kept as a file. Its last line is for the
 * reader. */
static int print_config(struct start *start)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	config_print(start->config, &text);
	buffer_append_string(&text, "# configuration ok\n");
	config_destroy(start->config);
	if (fwrite(text.at, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "syncdocd: cannot print: %s\n", strerror(errno));
	return EXIT_FAILURE;
}

static int open_log(struct start *start)
{
	const struct config *config = start->config;
	bool has_stderr = start->options.foreground;
	const char *target = reload_log_target(config, has_stderr);
	if (strcmp(target, config->log_target) != 0)
		fprintf(stderr, "syncdocd: log.target %s: a daemon has none, logging to %s\n",
			config->log_target, target);
	char reason[SYSTEM_REASON_MAX];
	int error = log_open(target, config->log_level, config->log_format);
	if (error)
		snprintf(start->error, sizeof(start->error), "log.target %s: %s", target,
			 system_reason(-error, reason));
	else
		start->log_is_open = strcmp(target, "stderr") != 0;
	return error;
}

static int go_to_background(struct start *start)
{
	if (start->options.foreground)
		return 0;
	int error = 0;
	if (*start->config->pid_file)
		error = pid_file_open(start->config->pid_file, &start->privileges, &start->pid_file,
				      start->error, sizeof(start->error));
	if (error)
		return error;
	error = daemonise(&start->ready_fd);
	if (!error && start->pid_file && pidfile_write(start->pid_file) < 0)
		error = -errno;
	if (error)
		snprintf(start->error, sizeof(start->error), "cannot go to the background: %s",
			 strerror(-error));
	return error;
}

/* While we may still be root. */
static int open_what_needs_root(struct start *start)
{
	const struct config *config = start->config;
	const struct privileges *privileges = &start->privileges;
	int error = listeners_open(config, privileges->uid, privileges->gid, &start->listeners,
				   start->error, sizeof(start->error));
	if (!error)
		error = state_dir_make(config->state_dir, privileges, start->error,
				       sizeof(start->error));
	return error;
}

static int become_user(struct start *start)
{
	privileges_raise_files();
	int error = privileges_drop(&start->privileges, start->error, sizeof(start->error));
	if (!error)
		error = open_log(start);
	if (error)
		return error;
	core_dumps_forbid(start->config);
	char redis_socket[PATH_MAX];
	snprintf(redis_socket, sizeof(redis_socket), "%s/" EMBEDDED_REDIS_SOCKET,
		 start->config->state_dir);
	return state_dir_lock(start->config->state_dir, redis_socket, &start->lock_fd, start->error,
			      sizeof(start->error));
}

static void on_up(void *arg)
{
	struct start *start = arg;
	listeners_log(start->listeners);
	if (start->ready_fd >= 0)
		daemonise_ready(start->ready_fd);
	start->ready_fd = -1;
}

/* In the foreground of a terminal, and not under nohup: then we go when it goes. */
static bool ends_with_terminal(const struct start *start)
{
	struct sigaction action;
	if (!start->options.foreground || sigaction(SIGHUP, NULL, &action) < 0 ||
	    action.sa_handler == SIG_IGN)
		return false;
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int run_supervisor(struct start *start)
{
	log_notice("syncdocd " SYNCDOC_VERSION " starting with %u workers, state_dir %s",
		   start->config->workers, start->config->state_dir);
	struct supervisor_options options = {
		.config = start->config,
		.config_path = start->options.config_path,
		.overrides = start->options.overrides,
		.override_count = start->options.override_count,
		.listeners = start->listeners,
		.lock_fd = start->lock_fd,
		.has_stderr = start->options.foreground,
		.ends_with_terminal = ends_with_terminal(start),
		.worker_main = worker_main,
		.on_up = on_up,
		.arg = start,
	};
	start->config = NULL;
	return supervisor_run(&options, start->error, sizeof(start->error));
}

static int run(struct start *start)
{
	/* A peer that is gone is an error of write(), not a reason to die. */
	signal(SIGPIPE, SIG_IGN);
	log_set_process("supervisor");
	process_title_set("supervisor");
	int error = privileges_lookup(start->config, &start->privileges, start->error,
				      sizeof(start->error));
	if (!error && start->privileges.user)
		system_reason_name_user(start->privileges.uid);
	if (!error)
		error = go_to_background(start);
	if (!error)
		error = open_what_needs_root(start);
	if (!error)
		error = become_user(start);
	if (!error)
		error = run_supervisor(start);
	if (error) {
		fprintf(stderr, "syncdocd: %s\n", start->error);
		if (start->log_is_open)
			log_error("%s", start->error);
	} else {
		log_notice("ended");
	}
	listeners_close(start->listeners);
	config_destroy(start->config);
	pid_file_remove(start->pid_file);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	fill_standard_fds();
	process_title_init(argc, argv);
	static struct start start = {.ready_fd = -1, .lock_fd = -1};
	if (options_parse(argc, argv, &start.options))
		return EXIT_USAGE;
	if (start.options.verb == OPTIONS_HELP) {
		options_print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (start.options.verb == OPTIONS_VERSION) {
		puts("syncdocd " SYNCDOC_VERSION);
		return EXIT_SUCCESS;
	}
	system_reason_name_user(geteuid());
	if (load_config(&start)) {
		fprintf(stderr, "syncdocd: %s\n", start.error);
		return EXIT_USAGE;
	}
	if (start.options.verb == OPTIONS_CHECK)
		return print_config(&start);
	return run(&start);
}
