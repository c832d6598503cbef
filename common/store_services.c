/* store_services.c — the services and their numbers of documents. */
#include "store_internal.h"

#define SERVICES_MAX 10000

struct services_request {
	struct store_request base;
	store_services_fn fn;
	void *arg;
};

static void services_finish(struct store_request *base, int error)
{
	struct services_request *request = CONTAINER_OF(base, struct services_request, base);
	request->fn(error, SPAN_NONE, request->arg);
	free(request);
}

static void services_format(struct buffer *ret, const struct redisReply *reply)
{
	buffer_append_char(ret, '[');
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct span name = span_of(reply->element[i]->str, reply->element[i]->len);
		if (reply->element[i]->type != REDIS_REPLY_STRING ||
		    !document_service_is_valid(name))
			continue;
		buffer_append_string(ret, ret->len > 1 ? ",{\"service\":" : "{\"service\":");
		buffer_append_json(ret, name);
		buffer_append_string(ret, ",\"documents\":");
		buffer_append_u64(ret, store_number(reply->element[i + 1]));
		buffer_append_char(ret, '}');
	}
	buffer_append_char(ret, ']');
}

static void on_services(const struct redisReply *reply, int error, void *arg)
{
	struct services_request *request = arg;
	CLEANUP(buffer_fini) struct buffer items = {0};
	error = store_error(reply, error, false, "services.lua");
	if (!error && reply->type != REDIS_REPLY_ARRAY)
		error = -EIO;
	if (error) {
		services_finish(&request->base, error);
		return;
	}
	services_format(&items, reply);
	request->fn(0, buffer_span(&items), request->arg);
	free(request);
}

void store_services(struct store *store, store_services_fn fn, void *arg)
{
	struct services_request *request = malloc(sizeof(*request));
	char names[KEY_MAX], deleted[KEY_MAX], most[16];
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = services_finish};
	request->fn = fn;
	request->arg = arg;
	int digits = snprintf(most, sizeof(most), "%d", SERVICES_MAX);
	const char *argv[] = {KEY_SERVICES, names, deleted, most};
	size_t len[] = {sizeof(KEY_SERVICES) - 1, key_names(names, SPAN_NONE),
			key_deleted(deleted, SPAN_NONE), (size_t)digits};
	if (store_script(store_lane_of_lists(store), &script_services, on_services, request, 1,
			 ARRAY_LEN(argv), argv, len))
		store_defer(&request->base, -EAGAIN);
}
