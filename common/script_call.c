/* script_call.c — EVALSHA with EVAL behind it. */
#include "script_call.h"
#include <gnutls/crypto.h>
#include <hiredis/hiredis.h>

#define SHA1_LEN 20
#define HEAD 3 /* EVALSHA, digest, number of keys */

/* One piece of memory: this, the argument table, the bytes of the arguments. Kept until the reply,
 * because what was sent is needed once more if the script is unknown. */
struct script_call {
	struct redis *redis;   /* borrowed; outlives its commands */
	struct script *script; /* static */
	redis_reply_fn fn;
	void *arg;
	int argc; /* with HEAD */
	size_t *len;
	char key_count[12];
	const char *argv[];
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

static void set(struct script_call *call, int i, const char *bytes, size_t len)
{
	call->argv[i] = bytes;
	call->len[i] = len;
}

static struct script_call *call_create(unsigned key_count, int argc, const char *const *argv,
				       const size_t *len)
{
	size_t table = (HEAD + (size_t)argc) * (sizeof(char *) + sizeof(size_t)), bytes = 0;
	for (int i = 0; i < argc; i++)
		bytes += len[i];
	struct script_call *call = malloc(sizeof(*call) + table + bytes);
	MUST(call);
	call->argc = HEAD + argc;
	call->len = (size_t *)(call->argv + call->argc);
	char *at = (char *)(call->len + call->argc);
	for (int i = 0; i < argc; i++) {
		if (len[i])
			memcpy(at, argv[i], len[i]);
		set(call, HEAD + i, at, len[i]);
		at += len[i];
	}
	int digits = snprintf(call->key_count, sizeof(call->key_count), "%u", key_count);
	set(call, 2, call->key_count, (size_t)digits);
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

static void on_digest_reply(const struct redisReply *reply, int error, void *arg)
{
	struct script_call *call = arg;
	bool is_unknown = !error && reply->type == REDIS_REPLY_ERROR &&
			  strncmp(reply->str, "NOSCRIPT", 8) == 0;
	if (!is_unknown) {
		call_finish(call, reply, error);
		return;
	}
	set(call, 0, "EVAL", 4);
	set(call, 1, call->script->text, call->script->len);
	if (redis_command(call->redis, on_text_reply, call, call->argc, call->argv, call->len))
		call_finish(call, NULL, -ENOTCONN); /* nothing was done */
}

int script_call(struct redis *redis, struct script *script, redis_reply_fn fn, void *arg,
		unsigned key_count, int argc, const char *const *argv, const size_t *len)
{
	struct script_call *call = call_create(key_count, argc, argv, len);
	call->redis = redis;
	call->script = script;
	call->fn = fn;
	call->arg = arg;
	set(call, 0, "EVALSHA", 7);
	set(call, 1, script_sha1(script), 2 * SHA1_LEN);
	int error = redis_command(redis, on_digest_reply, call, call->argc, call->argv, call->len);
	if (error)
		free(call);
	return error;
}
