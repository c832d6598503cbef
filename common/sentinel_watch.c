/* sentinel_watch.c — see sentinel_watch.h. */
#include "sentinel_watch.h"

#include "buffer.h"
#include "log.h"
#include "redis_sentinel.h"

#include <hiredis/hiredis.h>

#define CHANNEL "+switch-master"

struct watched {
	struct sentinel_watch *watch;
	struct redis *redis; /* owned: a subscription */
	const struct redis_host *host;
	bool is_listening;
	struct log_limit lost_limit, refused_limit;
};

struct sentinel_watch {
	struct redis_url url; /* owned */
	sentinel_switch_fn fn;
	void *arg;
	/* Owned; the primary of the last message, of which all Sentinels tell; name NULL: there has
	 * been none since all were away. */
	struct redis_host told;
	uint64_t switches;
	struct watched sentinels[REDIS_HOSTS_MAX];
};

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	struct watched *watched = arg;

	(void)redis;
	watched->is_listening = false;
	if (state == REDIS_LOST && log_allow(&watched->lost_limit))
		log_warning(
			"sentinel %s:%u: not listened to: %s, retrying in %lld ms; %u of %u are",
			watched->host->name, watched->host->port, reason, (long long)retry_ms,
			sentinel_watch_listening(watched->watch), watched->watch->url.host_count);
}

static bool is_known(const struct sentinel_watch *watch, struct span host, unsigned port)
{
	return watch->told.name && watch->told.port == port &&
	       span_equals(span_string(watch->told.name), host);
}

static void take_message(struct watched *watched, struct span message)
{
	struct sentinel_watch *watch = watched->watch;
	struct span host;
	unsigned port;

	if (sentinel_parse_switch(message, watch->url.primary, &host, &port) ||
	    is_known(watch, host, port))
		return;
	free(watch->told.name);
	watch->told = (struct redis_host){.name = strndup(host.at, host.len), .port = port};
	MUST(watch->told.name);
	watch->switches++;
	log_notice("sentinel %s:%u: the primary of %s is %s:%u now, going there",
		   watched->host->name, watched->host->port, watch->url.primary, watch->told.name,
		   port);
	watch->fn(watch->told.name, port, watch->arg);
}

/* What was told while no Sentinel was listened to is not known: the primary of the last message may
 * have been another one in between, and its return is news. */
static void start_listening(struct watched *watched)
{
	struct sentinel_watch *watch = watched->watch;

	if (!sentinel_watch_listening(watch)) {
		free(watch->told.name);
		watch->told = (struct redis_host){0};
	}
	watched->is_listening = true;
}

static void on_push(const struct redisReply *reply, void *arg)
{
	struct watched *watched = arg;

	if (reply->type == REDIS_REPLY_ERROR) {
		if (log_allow(&watched->refused_limit))
			log_warning("sentinel %s:%u: refuses the subscription to " CHANNEL ": %s",
				    watched->host->name, watched->host->port, reply->str);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return;
	const struct redisReply *kind = reply->element[0], *text = reply->element[2];
	if (strcmp(kind->str, "subscribe") == 0)
		start_listening(watched);
	else if (strcmp(kind->str, "message") == 0 && text->type == REDIS_REPLY_STRING)
		take_message(watched, span_of(text->str, (size_t)text->len));
}

static void watched_open(struct watched *watched, struct ev_loop *loop,
			 const struct redis_options *options, unsigned index)
{
	static const char *const channels[] = {CHANNEL};
	CLEANUP(buffer_fini) struct buffer url = {0};
	const char *user =
		options->sentinel_user && *options->sentinel_user ? options->sentinel_user : NULL;

	redis_url_format_sentinel(&watched->watch->url, index, user, &url);
	buffer_append_char(&url, '\0');
	const struct redis_options own = {
		.url = url.at,
		.password_file = options->sentinel_password_file,
		.password_key = "redis.sentinel_password_file",
		.timeout_ms = options->timeout_ms,
		.name = options->name,
		.name_servers = options->name_servers,
	};
	watched->host = &watched->watch->url.hosts[index];
	watched->redis = redis_create(loop, &own, on_state, watched);
	redis_subscribe(watched->redis, channels, 1, NULL, 0, on_push, watched);
}

struct sentinel_watch *sentinel_watch_create(struct ev_loop *loop,
					     const struct redis_options *options,
					     sentinel_switch_fn fn, void *arg)
{
	struct sentinel_watch *watch = calloc(1, sizeof(*watch));
	const char *reason;

	MUST(watch && redis_url_parse(options->url, &watch->url, &reason) == 0);
	watch->fn = fn;
	watch->arg = arg;
	for (unsigned i = 0; i < watch->url.host_count; i++) {
		watch->sentinels[i].watch = watch;
		watched_open(&watch->sentinels[i], loop, options, i);
	}
	if (watch->url.host_count)
		return watch;
	sentinel_watch_destroy(watch);
	return NULL;
}

void sentinel_watch_destroy(struct sentinel_watch *watch)
{
	if (!watch)
		return;
	for (unsigned i = 0; i < watch->url.host_count; i++)
		redis_destroy(watch->sentinels[i].redis);
	redis_url_fini(&watch->url);
	free(watch->told.name);
	free(watch);
}

unsigned sentinel_watch_listening(const struct sentinel_watch *watch)
{
	unsigned count = 0;

	for (unsigned i = 0; watch && i < watch->url.host_count; i++)
		count += watch->sentinels[i].is_listening;
	return count;
}

uint64_t sentinel_watch_switches(const struct sentinel_watch *watch)
{
	return watch ? watch->switches : 0;
}
