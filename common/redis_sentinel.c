/* redis_sentinel.c — see redis_sentinel.h. The Sentinel's connection stands in the place of the one
 * to come (redis->context): whoever gives an attempt up gives up the asking, too. */
#include "redis_sentinel.h"

#include "redis_password.h"

#include <hiredis/async.h>

#define FAULT_MAX 320

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

int sentinel_parse_switch(struct span message, const char *primary, struct span *ret_host,
			  unsigned *ret_port)
{
	struct span words[5], name = span_string(primary);
	size_t count = 0;
	/* The name first: it may have blanks. */
	if (message.len <= name.len || !span_starts_with(message, name) ||
	    message.at[name.len] != ' ')
		return -ENOENT;
	const char *at = message.at + name.len, *end = message.at + message.len;
	while (at < end && count < ARRAY_LEN(words)) {
		const char *from = ++at;
		at = memchr(from, ' ', (size_t)(end - from));
		at = at ? at : end;
		words[count++] = span_of(from, (size_t)(at - from));
	}
	if (count != 4 || !words[2].len || words[3].len > 5)
		return -EBADMSG;
	unsigned port = 0;
	for (size_t i = 0; i < words[3].len; i++) {
		if (words[3].at[i] < '0' || words[3].at[i] > '9')
			return -EBADMSG;
		port = port * 10 + (unsigned)(words[3].at[i] - '0');
	}
	if (port < 1 || port > 65535)
		return -EBADMSG;
	*ret_host = words[2];
	*ret_port = port;
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
	snprintf(ret, FAULT_MAX, "sentinel %.80s:%u: %.200s", host->name, host->port, what);
}

static void refuse(struct redis *redis, const char *what)
{
	char reason[FAULT_MAX];
	format_fault(redis, what, reason);
	link_drop(redis, reason);
}

static void fail(struct redis *redis, const char *what)
{
	char reason[FAULT_MAX];
	format_fault(redis, what, reason);
	link_lost(redis, reason);
}

/* hiredis frees the context itself, behind the callback. */
static void lose(struct redis *redis, redisAsyncContext *context, const char *what)
{
	context->data = NULL;
	fail(redis, what);
}

static void on_auth(redisAsyncContext *context, void *answer, void *unused)
{
	struct redis *redis = context->data;
	const redisReply *reply = answer;
	char what[FAULT_MAX];
	(void)unused;
	/* A loss is told by on_address(), which comes right behind. */
	if (!redis || !reply || reply->type != REDIS_REPLY_ERROR)
		return;
	snprintf(what, sizeof(what), "AUTH refused: %.160s", reply->str);
	refuse(redis, what);
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

static void on_disconnect(const redisAsyncContext *context, int status)
{
	(void)status;
	if (context->data)
		lose(context->data, (redisAsyncContext *)context, "connection closed");
}

static void authenticate(struct redis *redis)
{
	const char *password = redis->password ? redis->password : "";
	if (redis->sentinel_user)
		redisAsyncCommand(redis->context, on_auth, NULL, "AUTH %s %s", redis->sentinel_user,
				  password);
	else if (*password)
		redisAsyncCommand(redis->context, on_auth, NULL, "AUTH %s", password);
	redis_password_wipe(&redis->password);
}

/* hiredis 0.14: nothing here may free the context. */
static void on_connected(struct redis *redis)
{
	redisAsyncSetDisconnectCallback(redis->context, on_disconnect);
	authenticate(redis);
	redisAsyncCommand(redis->context, on_address, NULL, "SENTINEL get-master-addr-by-name %s",
			  redis->url.primary);
}

void sentinel_ask(struct redis *redis)
{
	/* Another one each time: this one may hang, or be cut off from the others with the former
	 * primary. */
	redis->sentinel = (redis->sentinel + 1) % redis->url.host_count;
	const struct redis_host *host = &redis->url.hosts[redis->sentinel];
	redis_password_wipe(&redis->password);
	if (redis->sentinel_password_file &&
	    redis_password_read("redis.sentinel_password_file", redis->sentinel_password_file,
				&redis->password, redis->reason, sizeof(redis->reason)))
		link_lost(redis, redis->reason);
	else
		dial_host(redis, host->name, host->port, on_connected, fail);
}
