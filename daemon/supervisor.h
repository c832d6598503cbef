/* supervisor.h — the process that starts everything and touches no client: a libev loop over child
 * table, signals, Redis subscription and ring. It never waits on, locks or trusts anything a worker
 * writes. */
#ifndef SYNCDOC_SUPERVISOR_H
#define SYNCDOC_SUPERVISOR_H

#include "config.h"
#include "listeners.h"

struct supervisor_options {
	struct config *config;   /* owned by the supervisor from here on */
	const char *config_path; /* for SIGHUP; NULL: the default place */
	const char *const *overrides;
	size_t override_count;
	const struct listeners *listeners; /* borrowed */
	int lock_fd;                       /* borrowed: of the state directory */
	bool has_stderr;                   /* in the foreground */
	bool ends_with_terminal;           /* a SIGHUP because the terminal is gone means SIGTERM */
	int (*worker_main)(const struct inherit *inherit);
	/* Everything that can fail at the start has not; called once, before the first worker is
	 * forked. */
	void (*on_up)(void *arg);
	void *arg;
};

/* Runs until SIGTERM or SIGINT has drained all. 0, or -errno with one line in ret_error: it could
 * not start, nothing runs. */
int supervisor_run(const struct supervisor_options *options, char *ret_error, size_t error_len);

#endif
