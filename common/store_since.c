/* store_since.c — which documents have been written since a position: one script. */
#include "store_since.h"

#include "log.h"
#include "store_internal.h"

#define HEAD 3      /* of the reply, before the documents */
#define COLUMNS 3   /* of each document */
#define ARGUMENTS 9 /* before the services, KEYS and ARGV together */

struct changed_request {
	struct store_request base;
	store_since_fn fn;
	void *arg;
};

static void changed_finish(struct store_request *base, int error)
{
	struct changed_request *request = CONTAINER_OF(base, struct changed_request, base);

	request->fn(error, NULL, request->arg);
	free(request);
}

static bool take_document(struct redisReply *const *columns, struct store_since_document *ret)
{
	const struct redisReply *service = columns[0], *id = columns[1];

	if (service->type != REDIS_REPLY_STRING || id->type != REDIS_REPLY_STRING)
		return false;
	ret->service = span_of(service->str, service->len);
	ret->id = span_of(id->str, id->len);
	ret->sequence = store_number(columns[2]);
	return document_service_is_valid(ret->service) && document_id_is_valid(ret->id);
}

/* Names that are none of ours, written by others into our keys, are passed over. */
static int changed_parse(const struct redisReply *reply, struct store_since *ret,
			 struct store_since_document **ret_documents)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < HEAD)
		return -EIO;
	ret->sequence = store_number(reply->element[0]);
	ret->is_too_many = store_number(reply->element[1]) == 1;
	ret->purged = store_number(reply->element[2]);
	*ret_documents = calloc(reply->elements, sizeof(**ret_documents));
	MUST(*ret_documents);
	for (size_t i = HEAD; i + COLUMNS <= reply->elements; i += COLUMNS)
		if (take_document(reply->element + i, &(*ret_documents)[ret->count]))
			ret->count++;
	ret->documents = *ret_documents;
	return 0;
}

static void on_changed(const struct redisReply *reply, int error, void *arg)
{
	struct changed_request *request = arg;
	struct store_since_document *documents = NULL;
	struct store_since changed = {0};

	error = store_error(&request->base, reply, error, false, "changed.lua");
	if (!error)
		error = changed_parse(reply, &changed, &documents);
	request->fn(error, error ? NULL : &changed, request->arg);
	free(request);
	free(documents);
}

void store_since(struct store *store, const struct store_since_query *query, store_since_fn fn,
		 void *arg)
{
	struct changed_request *request = calloc(1, sizeof(*request));
	char index[KEY_MAX], after[24], most[16];

	MUST(request);
	request->base = (struct store_request){.store = store, .finish = changed_finish};
	request->fn = fn;
	request->arg = arg;
	int after_len = snprintf(after, sizeof(after), "%llu", (unsigned long long)query->after);
	int most_len = snprintf(most, sizeof(most), "%d", STORE_SINCE_MAX);
	struct span arguments[ARGUMENTS + STORE_SINCE_SERVICES_MAX] = {
		SPAN(KEY_SEQUENCE),
		SPAN(KEY_SERVICES),
		SPAN(KEY_PURGED),
		SPAN(KEY_RAISED),
		span_of(after, (size_t)after_len),
		span_of(index, key_index(index, SPAN_NONE)),
		query->prefix,
		query->id,
		span_of(most, (size_t)most_len),
	};
	MUST(query->service_count <= STORE_SINCE_SERVICES_MAX);
	for (size_t i = 0; i < query->service_count; i++)
		arguments[ARGUMENTS + i] = query->services[i];
	if (store_script(store_lane_of_lists(store), &script_changed, on_changed, request, 4,
			 arguments, ARGUMENTS + query->service_count))
		store_defer(&request->base, -EAGAIN);
}
