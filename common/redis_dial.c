/* redis_dial.c — see redis_dial.h. hiredis gets numeric addresses only: it would look names up by
 * itself, and everything would wait. */
#include "redis_link.h"

#include "clock.h"

#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>

#define REASON_MAX 320

static void dial_next(struct redis *redis, const char *former_fault);

static void dial_fail(struct redis *redis, const char *reason)
{
	char text[REASON_MAX];

	/* It may lie in a context that goes now. */
	snprintf(text, sizeof(text), "%s", reason);
	dial_stop(redis);
	redis->connect_by_ms = 0;
	redis->dial.on_failed(redis, text);
}

/* What is the matter with the address tried last; its name is enough where it is what was asked
 * for. */
static void format_fault(const struct redis_dial *dial, const char *what, char ret[REASON_MAX])
{
	const char *address = dial->next ? dial->addresses.text[dial->next - 1] : "";

	if (dial->is_path || strcmp(address, dial->host) == 0)
		snprintf(ret, REASON_MAX, "%s", what);
	else if (dial->addresses.count == 1)
		snprintf(ret, REASON_MAX, "%.120s (%s): %s", dial->host, address, what);
	else
		snprintf(ret, REASON_MAX, "%.120s (%s, the last of %zu addresses): %s", dial->host,
			 address, dial->addresses.count, what);
}

static void address_failed(struct redis *redis, const char *what)
{
	char fault[REASON_MAX];

	ev_timer_stop(redis->loop, &redis->dial.patience);
	redis->context = NULL;
	format_fault(&redis->dial, what, fault);
	dial_next(redis, fault);
}

/* On failure hiredis frees the context itself, behind this call. */
static void on_connect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;

	if (!redis)
		return;
	if (status != REDIS_OK) {
		((redisAsyncContext *)context)->data = NULL;
		address_failed(redis, context->c.errstr);
		return;
	}
	ev_timer_stop(redis->loop, &redis->dial.patience);
	redis->dial.on_connected(redis);
}

static void context_give_up(struct redis *redis)
{
	redisAsyncContext *context = redis->context;

	redis->context = NULL;
	context->data = NULL;
	redisAsyncFree(context);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct redis *redis = timer->data;

	(void)loop, (void)revents;
	context_give_up(redis);
	address_failed(redis, "connecting timed out");
}

/* One that swallows packets leaves time for those behind it. */
static void patience_start(struct redis *redis)
{
	struct redis_dial *dial = &redis->dial;
	int64_t left_ms = redis->connect_by_ms - clock_monotonic_ms();
	size_t left = dial->addresses.count - dial->next + 1;

	if (left < 2)
		return; /* the whole attempt's deadline is its own */
	ev_timer_stop(redis->loop, &dial->patience);
	ev_timer_set(&dial->patience, (double)(left_ms > 0 ? left_ms : 1) / 1000. / (double)left,
		     0.);
	ev_timer_start(redis->loop, &dial->patience);
}

static void dial_next(struct redis *redis, const char *former_fault)
{
	struct redis_dial *dial = &redis->dial;
	char fault[REASON_MAX];

	snprintf(fault, sizeof(fault), "%s", former_fault);
	while (dial->next < dial->addresses.count) {
		const char *address = dial->addresses.text[dial->next++];
		redisAsyncContext *context = dial->is_path
						     ? redisAsyncConnectUnix(dial->host)
						     : redisAsyncConnect(address, (int)dial->port);
		MUST(context);
		if (context->err || redisLibevAttach(redis->loop, context) != REDIS_OK) {
			format_fault(dial, context->errstr, fault);
			redisAsyncFree(context);
			continue;
		}
		context->data = redis;
		redis->context = context;
		redisAsyncSetConnectCallback(context, on_connect);
		patience_start(redis);
		deadline_arm(redis);
		return;
	}
	dial_fail(redis, fault);
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

void dial_hook_writes(struct redis *redis)
{
	redis->context->ev.addWrite = hook_add_write;
	redis->context->ev.delWrite = hook_del_write;
}

static void dial_begin(struct redis *redis)
{
	redis->dial.next = 0;
	redis->connect_by_ms = clock_monotonic_ms() + redis->timeout_ms;
	dial_next(redis, "no address");
}

static void on_addresses(const struct name_addresses *addresses, const char *reason, void *arg)
{
	struct redis *redis = arg;
	char fault[REASON_MAX];

	redis->dial.lookup = NULL;
	if (addresses) {
		redis->dial.addresses = *addresses;
		dial_begin(redis);
		return;
	}
	snprintf(fault, sizeof(fault), "%.120s: %s", redis->dial.host, reason);
	dial_fail(redis, fault);
}

static void dial_set(struct redis *redis, const char *host, unsigned port, bool is_path,
		     void (*on_connected)(struct redis *redis),
		     void (*on_failed)(struct redis *redis, const char *reason))
{
	struct redis_dial *dial = &redis->dial;

	dial_stop(redis);
	/* That of the Sentinel asked before: while a name is looked up there is no context to drop.
	 */
	redis->connect_by_ms = 0;
	MUST(dial->host = strdup(host));
	dial->port = port;
	dial->is_path = is_path;
	dial->on_connected = on_connected;
	dial->on_failed = on_failed;
	dial->addresses.count = 0;
}

void dial_path(struct redis *redis, const char *path, void (*on_connected)(struct redis *redis),
	       void (*on_failed)(struct redis *redis, const char *reason))
{
	dial_set(redis, path, 0, true, on_connected, on_failed);
	redis->dial.addresses.count = 1;
	dial_begin(redis);
}

void dial_host(struct redis *redis, const char *host, unsigned port,
	       void (*on_connected)(struct redis *redis),
	       void (*on_failed)(struct redis *redis, const char *reason))
{
	const struct name_lookup_options options = {
		.name = host,
		.timeout_ms = redis->timeout_ms,
		.servers = redis->name_servers,
	};
	struct name_addresses *addresses = &redis->dial.addresses;

	dial_set(redis, host, port, false, on_connected, on_failed);
	if (name_is_numeric(host) && strlen(host) < sizeof(addresses->text[0])) {
		snprintf(addresses->text[0], sizeof(addresses->text[0]), "%s", host);
		addresses->count = 1;
		dial_begin(redis);
	} else {
		redis->dial.lookup = name_lookup_start(redis->loop, &options, on_addresses, redis);
	}
}

void dial_stop(struct redis *redis)
{
	struct redis_dial *dial = &redis->dial;

	name_lookup_cancel(dial->lookup);
	dial->lookup = NULL;
	ev_timer_stop(redis->loop, &dial->patience);
	free(dial->host);
	dial->host = NULL;
}

void dial_init(struct redis *redis)
{
	ev_init(&redis->dial.patience, on_patience);
	redis->dial.patience.data = redis;
}
