/* store_purge.c — tombstones whose time is over. */
#include "store_internal.h"

#define PURGE_SERVICES_MAX "1000" /* looked at by one script */
#define PURGE_DOCUMENTS_MAX "200" /* removed by one: a few milliseconds of Redis */

struct purge_request {
	struct store_request base;
	store_purge_fn fn;
	void *arg;
};

static void purge_finish(struct store_request *base, int error)
{
	struct purge_request *request = CONTAINER_OF(base, struct purge_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static void on_purge(const struct redisReply *reply, int error, void *arg)
{
	struct purge_request *request = arg;
	error = store_error(&request->base, reply, error, true, "purge.lua");
	if (!error && (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3))
		error = -EIO;
	if (error) {
		purge_finish(&request->base, error);
		return;
	}
	const struct store_purge purge = {
		.purged = store_number(reply->element[0]),
		.passed = store_number(reply->element[1]),
		.is_end = store_number(reply->element[2]) == 1,
	};
	request->fn(0, &purge, request->arg);
	free(request);
}

void store_purge(struct store *store, int64_t now_ms, uint64_t passed, store_purge_fn fn, void *arg)
{
	struct purge_request *request = malloc(sizeof(*request));
	char now[24], skip[24], index[KEY_MAX], names[KEY_MAX], deleted[KEY_MAX], data[KEY_MAX],
		presence[KEY_MAX], history[KEY_MAX];
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = purge_finish};
	request->fn = fn;
	request->arg = arg;
	snprintf(now, sizeof(now), "%lld", (long long)now_ms);
	snprintf(skip, sizeof(skip), "%llu", (unsigned long long)passed);
	key_index(index, SPAN_NONE);
	key_names(names, SPAN_NONE);
	key_deleted(deleted, SPAN_NONE);
	/* What a document's keys are without its names: `:` and `}` at their end go. */
	const struct span arguments[] = {
		SPAN(KEY_SERVICES),
		SPAN(KEY_EXPIRY),
		SPAN(KEY_PURGED),
		span_string(now),
		span_string(skip),
		SPAN(PURGE_SERVICES_MAX),
		SPAN(PURGE_DOCUMENTS_MAX),
		span_string(index),
		span_string(names),
		span_string(deleted),
		span_of(data, key_data(data, SPAN_NONE, SPAN_NONE) - 1),
		span_of(presence, key_presence(presence, SPAN_NONE, SPAN_NONE) - 1),
		span_of(history, key_history(history, SPAN_NONE, SPAN_NONE) - 2),
	};
	if (store_script(store_lane_of_lists(store), &script_purge, on_purge, request, 3, arguments,
			 ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}
