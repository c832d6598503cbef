/* upstream.c — see upstream.h. */
#define _GNU_SOURCE
#include "upstream.h"

#include <inttypes.h>

void upstream_describe_url(const char *url, char *ret, size_t len)
{
	const char *rest = strstr(url, "://");
	const char *secret_end = strrchr(url, '@');
	bool secret = rest && secret_end && secret_end > rest && strncmp(url, "unix:", 5) != 0;
	if (secret)
		snprintf(ret, len, "%.*s***%s", (int)(rest + 3 - url), url, secret_end);
	else
		snprintf(ret, len, "%s", url);
}

static void log_lost(struct upstream *upstream, const char *reason, int64_t retry_ms)
{
	if (upstream->quiet || !log_allow(&upstream->lost_limit))
		return;
	log_warning("%s: redis %s lost: %s, retrying in %" PRId64 " ms", upstream->name,
		    upstream->place, reason ? reason : "unknown reason", retry_ms);
}

static void log_ready(const struct upstream *upstream)
{
	char primary[300];
	if (upstream->quiet)
		return;
	redis_format_primary(upstream->redis, primary, sizeof(primary));
	log_info("%s: redis %s: connected%s%s%s", upstream->name, upstream->place,
		 upstream->was_lost ? " again" : "", *primary ? ", the primary is " : "", primary);
}

/* Once for all connections of the process; a fault only when it takes unusually long. */
static void log_loading(const struct upstream *upstream, int64_t waited_ms)
{
	static struct log_limit begins, lasts;
	if (upstream->quiet)
		return;
	if (waited_ms < REDIS_LOADING_TELL_MS && log_allow(&begins))
		log_info("%s: redis %s: waiting for Redis to load its data", upstream->name,
			 upstream->place);
	else if (waited_ms >= REDIS_LOADING_TELL_MS && log_allow(&lasts))
		log_error("%s: redis %s: still loading its data after %" PRId64 " s, still waiting",
			  upstream->name, upstream->place, waited_ms / 1000);
}

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	(void)redis;
	struct upstream *upstream = arg;
	if (state == REDIS_CONNECTING) {
		log_loading(upstream, retry_ms);
	} else if (state == REDIS_READY) {
		log_ready(upstream);
		/* The next loss is news, however soon it comes. */
		upstream->lost_limit.next_ms = 0;
		upstream->was_lost = false;
		if (upstream->on_ready)
			upstream->on_ready(upstream->arg);
	} else if (state == REDIS_LOST) {
		log_lost(upstream, reason, retry_ms);
		upstream->was_lost = true;
		if (upstream->on_lost)
			upstream->on_lost(upstream->arg);
	}
}

void upstream_open(struct upstream *upstream, struct ev_loop *loop, const struct config *config,
		   const char *url)
{
	upstream_describe_url(url, upstream->place, sizeof(upstream->place));
	const struct redis_options options = redis_options_of(config, url, upstream->name);
	upstream->redis = redis_create(loop, &options, on_state, upstream);
}

void upstream_close(struct upstream *upstream)
{
	upstream->quiet = true;
	redis_destroy(upstream->redis);
	upstream->redis = NULL;
}
