/* redis_link.c — making a connection (connect, AUTH, SELECT, CLIENT SETNAME), losing it, coming
 * back.
 *
 * hiredis frees its context by itself when the connection is lost and calls us with NULL replies on
 * the way. We let go of a context the moment it is lost (`data` NULL): whatever hiredis still calls
 * for it is ignored, and commands are answered from our own list. */
#include "redis_sentinel.h"
#include <bsd/stdlib.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000
#define PASSWORD_MAX 1024

enum setup { SETUP_AUTH, SETUP_ROLE, SETUP_SELECT, SETUP_NAME, SETUP_MODE, SETUP_DONE };

static void setup_next(struct redis *redis);

static void tell_state(struct redis *redis, const char *reason, int64_t retry_ms)
{
	if (!redis->on_state)
		return;
	redis->depth++;
	redis->on_state(redis, redis->state, reason, retry_ms, redis->state_arg);
	redis->depth--;
}

static void password_wipe(struct redis *redis)
{
	if (redis->password)
		explicit_bzero(redis->password, strlen(redis->password));
	free(redis->password);
	redis->password = NULL;
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

/* The context has been given up already. Commands may be given from inside all callbacks here: they
 * wait. */
void link_lost(struct redis *redis, const char *reason)
{
	if (reason != redis->reason)
		snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
	redis->context = NULL;
	redis->connect_by_ms = 0;
	redis->is_replica = false;
	redis->state = REDIS_LOST;
	password_wipe(redis);
	int64_t retry_ms = backoff_ms(redis);
	ev_timer_stop(redis->loop, &redis->retry);
	ev_timer_set(&redis->retry, (double)retry_ms / 1000, 0.);
	ev_timer_start(redis->loop, &redis->retry);
	tell_state(redis, redis->reason, retry_ms);
	commands_fail_sent(redis, -ECONNRESET);
}

void link_drop(struct redis *redis, const char *reason)
{
	redisAsyncContext *context = redis->context;
	if (!context)
		return; /* the next attempt is on its way */
	/* `reason` may lie in what is freed here. */
	snprintf(redis->reason, sizeof(redis->reason), "%s", reason);
	context->data = NULL;
	redisAsyncFree(context); /* from inside a callback of the context: when that returns */
	link_lost(redis, redis->reason);
}

void link_close(struct redis *redis)
{
	redisAsyncContext *context = redis->context;
	redis->context = NULL;
	if (context) {
		context->data = NULL;
		redisAsyncFree(context);
	}
	password_wipe(redis);
	redis->state = REDIS_LOST;
	ev_timer_stop(redis->loop, &redis->retry);
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

static void link_ready(struct redis *redis)
{
	redis->state = REDIS_READY;
	redis->connect_by_ms = 0;
	redis->attempts = 0;
	redis->reconnects += redis->was_ready;
	redis->was_ready = true;
	redis->ready_ms = redis_clock_ms();
	password_wipe(redis);
	tell_state(redis, "", 0);
	if (redis->state != REDIS_READY)
		return;
	link_subscribe(redis);
	commands_flush_waiting(redis);
}

/* Its scripts would be refused one by one, and not say why. An ACL may forbid to ask. */
static bool is_cluster(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && strstr(reply->str, "redis_mode:cluster");
}

static void on_setup(const struct redisReply *reply, int error, void *arg)
{
	static const char *const steps[] = {"AUTH", "ROLE", "SELECT", "CLIENT SETNAME", "INFO"};
	struct redis *redis = arg;
	if (error)
		return; /* the loss is told by link_lost() */
	if (redis->setup_stage == SETUP_ROLE && !sentinel_role_fits(reply)) {
		link_drop(redis, "it is not the primary; its Sentinel may not know yet");
		return;
	}
	if (redis->setup_stage == SETUP_MODE && is_cluster(reply)) {
		link_drop(redis, "it belongs to a Redis Cluster, which is not supported: "
				 "redis.url has to name a single server or Sentinels");
		return;
	}
	bool is_refused = reply->type == REDIS_REPLY_ERROR;
	/* A name is a courtesy that an ACL may forbid; that we must log in is not. */
	if (is_refused && (redis->setup_stage >= SETUP_NAME || redis->setup_stage == SETUP_ROLE) &&
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
		/* Also without a name one reply is waited for: it shows that the server serves us.
		 */
		argv[0] = redis->name ? "CLIENT" : "PING";
		argv[1] = "SETNAME";
		argv[2] = redis->name;
		return redis->name ? 3 : 1;
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

/* On failure hiredis frees the context itself, behind this call. */
static void on_connect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;
	if (!redis)
		return;
	if (status != REDIS_OK) {
		context_lost((redisAsyncContext *)context);
		return;
	}
	if (!redis->url.path)
		socket_tune(context->c.fd);
	setup_next(redis);
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

/* All is written: the place for the next piece of a large command. */
static void hook_del_write(void *private)
{
	redisLibevEvents *events = private;
	struct redis *redis = events->context->data;
	if (redis && redis->feeding) {
		feed_more(redis);
		redisLibevAddWrite(private);
	} else {
		redisLibevDelWrite(private);
	}
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
	char line[PASSWORD_MAX + 2] = "";
	if (!redis->password_file || redis->url.password)
		return true;
	FILE *file = fopen(redis->password_file, "re");
	if (file)
		setvbuf(file, NULL, _IONBF, 0); /* no copy of it is left on the heap */
	if (!file || !fgets(line, sizeof(line), file)) {
		snprintf(redis->reason, sizeof(redis->reason), "password file %s: %s",
			 redis->password_file, file ? "it is empty" : strerror(errno));
		if (file)
			fclose(file);
		return false;
	}
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	MUST(redis->password = strdup(line));
	explicit_bzero(line, sizeof(line));
	return true;
}

static redisAsyncContext *connect_context(const struct redis *redis)
{
	const struct redis_url *url = &redis->url;
	const struct redis_host host =
		url->host_count ? redis->primary : (struct redis_host){url->host, url->port};
	redisAsyncContext *context = url->path ? redisAsyncConnectUnix(url->path)
					       : redisAsyncConnect(host.name, (int)host.port);
	MUST(context);
	return context;
}

void link_connect_primary(struct redis *redis)
{
	redisAsyncContext *context = connect_context(redis);
	if (context->err || redisLibevAttach(redis->loop, context) != REDIS_OK) {
		snprintf(redis->reason, sizeof(redis->reason), "%s", context->errstr);
		redisAsyncFree(context);
		link_lost(redis, redis->reason);
		return;
	}
	context->data = redis;
	context->ev.addWrite = hook_add_write;
	context->ev.delWrite = hook_del_write;
	redis->context = context;
	redis->connect_by_ms = redis_clock_ms() + redis->timeout_ms;
	redisAsyncSetDisconnectCallback(context, on_disconnect);
	redisAsyncSetConnectCallback(context, on_connect);
	deadline_arm(redis);
}

static void link_connect(struct redis *redis)
{
	redis->state = REDIS_CONNECTING;
	redis->setup_stage = SETUP_AUTH;
	if (!password_read(redis))
		link_lost(redis, redis->reason);
	else if (redis->url.host_count)
		sentinel_ask(redis);
	else
		link_connect_primary(redis);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	link_connect(timer->data);
}

void link_init(struct redis *redis)
{
	ev_timer_init(&redis->retry, on_retry, 0., 0.);
	redis->retry.data = redis;
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
