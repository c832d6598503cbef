/* redis_sentinel.c — see redis_sentinel.h. The Sentinel's connection stands in the place of the one
 * to come (redis->context): whoever gives an attempt up gives up the asking, too. */
#include "redis_sentinel.h"

#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>

#define FAULT_MAX 192

int sentinel_parse_address(const struct redisReply *reply, const char **ret_host,
			   unsigned *ret_port)
{
	if (reply->type == REDIS_REPLY_NIL)
		return -ENOENT;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING || !reply->element[0]->len)
		return -EBADMSG;
	char *end;
	unsigned long port = strtoul(reply->element[1]->str, &end, 10);
	if (*end || port < 1 || port > 65535)
		return -EBADMSG;
	*ret_host = reply->element[0]->str;
	*ret_port = (unsigned)port;
	return 0;
}

bool sentinel_role_fits(const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return true;
	return strcmp(reply->element[0]->str, "master") == 0;
}

static void format_fault(const struct redis *redis, const char *what, char ret[FAULT_MAX])
{
	const struct redis_host *host = &redis->url.hosts[redis->sentinel];
	snprintf(ret, FAULT_MAX, "sentinel %.80s:%u: %.80s", host->name, host->port, what);
}

static void refuse(struct redis *redis, const char *what)
{
	char reason[FAULT_MAX];
	format_fault(redis, what, reason);
	link_drop(redis, reason);
}

/* hiredis frees the context itself, behind the callback. */
static void lose(struct redis *redis, redisAsyncContext *context, const char *what)
{
	char reason[FAULT_MAX];
	context->data = NULL;
	format_fault(redis, what, reason);
	link_lost(redis, reason);
}

static void on_address(redisAsyncContext *context, void *answer, void *unused)
{
	(void)unused;
	struct redis *redis = context->data;
	const redisReply *reply = answer;
	const char *host;
	unsigned port;
	if (!redis)
		return;
	if (!reply) {
		lose(redis, context, context->c.err ? context->c.errstr : "connection closed");
		return;
	}
	int error = sentinel_parse_address(reply, &host, &port);
	if (error) {
		refuse(redis, error == -ENOENT                   ? "it does not know this primary"
			      : reply->type == REDIS_REPLY_ERROR ? reply->str
								 : "an answer that is no address");
		return;
	}
	free(redis->primary.name);
	redis->primary = (struct redis_host){.name = strdup(host), .port = port};
	MUST(redis->primary.name);
	context->data = NULL;
	redis->context = NULL;
	redisAsyncFree(context); /* when this callback returns */
	link_connect_primary(redis);
}

static void on_connect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;
	if (!redis || status == REDIS_OK)
		return;
	lose(redis, (redisAsyncContext *)context, context->c.errstr);
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
	(void)status;
	if (context->data)
		lose(context->data, (redisAsyncContext *)context, "connection closed");
}

void sentinel_ask(struct redis *redis)
{
	/* Another one each time: this one may hang, or be cut off from the others with the former
	 * primary. */
	redis->sentinel = (redis->sentinel + 1) % redis->url.host_count;
	const struct redis_host *host = &redis->url.hosts[redis->sentinel];
	redisAsyncContext *context = redisAsyncConnect(host->name, (int)host->port);
	MUST(context);
	if (context->err || redisLibevAttach(redis->loop, context) != REDIS_OK) {
		lose(redis, context, context->errstr);
		redisAsyncFree(context);
		return;
	}
	context->data = redis;
	redis->context = context;
	redis->connect_by_ms = redis_clock_ms() + redis->timeout_ms;
	redisAsyncSetDisconnectCallback(context, on_disconnect);
	redisAsyncSetConnectCallback(context, on_connect);
	redisAsyncCommand(context, on_address, NULL, "SENTINEL get-master-addr-by-name %s",
			  redis->url.primary);
	deadline_arm(redis);
}
