/* redis_setup.c — what is said on a connection before anybody may use it: AUTH, waiting until the
 * server has loaded its data, ROLE, SELECT, CLIENT SETNAME, and a look for Redis Cluster. */
#include "clock.h"
#include "redis_sentinel.h"
#include <hiredis/hiredis.h>

#define RELOAD_MS 200
#define OLDEST_MAJOR 6 /* of Redis */
#define OLDEST_MINOR 2

enum setup {
	SETUP_AUTH,
	SETUP_LOADED,
	SETUP_ROLE,
	SETUP_SELECT,
	SETUP_NAME,
	SETUP_MODE,
	SETUP_DONE
};

static void setup_next(struct redis *redis);

/* Right after its start Redis loads its data, for minutes if there is much: no fault, and nothing
 * that a new connection would make better. */
static void wait_for_data(struct redis *redis)
{
	int64_t now = clock_monotonic_ms();
	bool is_news = !redis->loading_ms;
	if (is_news)
		redis->loading_ms = now;
	redis->connect_by_ms = 0;
	ev_timer_stop(redis->loop, &redis->reload);
	ev_timer_set(&redis->reload, RELOAD_MS / 1000., 0.);
	ev_timer_start(redis->loop, &redis->reload);
	if (!is_news && now - redis->loading_told_ms < REDIS_LOADING_TELL_MS)
		return;
	redis->loading_told_ms = now;
	link_tell_state(redis, "waiting for Redis to load its data", now - redis->loading_ms);
}

static void on_reload(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct redis *redis = timer->data;
	(void)loop, (void)revents;
	redis->connect_by_ms = clock_monotonic_ms() + redis->timeout_ms;
	setup_next(redis);
	deadline_arm(redis);
}

/* Whether INFO says that this server cannot do what our scripts need: they would fail one by one,
 * and not say why. An ACL may forbid to ask; Valkey says which Redis it is like. */
static bool is_unfit(const struct redisReply *reply, char *ret_reason, size_t len)
{
	const char *version;
	unsigned major, minor;
	if (reply->type != REDIS_REPLY_STRING)
		return false;
	if (strstr(reply->str, "redis_mode:cluster")) {
		snprintf(ret_reason, len,
			 "it belongs to a Redis Cluster, which is not supported: redis.url has to "
			 "name a single server or Sentinels");
		return true;
	}
	version = strstr(reply->str, "redis_version:");
	if (!version || sscanf(version, "redis_version:%3u.%3u", &major, &minor) != 2 ||
	    major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR))
		return false;
	snprintf(ret_reason, len, "it is Redis %u.%u, and %d.%d or newer is needed", major, minor,
		 OLDEST_MAJOR, OLDEST_MINOR);
	return true;
}

static bool setup_is_optional(enum setup stage)
{
	return stage == SETUP_LOADED || stage == SETUP_ROLE || stage == SETUP_NAME ||
	       stage == SETUP_MODE;
}

static void on_setup(const struct redisReply *reply, int error, void *arg)
{
	static const char *const steps[] = {"AUTH",   "PING",           "ROLE",
					    "SELECT", "CLIENT SETNAME", "INFO"};
	struct redis *redis = arg;
	if (error)
		return; /* the loss is told by link_lost() */
	if (redis->setup_stage == SETUP_ROLE && !sentinel_role_fits(reply)) {
		link_drop(redis, "it is not the primary; its Sentinel may not know yet");
		return;
	}
	char unfit[sizeof(redis->reason)];
	if (redis->setup_stage == SETUP_MODE && is_unfit(reply, unfit, sizeof(unfit))) {
		link_drop(redis, unfit);
		return;
	}
	bool is_refused = reply->type == REDIS_REPLY_ERROR;
	if (is_refused && redis->setup_stage == SETUP_LOADED &&
	    strncmp(reply->str, "LOADING", 7) == 0) {
		wait_for_data(redis);
		return;
	}
	/* A name is a courtesy that an ACL may forbid; that we must log in is not. */
	if (is_refused && setup_is_optional(redis->setup_stage) &&
	    strncmp(reply->str, "NOAUTH", 6) != 0)
		is_refused = false;
	if (is_refused) {
		char reason[sizeof(redis->reason)];
		snprintf(reason, sizeof(reason), "%s refused: %s", steps[redis->setup_stage],
			 reply->str);
		link_drop(redis, reason);
		return;
	}
	redis->setup_stage++;
	setup_next(redis);
}

static int setup_auth(const struct redis *redis, const char *argv[3])
{
	const char *password = redis->url.password ? redis->url.password : redis->password;
	int argc = 0;
	if (!password && !redis->url.user)
		return 0;
	argv[argc++] = "AUTH";
	if (redis->url.user)
		argv[argc++] = redis->url.user;
	argv[argc++] = password ? password : "";
	return argc;
}

static int setup_command(const struct redis *redis, char database[16], const char *argv[3])
{
	switch ((enum setup)redis->setup_stage) {
	case SETUP_AUTH:
		return setup_auth(redis, argv);
	case SETUP_LOADED:
		/* Also shows that the server serves us. */
		argv[0] = "PING";
		return 1;
	case SETUP_ROLE:
		argv[0] = "ROLE";
		return redis->url.host_count ? 1 : 0;
	case SETUP_SELECT:
		if (!redis->url.database)
			return 0;
		snprintf(database, 16, "%u", redis->url.database);
		argv[0] = "SELECT";
		argv[1] = database;
		return 2;
	case SETUP_NAME:
		argv[0] = "CLIENT";
		argv[1] = "SETNAME";
		argv[2] = redis->name;
		return redis->name ? 3 : 0;
	case SETUP_MODE:
		argv[0] = "INFO";
		argv[1] = "server";
		return 2;
	case SETUP_DONE:
		break;
	}
	return 0;
}

/* One step at a time: a refused one ends the attempt before the next is sent. */
static void setup_next(struct redis *redis)
{
	char database[16];
	const char *argv[3];
	for (; redis->setup_stage < SETUP_DONE; redis->setup_stage++) {
		int argc = setup_command(redis, database, argv);
		if (!argc)
			continue;
		CLEANUP(buffer_fini) struct buffer text = {0};
		command_format(&text, argc, argv, NULL);
		command_send(redis, on_setup, redis, buffer_span(&text), clock_monotonic_ms());
		explicit_bzero(text.at, text.len);
		return;
	}
	link_ready(redis);
}

void setup_begin(struct redis *redis)
{
	redis->setup_stage = SETUP_AUTH;
	setup_next(redis);
}

void setup_init(struct redis *redis)
{
	ev_timer_init(&redis->reload, on_reload, 0., 0.);
	redis->reload.data = redis;
}
