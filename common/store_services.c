/* store_services.c — the services and their numbers of documents. */
#include "store_internal.h"

#define SERVICES_MAX 10000
#define LOOK_MAX 10000 /* ids looked at, for all services whose documents are restricted */

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
	for (size_t i = 0; i + 2 < reply->elements; i += 3) {
		struct span name = span_of(reply->element[i]->str, reply->element[i]->len);
		if (reply->element[i]->type != REDIS_REPLY_STRING ||
		    !document_service_is_valid(name))
			continue;
		buffer_append_string(ret, ret->len > 1 ? ",{\"service\":" : "{\"service\":");
		buffer_append_json(ret, name);
		buffer_append_string(ret, ",\"documents\":");
		buffer_append_u64(ret, store_number(reply->element[i + 1]));
		buffer_append_string(
			ret, store_number(reply->element[i + 2]) == 1 ? ",\"atLeast\":true}" : "}");
	}
	buffer_append_char(ret, ']');
}

static void on_services(const struct redisReply *reply, int error, void *arg)
{
	struct services_request *request = arg;
	CLEANUP(buffer_fini) struct buffer items = {0};
	error = store_error(&request->base, reply, error, false, "services.lua");
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

/* For services.lua: `{"board":[["u42-",1],["lobby",0]],"session":true}`; what is not named and has
 * no `*` is not shown. */
static void append_rule(struct buffer *ret, const struct rights *filter, struct span service)
{
	size_t count;
	const struct rights_pattern *patterns = rights_patterns(filter, service, &count);

	if (!patterns) {
		buffer_append_string(ret, "true");
		return;
	}
	buffer_append_char(ret, '[');
	for (size_t i = 0; i < count; i++) {
		buffer_append_string(ret, i ? ",[" : "[");
		buffer_append_json(ret, patterns[i].text);
		buffer_append_string(ret, patterns[i].is_prefix ? ",1]" : ",0]");
	}
	buffer_append_char(ret, ']');
}

static void format_filter(struct buffer *ret, const struct rights *filter)
{
	for (size_t i = 0; filter && i < rights_service_count(filter); i++) {
		struct span service = rights_service_at(filter, i);

		buffer_append_char(ret, i ? ',' : '{');
		buffer_append_json(ret, service.len ? service : SPAN("*"));
		buffer_append_char(ret, ':');
		if (rights_allow_some(filter, service.len ? service : SPAN("*"), SPAN_NONE,
				      RIGHT_READ))
			append_rule(ret, filter, service.len ? service : SPAN("*"));
		else
			buffer_append_string(ret, "false");
	}
	if (filter)
		buffer_append_string(ret, ret->len ? "}" : "{}");
}

void store_services(struct store *store, const struct rights *filter, store_services_fn fn,
		    void *arg)
{
	struct services_request *request = malloc(sizeof(*request));
	char names[KEY_MAX], deleted[KEY_MAX], most[16], look[16];
	CLEANUP(buffer_fini) struct buffer rules = {0};
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = services_finish};
	request->fn = fn;
	request->arg = arg;
	snprintf(most, sizeof(most), "%d", SERVICES_MAX);
	snprintf(look, sizeof(look), "%d", LOOK_MAX);
	format_filter(&rules, filter);
	const struct span arguments[] = {
		SPAN(KEY_SERVICES),
		span_of(names, key_names(names, SPAN_NONE)),
		span_of(deleted, key_deleted(deleted, SPAN_NONE)),
		span_string(most),
		buffer_span(&rules),
		span_string(look),
	};
	if (store_script(store_lane_of_lists(store), &script_services, on_services, request, 1,
			 arguments, ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}
