/* script_call.c — EVALSHA with EVAL behind it. */
#include "script_call.h"
#include "buffer.h"
#include "resp.h"
#include <gnutls/crypto.h>
#include <hiredis/hiredis.h>

#define SHA1_LEN 20
#define HEAD 3 /* items before the keys: EVALSHA, digest, number of keys */

/* Kept until the reply, because what was sent is needed once more if the script is unknown: from
 * the number of keys on EVAL has the same text. */
struct script_call {
	struct redis *redis;   /* borrowed; outlives its commands */
	struct script *script; /* static */
	redis_reply_fn fn;
	void *arg;
	size_t items;
	size_t len;
	size_t tail; /* where the number of keys begins */
	char text[];
};

static const char *script_sha1(struct script *script)
{
	unsigned char digest[SHA1_LEN];
	if (*script->sha1)
		return script->sha1;
	MUST(gnutls_hash_fast(GNUTLS_DIG_SHA1, script->text, script->len, digest) == 0);
	for (size_t i = 0; i < SHA1_LEN; i++)
		snprintf(script->sha1 + 2 * i, 3, "%02x", digest[i]);
	return script->sha1;
}

/* Behind `*n`: which script. */
static char *put_script(char *at, const char *command, const char *script, size_t len)
{
	return resp_put_item(resp_put_item(at, command, strlen(command)), script, len);
}

/* The only copy of the arguments on their way to hiredis. */
static struct script_call *call_create(struct script *script, unsigned key_count, int argc,
				       const char *const *argv, const size_t *len)
{
	size_t room = RESP_AROUND_MAX * (1 + HEAD + (size_t)argc) + sizeof("EVALSHA") +
		      2 * SHA1_LEN + 3 * sizeof(key_count);
	char digits[3 * sizeof(key_count)];
	for (int i = 0; i < argc; i++)
		room += len[i];
	struct script_call *call = malloc(sizeof(*call) + room);
	MUST(call);
	call->items = HEAD + (size_t)argc;
	char *at = resp_put_count(call->text, call->items);
	at = put_script(at, "EVALSHA", script_sha1(script), 2 * SHA1_LEN);
	call->tail = (size_t)(at - call->text);
	at = resp_put_item(at, digits, (size_t)snprintf(digits, sizeof(digits), "%u", key_count));
	for (int i = 0; i < argc; i++)
		at = resp_put_item(at, argv[i], len[i]);
	call->len = (size_t)(at - call->text);
	MUST(call->len <= room);
	return call;
}

static void call_finish(struct script_call *call, const struct redisReply *reply, int error)
{
	redis_reply_fn fn = call->fn;
	void *arg = call->arg;
	free(call);
	fn(reply, error, arg);
}

static void on_text_reply(const struct redisReply *reply, int error, void *arg)
{
	call_finish(arg, reply, error);
}

static int send_text(struct script_call *call)
{
	CLEANUP(buffer_fini) struct buffer eval = {0};
	const struct script *script = call->script;
	size_t tail_len = call->len - call->tail;
	char *at = buffer_reserve(&eval,
				  RESP_AROUND_MAX * HEAD + sizeof("EVAL") + script->len + tail_len);
	at = put_script(resp_put_count(at, call->items), "EVAL", script->text, script->len);
	at = mempcpy(at, call->text + call->tail, tail_len);
	eval.len = (size_t)(at - eval.at);
	return redis_command_text(call->redis, on_text_reply, call, buffer_span(&eval));
}

static void on_digest_reply(const struct redisReply *reply, int error, void *arg)
{
	struct script_call *call = arg;
	bool is_unknown = !error && reply->type == REDIS_REPLY_ERROR &&
			  strncmp(reply->str, "NOSCRIPT", 8) == 0;
	if (!is_unknown)
		call_finish(call, reply, error);
	else if (send_text(call))
		call_finish(call, NULL, -ENOTCONN); /* nothing was done */
}

int script_call(struct redis *redis, struct script *script, redis_reply_fn fn, void *arg,
		unsigned key_count, int argc, const char *const *argv, const size_t *len)
{
	struct script_call *call = call_create(script, key_count, argc, argv, len);
	call->redis = redis;
	call->script = script;
	call->fn = fn;
	call->arg = arg;
	int error =
		redis_command_text(redis, on_digest_reply, call, span_of(call->text, call->len));
	if (error)
		free(call);
	return error;
}
