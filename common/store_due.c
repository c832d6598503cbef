/* store_due.c — documents whose expiresAt has come. */
#include "log.h"
#include "store_internal.h"

#define DUE_BYTES_MAX "4194304"

struct due_request {
	struct store_request base;
	store_due_fn fn;
	void *arg;
};

static void due_finish(struct store_request *base, int error)
{
	struct due_request *request = CONTAINER_OF(base, struct due_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static bool is_named(const struct document *document, const struct redisReply *member)
{
	char name[KEY_MAX];
	int len = snprintf(name, sizeof(name), "%.*s:%.*s", SPAN_ARGS(document->service),
			   SPAN_ARGS(document->id));
	return span_equals(span_of(name, (size_t)len), span_of(member->str, member->len));
}

/* Texts that JSON.GET printed are put into the stored form one behind the other in `scratch`, which
 * may move: so first all of them, then the documents that point into them. */
static void due_collect(struct store *store, struct redisReply *const *pairs, size_t count,
			struct store_due *ret)
{
	static struct log_limit foreign;
	struct span texts[STORE_DUE_MAX];
	size_t offsets[STORE_DUE_MAX];
	for (size_t i = 0; i < count; i++) {
		offsets[i] = store->scratch.len;
		if (store_envelope(pairs[2 * i + 1], &store->scratch, &texts[i]))
			texts[i] = SPAN_NONE;
	}
	for (size_t i = 0; i < count; i++) {
		struct document *document = &ret->documents[ret->count];
		if (texts[i].len && pairs[2 * i + 1]->type == REDIS_REPLY_ARRAY)
			texts[i].at = store->scratch.at + offsets[i];
		if (texts[i].len && document_parse(texts[i], document) == 0 &&
		    is_named(document, pairs[2 * i])) {
			ret->count++;
			continue;
		}
		ret->bad++;
		if (log_allow(&foreign))
			log_error("store: what is stored under syncdoc:data:%.200s is not that "
				  "document, it cannot expire",
				  pairs[2 * i]->str);
	}
}

static int due_parse(struct store *store, const struct redisReply *reply, struct store_due *ret)
{
	size_t elements = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
	if (elements < 2 || elements % 2 || elements / 2 - 1 > STORE_DUE_MAX)
		return -EIO;
	for (size_t i = 2; i < elements; i += 2)
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return -EIO;
	ret->is_end = store_number(reply->element[0]) == 1;
	ret->next_ms = store_score(reply->element[1]);
	due_collect(store, reply->element + 2, elements / 2 - 1, ret);
	return 0;
}

static void on_due(const struct redisReply *reply, int error, void *arg)
{
	struct due_request *request = arg;
	struct store *store = request->base.store;
	struct store_due due = {0};
	error = store_error(&request->base, reply, error, false, "expire.lua");
	if (!error)
		error = due_parse(store, reply, &due);
	request->fn(error, error ? NULL : &due, request->arg);
	free(request);
	store_scratch_trim(store);
}

void store_due(struct store *store, int64_t now_ms, size_t skip, store_due_fn fn, void *arg)
{
	struct due_request *request = malloc(sizeof(*request));
	char data[KEY_MAX], now[24], skipped[24], most[24], index[KEY_MAX], names[KEY_MAX],
		deleted[KEY_MAX];
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = due_finish};
	request->fn = fn;
	request->arg = arg;
	snprintf(now, sizeof(now), "%lld", (long long)now_ms);
	snprintf(skipped, sizeof(skipped), "%zu", skip);
	snprintf(most, sizeof(most), "%d", STORE_DUE_MAX);
	key_index(index, SPAN_NONE);
	key_names(names, SPAN_NONE);
	key_deleted(deleted, SPAN_NONE);
	/* The key of a document without its names is the prefix and their colon. */
	size_t prefix = key_data(data, SPAN_NONE, SPAN_NONE) - 1;
	const struct span arguments[] = {
		SPAN(KEY_EXPIRY),      SPAN(KEY_PURGED),     span_string(now),
		span_of(data, prefix), span_string(skipped), span_string(most),
		SPAN(DUE_BYTES_MAX),   span_string(index),   span_string(names),
		span_string(deleted),
	};
	if (store_script(store_lane_of_lists(store), &script_expire, on_due, request, 2, arguments,
			 ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}
