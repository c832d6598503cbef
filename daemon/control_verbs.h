/* control_verbs.h — what can be said on the control socket: status, top, loglevel, reload, drain.
 * Reads the supervisor through a view that is filled for each request, and acts through its host.
 */
#ifndef SYNCDOC_CONTROL_VERBS_H
#define SYNCDOC_CONTROL_VERBS_H

#include "children.h"
#include "control.h"
#include "marks.h"
#include "upstream.h"

/* The supervisor at one moment. All borrowed, valid during the request. */
struct control_view {
	const struct config *config;
	const char *config_path; /* NULL: none was given */
	const char *phase;       /* "running", "draining"… */
	bool reload_waits;
	struct span restart_keys; /* a JSON array: what the last reload could not apply; or empty */
	int64_t started_ms;       /* CLOCK_MONOTONIC */
	enum log_level log_level;
	uint64_t incarnation;
	const struct publisher *publisher;
	const struct marks *marks;
	const struct upstream *commands, *subscription;
	pid_t redis_pid; /* 0: not embedded, or not running at the moment */
	const struct children *children;
	const struct control *control;
};

struct control_host {
	void (*look)(struct control_view *ret, void *arg);
	void (*set_log_level)(enum log_level level, void *arg);
	/* As SIGHUP. -EAGAIN: it will be done when killed workers are gone; -EBUSY: ending;
	 * -EINVAL: the configuration is faulty, ret_error says how. */
	int (*reload)(char *ret_error, size_t error_len, void *arg);
	/* As children_replace(). -EBUSY: ending. */
	int (*drain_worker)(unsigned index, pid_t *ret_pid, void *arg);
	/* As SIGTERM. -EBUSY: ending already. */
	int (*drain_all)(void *arg);
	void *arg;
};

/* For control_open(); `arg` is a struct control_host. */
void control_verbs_answer(struct span line, struct buffer *ret, void *arg);

#endif
