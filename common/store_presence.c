#define _GNU_SOURCE
/* store_presence.c — see store_presence.h; what is stored stands at the head of
 * scripts/presence_put.lua. */
#include "store_presence.h"

#include "store_internal.h"

struct presence_request {
	struct store_request base;
	store_presence_fn fn;
	store_presence_list_fn list_fn;
	void *arg;
};

static void presence_finish(struct store_request *base, int error)
{
	struct presence_request *request = CONTAINER_OF(base, struct presence_request, base);
	if (request->list_fn)
		request->list_fn(error, SPAN_NONE, 0, request->arg);
	else
		request->fn(error, NULL, request->arg);
	free(request);
}

static struct presence_request *request_create(struct store *store, store_presence_fn fn, void *arg)
{
	struct presence_request *request = calloc(1, sizeof(*request));
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = presence_finish};
	request->fn = fn;
	request->arg = arg;
	return request;
}

static void request_succeed(struct presence_request *request,
			    const struct store_presence_result *result)
{
	request->fn(0, result, request->arg);
	free(request);
}

/* What clients see of an entry: all from the user on. -EBADMSG: somebody else's bytes. */
static int public_part(struct span entry, struct span *ret)
{
	static const char user[] = ",\"userId\":";
	if (!span_starts_with(entry, SPAN("{\"run\":\"")))
		return -EBADMSG;
	/* Run ids have no quotes, so the first one found is the member's name. */
	const char *at = memmem(entry.at, entry.len, user, sizeof(user) - 1);
	if (!at)
		return -EBADMSG;
	*ret = span_of(at + 1, (size_t)(entry.at + entry.len - at) - 1);
	return 0;
}

static bool append_member(struct buffer *ret, struct span entry)
{
	struct span rest;
	if (public_part(entry, &rest))
		return false;
	buffer_append_char(ret, '{');
	buffer_append_span(ret, rest);
	return true;
}

static struct span reply_text(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? span_of(reply->str, (size_t)reply->len)
						 : SPAN_NONE;
}

/* `{service}:{id} {member}` */
static void format_entry(struct buffer *ret, const struct store_presence *presence)
{
	buffer_append_span(ret, presence->service);
	buffer_append_char(ret, ':');
	buffer_append_span(ret, presence->id);
	buffer_append_char(ret, ' ');
	buffer_append_span(ret, presence->member);
}

/* ---- put ---- */

static int put_refusal(struct span word)
{
	if (span_equals(word, SPAN("run")))
		return -ESTALE;
	if (span_equals(word, SPAN("taken")))
		return -EEXIST;
	return span_equals(word, SPAN("full")) ? -ENOSPC : -EIO;
}

/* Both scripts answer three values, or a word when they refuse. */
static int check_reply(const struct presence_request *request, const struct redisReply *reply,
		       int error, const char *script)
{
	error = store_error(&request->base, reply, error, true, script);
	if (error)
		return error;
	if (reply->type == REDIS_REPLY_STRING)
		return put_refusal(reply_text(reply));
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 ? 0 : -EIO;
}

static void on_put(const struct redisReply *reply, int error, void *arg)
{
	struct presence_request *request = arg;
	error = check_reply(request, reply, error, "presence_put.lua");
	if (error) {
		presence_finish(&request->base, error);
		return;
	}
	struct store_presence_result result = {
		.is_new = store_number(reply->element[0]),
		.users = store_number(reply->element[1]),
		.member = reply_text(reply->element[2]),
	};
	request_succeed(request, &result);
}

void store_presence_put(struct store *store, const struct store_presence *presence,
			store_presence_fn fn, void *arg)
{
	struct presence_request *request = request_create(store, fn, arg);
	CLEANUP(buffer_fini) struct buffer user = {0};
	char key[KEY_MAX], node[KEY_MAX], channel[KEY_MAX], ttl[24] = "", most[16];
	buffer_append_json(&user, presence->user);
	if (presence->ttl_ms)
		snprintf(ttl, sizeof(ttl), "%lld", (long long)presence->ttl_ms);
	snprintf(most, sizeof(most), "%d", STORE_PRESENCE_MEMBERS_MAX);
	key_presence(key, presence->service, presence->id);
	key_node_presence(node, presence->run_id);
	key_channel(channel, presence->service, presence->id);
	const struct span arguments[] = {
		span_string(key),
		SPAN(KEY_RUNS),
		span_string(node),
		SPAN(KEY_PRESENCE_EXPIRY),
		presence->run_id,
		presence->member,
		span_of(user.at + 1, user.len - 2),
		presence->mode,
		presence->data,
		span_string(ttl),
		presence->service,
		presence->id,
		span_string(channel),
		span_string(most),
		presence->quiet ? SPAN("1") : SPAN("0"),
	};
	if (store_script(store_lane_of(store, presence->service, presence->id),
			 &script_presence_put, on_put, request, 4, arguments, ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}

/* ---- leave ---- */

static void on_leave(const struct redisReply *reply, int error, void *arg)
{
	struct presence_request *request = arg;
	error = check_reply(request, reply, error, "presence_remove.lua");
	if (error) {
		presence_finish(&request->base, error);
		return;
	}
	struct store_presence_result result = {
		.is_new = store_number(reply->element[0]),
		.users = store_number(reply->element[2]),
	};
	request_succeed(request, &result);
}

void store_presence_leave(struct store *store, const struct store_presence *presence, bool rest,
			  store_presence_fn fn, void *arg)
{
	struct presence_request *request = request_create(store, fn, arg);
	CLEANUP(buffer_fini) struct buffer entry = {0};
	CLEANUP(buffer_fini) struct buffer user = {0};
	char node[KEY_MAX];
	key_node_presence(node, presence->run_id);
	format_entry(&entry, presence);
	buffer_append_json(&user, presence->user);
	const struct span arguments[] = {
		rest ? SPAN(KEY_PRESENCE_EXPIRY) : span_string(node),
		SPAN("leave"),
		rest ? SPAN_NONE : presence->run_id,
		SPAN(KEY_PRESENCE_PREFIX),
		SPAN(KEY_CHANNEL_PREFIX),
		buffer_span(&entry),
		/* A socket's member is its own connection. */
		rest ? span_of(user.at + 1, user.len - 2) : SPAN_NONE,
	};
	if (store_script(store_lane_of(store, presence->service, presence->id),
			 &script_presence_remove, on_leave, request, 1, arguments,
			 ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}

/* ---- read ---- */

static void on_read(const struct redisReply *reply, int error, void *arg)
{
	struct presence_request *request = arg;
	struct store_presence_result result = {0};
	CLEANUP(buffer_fini) struct buffer member = {0};
	error = store_error(&request->base, reply, error, false, "HMGET of presence");
	if (!error && (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2))
		error = -EIO;
	if (error) {
		presence_finish(&request->base, error);
		return;
	}
	if (append_member(&member, reply_text(reply->element[0])))
		result.member = buffer_span(&member);
	result.users = store_number(reply->element[1]);
	request_succeed(request, &result);
}

void store_presence_read(struct store *store, struct span service, struct span id,
			 struct span member, store_presence_fn fn, void *arg)
{
	struct presence_request *request = request_create(store, fn, arg);
	char key[KEY_MAX], field[DOCUMENT_ID_MAX + 1];
	MUST(member.len <= DOCUMENT_ID_MAX);
	snprintf(field, sizeof(field), "%.*s", SPAN_ARGS(member));
	key_presence(key, service, id);
	const char *argv[] = {"HMGET", key, field, "#"};
	if (store_command(store_lane_of(store, service, id), on_read, request, ARRAY_LEN(argv),
			  argv))
		store_defer(&request->base, -EAGAIN);
}

/* ---- list ---- */

static uint64_t format_members(struct buffer *ret, const struct redisReply *reply)
{
	uint64_t users = 0;
	buffer_append_char(ret, '[');
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct span field = reply_text(reply->element[i]);
		if (span_equals(field, SPAN("#")))
			users = store_number(reply->element[i + 1]);
		if (span_starts_with(field, SPAN("#")))
			continue;
		size_t len = ret->len;
		if (len > 1)
			buffer_append_char(ret, ',');
		if (!append_member(ret, reply_text(reply->element[i + 1])))
			ret->len = len;
	}
	buffer_append_char(ret, ']');
	return users;
}

static void on_list(const struct redisReply *reply, int error, void *arg)
{
	struct presence_request *request = arg;
	CLEANUP(buffer_fini) struct buffer members = {0};
	error = store_error(&request->base, reply, error, false, "HGETALL of presence");
	if (!error && reply->type != REDIS_REPLY_ARRAY)
		error = -EIO;
	if (error) {
		presence_finish(&request->base, error);
		return;
	}
	uint64_t users = format_members(&members, reply);
	request->list_fn(0, buffer_span(&members), users, request->arg);
	free(request);
}

void store_presence_list(struct store *store, struct span service, struct span id,
			 store_presence_list_fn fn, void *arg)
{
	struct presence_request *request = request_create(store, NULL, arg);
	char key[KEY_MAX];
	request->list_fn = fn;
	key_presence(key, service, id);
	const char *argv[] = {"HGETALL", key};
	if (store_command(store_lane_of_lists(store), on_list, request, ARRAY_LEN(argv), argv))
		store_defer(&request->base, -EAGAIN);
}
