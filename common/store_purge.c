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
	/* What a document's keys are without its names; `:` and `}` at their end go. */
	key_index(index, SPAN_NONE);
	key_names(names, SPAN_NONE);
	key_deleted(deleted, SPAN_NONE);
	data[key_data(data, SPAN_NONE, SPAN_NONE) - 1] = '\0';
	presence[key_presence(presence, SPAN_NONE, SPAN_NONE) - 1] = '\0';
	history[key_history(history, SPAN_NONE, SPAN_NONE) - 2] = '\0';
	const char *argv[] = {KEY_SERVICES,
			      KEY_EXPIRY,
			      KEY_PURGED,
			      now,
			      skip,
			      PURGE_SERVICES_MAX,
			      PURGE_DOCUMENTS_MAX,
			      index,
			      names,
			      deleted,
			      data,
			      presence,
			      history};
	size_t len[ARRAY_LEN(argv)];
	for (size_t i = 0; i < ARRAY_LEN(argv); i++)
		len[i] = strlen(argv[i]);
	if (store_script(store_lane_of_lists(store), &script_purge, on_purge, request, 3,
			 ARRAY_LEN(argv), argv, len))
		store_defer(&request->base, -EAGAIN);
}
