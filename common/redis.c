/* redis.c — one connection as its user has it: made, asked how it is, turned into a subscription,
 * taken down. */
#include "redis_link.h"

#include "config.h"

struct redis_options redis_options_of(const struct config *config, const char *url,
				      const char *name)
{
	return (struct redis_options){
		.url = url,
		.password_file = config->redis_password_file,
		.sentinel_user = config->redis_sentinel_user,
		.sentinel_password_file = config->redis_sentinel_password_file,
		.timeout_ms = config->redis_timeout_ms,
		.name = name,
	};
}

/* NULL where there is nothing. */
static char *copy(const char *text)
{
	char *copied = text && *text ? strdup(text) : NULL;
	MUST(copied || !text || !*text);
	return copied;
}

struct redis *redis_create(struct ev_loop *loop, const struct redis_options *options,
			   redis_state_fn on_state, void *arg)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	const char *reason;
	MUST(redis);
	MUST(redis_url_parse(options->url, &redis->url, &reason) == 0); /* checked by the caller */
	redis->loop = loop;
	redis->on_state = on_state;
	redis->state_arg = arg;
	redis->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 1;
	redis->password_file = copy(options->password_file);
	redis->password_key = options->password_key ? options->password_key : "redis.password_file";
	redis->sentinel_user = copy(options->sentinel_user);
	redis->sentinel_password_file = copy(options->sentinel_password_file);
	redis->name = copy(options->name);
	redis->name_servers = copy(options->name_servers);
	commands_init(redis);
	link_init(redis);
	link_start(redis);
	return redis;
}

void redis_destroy(struct redis *redis)
{
	if (!redis)
		return;
	MUST(!redis->depth);
	redis->is_destroying = true;
	link_close(redis);
	commands_close(redis);
	redis_url_fini(&redis->url);
	free(redis->primary.name);
	free(redis->told.name);
	free(redis->password_file);
	free(redis->sentinel_user);
	free(redis->sentinel_password_file);
	free(redis->name);
	free(redis->name_servers);
	buffer_fini(&redis->subscribe[0]);
	buffer_fini(&redis->subscribe[1]);
	free(redis);
}

enum redis_state redis_state_of(const struct redis *redis)
{
	return redis->state;
}

void redis_format_primary(const struct redis *redis, char *ret, size_t len)
{
	if (redis->primary.name)
		snprintf(ret, len, "%s:%u", redis->primary.name, redis->primary.port);
	else
		snprintf(ret, len, "%s", "");
}

void redis_set_timeout(struct redis *redis, int64_t timeout_ms)
{
	redis->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
}

bool redis_was_demoted(const struct redis *redis)
{
	return redis->was_demoted;
}

uint64_t redis_reconnects(const struct redis *redis)
{
	return redis->reconnects;
}

void redis_reconnect(struct redis *redis, const char *reason)
{
	link_drop(redis, reason);
}

static void subscribe_format(struct buffer *ret, const char *verb, const char *const *names,
			     size_t count)
{
	ret->len = 0;
	if (!count)
		return;
	const char **argv = calloc(count + 1, sizeof(*argv));
	MUST(argv);
	argv[0] = verb;
	memcpy(argv + 1, names, count * sizeof(*argv));
	command_format(ret, (int)count + 1, argv, NULL);
	free(argv);
}

void redis_subscribe(struct redis *redis, const char *const *channels, size_t channel_count,
		     const char *const *patterns, size_t pattern_count, redis_push_fn fn, void *arg)
{
	MUST(fn && !redis->waiting.head && !redis->due);
	redis->on_push = fn;
	redis->push_arg = arg;
	subscribe_format(&redis->subscribe[0], "SUBSCRIBE", channels, channel_count);
	subscribe_format(&redis->subscribe[1], "PSUBSCRIBE", patterns, pattern_count);
	if (redis->state == REDIS_READY)
		link_subscribe(redis);
}
