/* upstream.h — one of the supervisor's connections to Redis, with its coming and going logged. */
#ifndef SYNCDOC_UPSTREAM_H
#define SYNCDOC_UPSTREAM_H

#include "config.h"
#include "redis.h"

struct upstream {
	struct redis *redis; /* owned */
	const char *name;    /* static: "relay", "marks"; begins its log lines */
	char place[128];     /* the URL without what is secret in it */
	struct log_limit lost_limit;
	bool was_lost;
	bool quiet; /* stopping: a connection that goes is no news */
	void (*on_ready)(void *arg);
	void (*on_lost)(void *arg); /* may be called for every failed attempt */
	void *arg;
};

/* Fills the struct and starts connecting. The callbacks may be NULL. */
void upstream_open(struct upstream *upstream, struct ev_loop *loop, const struct config *config,
		   const char *url);
/* Not from inside a callback of the connection. Fine if it was never opened (all zero). */
void upstream_close(struct upstream *upstream);

/* Pure: the URL for the log: what stands before the last @ becomes ***. */
void upstream_describe_url(const char *url, char *ret, size_t len);

#endif
