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
	struct text *text; /* owned reference */
	size_t items;
	size_t tail; /* of the text: where the number of keys begins */
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
	struct script_call *call = malloc(sizeof(*call));
	MUST(call);
	call->text = text_reserve(room);
	call->items = HEAD + (size_t)argc;
	char *at = resp_put_count(call->text->at, call->items);
	at = put_script(at, "EVALSHA", script_sha1(script), 2 * SHA1_LEN);
	call->tail = (size_t)(at - call->text->at);
	at = resp_put_item(at, digits, (size_t)snprintf(digits, sizeof(digits), "%u", key_count));
	for (int i = 0; i < argc; i++)
		at = resp_put_item(at, argv[i], len[i]);
	call->text->len = (size_t)(at - call->text->at);
	MUST(call->text->len <= room);
	return call;
}

static void call_free(struct script_call *call)
{
	text_put(call->text);
	free(call);
}

static void call_finish(struct script_call *call, const struct redisReply *reply, int error)
{
	redis_reply_fn fn = call->fn;
	void *arg = call->arg;
	call_free(call);
	fn(reply, error, arg);
}

static void on_text_reply(const struct redisReply *reply, int error, void *arg)
{
	call_finish(arg, reply, error);
}

/* Less the digest, more the text. */
static int send_whole(struct script_call *call)
{
	const struct script *script = call->script;
	size_t tail_len = call->text->len - call->tail;
	struct text *eval =
		text_reserve(RESP_AROUND_MAX * HEAD + sizeof("EVAL") + script->len + tail_len);
	char *at = resp_put_count(eval->at, call->items);
	at = put_script(at, "EVAL", script->text, script->len);
	at = mempcpy(at, call->text->at + call->tail, tail_len);
	eval->len = (size_t)(at - eval->at);
	int error = redis_command_text(call->redis, on_text_reply, call, eval);
	text_put(eval);
	return error;
}

static void on_digest_reply(const struct redisReply *reply, int error, void *arg)
{
	struct script_call *call = arg;
	bool is_unknown = !error && reply->type == REDIS_REPLY_ERROR &&
			  strncmp(reply->str, "NOSCRIPT", 8) == 0;
	if (!is_unknown)
		call_finish(call, reply, error);
	else if (send_whole(call))
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
	int error = redis_command_text(redis, on_digest_reply, call, call->text);
	if (error)
		call_free(call);
	return error;
}
