/* redis_link.c — making a connection (connect, AUTH, SELECT, CLIENT SETNAME), losing it, coming
 * back.
 *
 * hiredis frees its context by itself when the connection is lost and calls us with NULL replies on
 * the way. We let go of a context the moment it is lost (`data` NULL): whatever hiredis still calls
 * for it is ignored, and commands are answered from our own list. */
#include "redis_password.h"
#include "redis_sentinel.h"
#include <bsd/stdlib.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000
#define RELOAD_MS 200
#define MOVED "a Sentinel says that another server is the primary now"

enum setup { SETUP_AUTH, SETUP_LOADED, SETUP_ROLE, SETUP_SELECT, SETUP_NAME, SETUP_DONE };

static void setup_next(struct redis *redis);

static void tell_state(struct redis *redis, const char *reason, int64_t retry_ms)
{
	if (!redis->on_state)
		return;
	redis->depth++;
	redis->on_state(redis, redis->state, reason, retry_ms, redis->state_arg);
	redis->depth--;
}

/* Full jitter: what lost Redis together must not come back together. */
static int64_t backoff_ms(struct redis *redis)
{
	int64_t most = BACKOFF_FIRST_MS;
	for (unsigned i = 0; i < redis->attempts && most < BACKOFF_MAX_MS; i++)
		most *= 2;
	if (most > BACKOFF_MAX_MS)
		most = BACKOFF_MAX_MS;
	redis->attempts++;
	return 1 + arc4random_uniform((uint32_t)most);
}

static void retry_start(struct redis *redis, int64_t wait_ms)
{
	ev_timer_stop(redis->loop, &redis->retry);
	ev_timer_set(&redis->retry, (double)wait_ms / 1000, 0.);
	ev_timer_start(redis->loop, &redis->retry);
}

/* The context has been given up already. Commands may be given from inside all callbacks here: they
 * wait. */
void link_lost(struct redis *redis, const char *reason)
{
	if (reason != redis->reason)
		snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
	dial_stop(redis);
	redis->context = NULL;
	redis->connect_by_ms = 0;
	redis->was_demoted = redis->leaving && !redis->leave_by_ms;
	redis->leaving = NULL;
	redis->leave_by_ms = 0;
	redis->loading_ms = 0;
	ev_timer_stop(redis->loop, &redis->reload);
	redis->state = REDIS_LOST;
	redis_password_wipe(&redis->password);
	int64_t retry_ms = backoff_ms(redis);
	retry_start(redis, retry_ms);
	tell_state(redis, redis->reason, retry_ms);
	commands_fail_sent(redis, -ECONNRESET);
}

void link_drop(struct redis *redis, const char *reason)
{
	redisAsyncContext *context = redis->context;
	if (!context)
		return; /* the next attempt is on its way */
	/* `reason` may lie in what is freed here. */
	if (reason != redis->reason)
		snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
	context->data = NULL;
	redisAsyncFree(context); /* from inside a callback of the context: when that returns */
	link_lost(redis, redis->reason);
}

void link_close(struct redis *redis)
{
	redisAsyncContext *context = redis->context;
	dial_stop(redis);
	redis->context = NULL;
	if (context) {
		context->data = NULL;
		redisAsyncFree(context);
	}
	redis_password_wipe(&redis->password);
	redis->state = REDIS_LOST;
	ev_timer_stop(redis->loop, &redis->retry);
	ev_timer_stop(redis->loop, &redis->reload);
	ev_clear_pending(redis->loop, &redis->flush);
}

/* hiredis frees the context behind us. */
static void context_lost(redisAsyncContext *context)
{
	struct redis *redis = context->data;
	const char *reason = context->c.err ? context->c.errstr : "connection closed";
	context->data = NULL;
	link_lost(redis, reason);
}

static void on_reply(redisAsyncContext *context, void *reply, void *unused)
{
	(void)unused;
	struct redis *redis = context->data;
	if (!redis)
		return;
	if (reply)
		commands_answer_next(redis, reply);
	else
		context_lost(context);
}

static void on_push(redisAsyncContext *context, void *reply, void *unused)
{
	(void)unused;
	struct redis *redis = context->data;
	if (!redis)
		return;
	if (!reply) {
		context_lost(context);
		return;
	}
	redis->depth++;
	redis->on_push(reply, redis->push_arg);
	redis->depth--;
}

bool link_write(struct redis *redis, struct span text)
{
	return redis->context && redisAsyncFormattedCommand(redis->context, on_reply, NULL, text.at,
							    text.len) == REDIS_OK;
}

void link_subscribe(struct redis *redis)
{
	for (size_t i = 0; i < ARRAY_LEN(redis->subscribe); i++) {
		struct span text = buffer_span(&redis->subscribe[i]);
		if (text.len && redis->context)
			redisAsyncFormattedCommand(redis->context, on_push, NULL, text.at,
						   text.len);
	}
}

static void link_ready(struct redis *redis)
{
	redis->state = REDIS_READY;
	redis->connect_by_ms = 0;
	redis->attempts = 0;
	redis->loading_ms = 0;
	redis->reconnects += redis->was_ready;
	redis->was_ready = true;
	redis->ready_ms = redis_clock_ms();
	redis_password_wipe(&redis->password);
	tell_state(redis, "", 0);
	if (redis->state != REDIS_READY)
		return;
	link_subscribe(redis);
	commands_flush_waiting(redis);
}

/* Right after its start Redis loads its data, for minutes if there is much: no fault, and nothing
 * that a new connection would make better. */
static void wait_for_data(struct redis *redis)
{
	int64_t now = redis_clock_ms();
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
	tell_state(redis, "waiting for Redis to load its data", now - redis->loading_ms);
}

static void on_reload(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct redis *redis = timer->data;
	(void)loop, (void)revents;
	redis->connect_by_ms = redis_clock_ms() + redis->timeout_ms;
	setup_next(redis);
	deadline_arm(redis);
}

static bool setup_is_optional(enum setup stage)
{
	return stage == SETUP_LOADED || stage == SETUP_ROLE || stage == SETUP_NAME;
}

static void on_setup(const struct redisReply *reply, int error, void *arg)
{
	static const char *const steps[] = {"AUTH", "PING", "ROLE", "SELECT", "CLIENT SETNAME"};
	struct redis *redis = arg;
	if (error)
		return; /* the loss is told by link_lost() */
	if (redis->setup_stage == SETUP_ROLE && !sentinel_role_fits(reply)) {
		link_drop(redis, "it is not the primary; its Sentinel may not know yet");
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
		command_send(redis, on_setup, redis, buffer_span(&text), redis_clock_ms());
		explicit_bzero(text.at, text.len);
		return;
	}
	link_ready(redis);
}

static void socket_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 15}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
	};
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
	(void)status;
	if (context->data)
		context_lost((redisAsyncContext *)context);
}

/* hiredis asks for its write watcher with every command, which costs two epoll_ctl() calls a burst.
 * Instead all that one turn of the loop queues is written at its end, and the watcher is for what
 * the socket does not take. */
static void hook_add_write(void *private)
{
	redisLibevEvents *events = private;
	struct redis *redis = events->context->data;
	if (!redis || redis->state != REDIS_READY || redis->is_flushing)
		redisLibevAddWrite(private);
	else
		ev_feed_event(redis->loop, &redis->flush, EV_CUSTOM);
}

static void on_flush(struct ev_loop *loop, ev_prepare *watcher, int revents)
{
	(void)loop, (void)revents;
	struct redis *redis = watcher->data;
	if (!redis->context)
		return;
	redis->is_flushing = true;
	redisAsyncHandleWrite(redis->context); /* may lose the connection */
	redis->is_flushing = false;
}

static bool password_read(struct redis *redis)
{
	redis_password_wipe(&redis->password);
	return !redis->password_file || redis->url.password ||
	       !redis_password_read(redis->password_key, redis->password_file, &redis->password,
				    redis->reason, sizeof(redis->reason));
}

static void on_connected(struct redis *redis)
{
	redisAsyncContext *context = redis->context;
	context->ev.addWrite = hook_add_write;
	redisAsyncSetDisconnectCallback(context, on_disconnect);
	if (!redis->url.path)
		socket_tune(context->c.fd);
	setup_next(redis);
}

void link_connect_primary(struct redis *redis)
{
	const struct redis_url *url = &redis->url;
	if (!password_read(redis))
		link_lost(redis, redis->reason);
	else if (url->path)
		dial_path(redis, url->path, on_connected, link_lost);
	else if (url->host_count)
		dial_host(redis, redis->primary.name, redis->primary.port, on_connected, link_lost);
	else
		dial_host(redis, url->host, url->port, on_connected, link_lost);
}

static void link_take_told(struct redis *redis)
{
	free(redis->primary.name);
	redis->primary = redis->told;
	redis->told = (struct redis_host){0};
	link_connect_primary(redis);
}

static void link_connect(struct redis *redis)
{
	redis->state = REDIS_CONNECTING;
	redis->setup_stage = SETUP_AUTH;
	if (redis->told.name)
		link_take_told(redis);
	else if (redis->url.host_count)
		sentinel_ask(redis);
	else
		link_connect_primary(redis);
}

void redis_move(struct redis *redis, const char *host, unsigned port)
{
	if (!redis->url.host_count || redis->is_destroying ||
	    (redis->primary.name && redis->primary.port == port &&
	     strcmp(redis->primary.name, host) == 0))
		return;
	free(redis->told.name);
	redis->told = (struct redis_host){.name = strdup(host), .port = port};
	MUST(redis->told.name);
	if (redis->state == REDIS_READY)
		commands_leave(redis, MOVED);
	else if (redis->context)
		link_drop(redis, MOVED);
	else if (redis->state == REDIS_LOST)
		retry_start(redis, 0);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	link_connect(timer->data);
}

void link_init(struct redis *redis)
{
	dial_init(redis);
	ev_timer_init(&redis->retry, on_retry, 0., 0.);
	redis->retry.data = redis;
	ev_timer_init(&redis->reload, on_reload, 0., 0.);
	redis->reload.data = redis;
	/* So that not all connections of a host ask the same one. */
	if (redis->url.host_count)
		redis->sentinel = arc4random_uniform(redis->url.host_count);
	/* Never started, only fed; lowest priority: behind everything else of the same turn. */
	ev_prepare_init(&redis->flush, on_flush);
	ev_set_priority(&redis->flush, EV_MINPRI);
	redis->flush.data = redis;
}

void link_start(struct redis *redis)
{
	redis->state = REDIS_CONNECTING;
	ev_timer_start(redis->loop, &redis->retry);
}
