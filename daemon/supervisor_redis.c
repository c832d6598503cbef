/* supervisor_redis.c — see supervisor_private.h: the server of our own, two connections (commands
 * and marks; the subscription), and what stands on them. */
#define _GNU_SOURCE
#include "supervisor_private.h"

#include <bsd/stdlib.h>

/* ---- the server ---- */

int supervisor_start_redis(struct supervisor *supervisor, char *ret_error, size_t error_len)
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

/* ---- documents ---- */

void supervisor_start_store(struct supervisor *supervisor)
{
	supervisor->store = store_create(supervisor->loop, supervisor->config,
					 supervisor->redis_url, supervisor->hash_seed);
	relay_set_store(&supervisor->relay, supervisor->store);
	expiry_start(&supervisor->expiry, supervisor->loop, supervisor->store);
	purge_start(&supervisor->purge, supervisor->loop, supervisor->store,
		    supervisor->config->documents_tombstone_ttl_ms);
}

void supervisor_stop_store(struct supervisor *supervisor)
{
	expiry_stop(&supervisor->expiry);
	purge_stop(&supervisor->purge);
	relay_set_store(&supervisor->relay, NULL);
	store_destroy(supervisor->store);
	supervisor->store = NULL;
}

/* ---- workers' runs ---- */

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

void supervisor_publish_incarnation(uint64_t incarnation, void *arg)
{
	struct supervisor *supervisor = arg;
	supervisor->incarnation = incarnation;
	publisher_set_incarnation(&supervisor->publisher, incarnation);
}

static void start_presence_reaper(struct supervisor *supervisor)
{
	struct presence_reaper_options options = {
		.loop = supervisor->loop,
		.redis = supervisor->commands.redis,
		.node = supervisor->config->node,
		.lock_fd = supervisor->options->lock_fd,
		.for_each_run = for_each_run,
		.forks = count_forks,
		.renew_runs = renew_runs,
		.publish_incarnation = supervisor_publish_incarnation,
		.arg = supervisor,
	};
	presence_reaper_start(&supervisor->presence_reaper, &options, supervisor->incarnation);
}

/* ---- connections ---- */

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
	/* A subscription is refused nothing and would stay with a server that is no primary. */
	if (redis_was_demoted(supervisor->commands.redis))
		relay_reconnect(&supervisor->relay, "its server is not the primary any more");
}

static void on_deaf(void *arg)
{
	struct supervisor *supervisor = arg;
	relay_reconnect(&supervisor->relay, "no mark came through though redis answers");
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

static void on_switch(const char *host, unsigned port, void *arg)
{
	struct supervisor *supervisor = arg;
	relay_move(&supervisor->relay, host, port);
	redis_move(supervisor->commands.redis, host, port);
	if (supervisor->store)
		store_move(supervisor->store, host, port);
}

static void watch_sentinels(struct supervisor *supervisor)
{
	const struct redis_options options =
		redis_options_of(supervisor->config, supervisor->redis_url, "syncdoc-watch");

	supervisor->sentinels =
		sentinel_watch_create(supervisor->loop, &options, on_switch, supervisor);
}

void supervisor_open_redis(struct supervisor *supervisor)
{
	key_mark(supervisor->mark_channel, supervisor->config->node, supervisor->incarnation);
	marks_init(&supervisor->marks, &supervisor->publisher);
	supervisor->commands = (struct upstream){.name = "marks",
						 .on_ready = on_commands_ready,
						 .on_lost = on_commands_lost,
						 .arg = supervisor};
	upstream_open(&supervisor->commands, supervisor->loop, supervisor->config,
		      supervisor->redis_url);
	start_presence_reaper(supervisor);
	mark_timer_start(&supervisor->mark_timer, supervisor->loop, supervisor->commands.redis,
			 &supervisor->marks, supervisor->mark_channel, on_deaf, on_run_id,
			 supervisor);
	relay_open(&supervisor->relay, supervisor->loop, supervisor->config, supervisor->redis_url,
		   supervisor->mark_channel, &supervisor->publisher, &supervisor->marks,
		   on_confirmed, supervisor);
	arc4random_buf(&supervisor->hash_seed, sizeof(supervisor->hash_seed));
	supervisor_start_store(supervisor);
	watch_sentinels(supervisor);
}

void supervisor_close_redis(struct supervisor *supervisor)
{
	sentinel_watch_destroy(supervisor->sentinels);
	supervisor->sentinels = NULL;
	supervisor_stop_store(supervisor);
	mark_timer_stop(&supervisor->mark_timer);
	relay_close(&supervisor->relay);
	upstream_close(&supervisor->commands);
	presence_reaper_stop(&supervisor->presence_reaper);
}
