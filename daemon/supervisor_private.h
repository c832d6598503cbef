/* supervisor_private.h — what the three files of the supervisor share; nobody else includes it.
 *
 *   supervisor.c         the parts: what is started, in which order, and taken down
 *   supervisor_orders.c  what the operator wants: signals and the control socket's orders
 *   supervisor_redis.c   the connections to Redis, and what hears of it when they come and go
 *
 * All of it runs in the supervisor's one thread, in callbacks of its loop. */
#ifndef SYNCDOC_SUPERVISOR_PRIVATE_H
#define SYNCDOC_SUPERVISOR_PRIVATE_H

#include "supervisor.h"

#include "children.h"
#include "control_verbs.h"
#include "embedded_redis.h"
#include "expiry.h"
#include "figures.h"
#include "keys.h"
#include "mark_timer.h"
#include "presence_reaper.h"
#include "purge.h"
#include "relay.h"
#include "sentinel_watch.h"

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
	bool reload_waits;          /* for killed workers to be reaped */
	struct buffer restart_keys; /* owned: of the last reload; empty: there was none */
	char mark_channel[KEY_MAX];
	struct publisher publisher;
	struct embedded_redis *embedded; /* owned; NULL: Redis is somebody else's */
	char *redis_url; /* owned: as in force; outlives the config, which a reload replaces */
	struct upstream commands;
	struct sentinel_watch *sentinels; /* owned; NULL: there are none */
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

/* ---- supervisor.c ---- */

/* Workers drain, then Redis is told, then the embedded one stops, then the loop ends. A second call
 * does not wait for the workers any longer. `why` goes to the log. */
void supervisor_stop(struct supervisor *supervisor, const char *why);

/* ---- supervisor_orders.c ---- */

/* On SIGHUP, and once more when the killed workers that it had to wait for are reaped. The log says
 * how it went. */
void supervisor_reload(struct supervisor *supervisor);
void supervisor_start_signals(struct supervisor *supervisor);
void supervisor_stop_signals(struct supervisor *supervisor);
/* 0, or -errno with one line in ret_error. */
int supervisor_open_control(struct supervisor *supervisor, char *ret_error, size_t error_len);

/* ---- supervisor_redis.c ---- */

/* The embedded server, where the configuration wants it, and the address in force. 0, or -errno
 * with one line in ret_error. */
int supervisor_start_redis(struct supervisor *supervisor, char *ret_error, size_t error_len);
/* Both connections and all that lives on them. They come up when Redis does: nothing here waits. */
void supervisor_open_redis(struct supervisor *supervisor);
void supervisor_close_redis(struct supervisor *supervisor);
/* What writes and reads documents, with the limits of the configuration at hand: a reload stops it
 * and starts it again. Stopping it twice is fine. */
void supervisor_start_store(struct supervisor *supervisor);
void supervisor_stop_store(struct supervisor *supervisor);
/* Of this run of the supervisor, to be called before workers are forked; and of those after a lost
 * lease. `arg` is the supervisor. */
void supervisor_publish_incarnation(uint64_t incarnation, void *arg);

#endif
