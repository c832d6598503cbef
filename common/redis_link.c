/* redis_link.c — making a connection, losing it, coming back.
 *
 * hiredis frees its context by itself when the connection is lost and calls us with NULL replies on
 * the way. We let go of a context the moment it is lost (`data` NULL): whatever hiredis still calls
 * for it is ignored, and commands are answered from our own list. */
#include "clock.h"
#include "redis_password.h"
#include "redis_sentinel.h"
#include <bsd/stdlib.h>
#include <hiredis/async.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000
#define MOVED "a Sentinel says that another server is the primary now"

void link_tell_state(struct redis *redis, const char *reason, int64_t retry_ms)
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
	link_tell_state(redis, redis->reason, retry_ms);
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

bool link_write_piece(struct redis *redis, struct span piece, bool is_first)
{
	if (is_first)
		return link_write(redis, piece);
	return redis->context &&
	       redisAppendFormattedCommand(&redis->context->c, piece.at, piece.len) == REDIS_OK;
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

void link_ready(struct redis *redis)
{
	redis->state = REDIS_READY;
	redis->connect_by_ms = 0;
	redis->attempts = 0;
	redis->loading_ms = 0;
	redis->reconnects += redis->was_ready;
	redis->was_ready = true;
	redis->ready_ms = clock_monotonic_ms();
	redis_password_wipe(&redis->password);
	link_tell_state(redis, "", 0);
	if (redis->state != REDIS_READY)
		return;
	link_subscribe(redis);
	commands_flush_waiting(redis);
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
	dial_hook_writes(redis);
	redisAsyncSetDisconnectCallback(context, on_disconnect);
	if (!redis->url.path)
		socket_tune(context->c.fd);
	setup_begin(redis);
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
	else {
		/* Waiting for the next attempt, or for the address of another server. */
		dial_stop(redis);
		retry_start(redis, 0);
	}
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
	setup_init(redis);
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
