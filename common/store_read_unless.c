/* store_read_unless.c — one document, or only its head. */
#include "log.h"
#include "store_internal.h"

#define FIXED_ARGUMENTS 5 /* the key among them; see read_unless.lua */
#define DIGITS_MAX 21
#define ANOTHER_ONE 1 /* what the script says of a document that is to be read */
/* Up to here a GET of all of it costs Redis and us less than the script. */
#define SMALL_MAX 8192

struct read_unless {
	struct store_request base;
	store_read_unless_fn fn;
	void *arg;
	uint64_t document; /* hash */
	struct span service, id;
	char key[KEY_MAX];
	char names[DOCUMENT_SERVICE_MAX + DOCUMENT_ID_MAX];
};

/* --- how long they were --- */

static bool is_known_small(const struct store *store, uint64_t document)
{
	const struct store_length *known = &store->lengths[document % STORE_LENGTHS];

	return known->document == document && known->len && known->len <= SMALL_MAX;
}

static void remember(const struct read_unless *request, size_t len)
{
	struct store *store = request->base.store;

	store->lengths[request->document % STORE_LENGTHS] =
		(struct store_length){.document = request->document, .len = len};
}

/* --- the whole of it --- */

static void read_finish(struct store_request *base, int error)
{
	struct read_unless *request = CONTAINER_OF(base, struct read_unless, base);

	request->fn(error, SPAN_NONE, 0, request->arg);
	free(request);
}

static void on_whole(int error, struct span envelope, void *arg)
{
	struct read_unless *request = arg;

	if (!error)
		remember(request, envelope.len);
	request->fn(error, envelope, 0, request->arg);
	free(request);
}

static void read_whole(struct read_unless *request)
{
	store_read(request->base.store, request->service, request->id, on_whole, request);
}

/* --- the head --- */

static bool is_head(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       reply->element[1]->type == REDIS_REPLY_INTEGER && reply->element[1]->integer > 0;
}

/* len 0: there is none. -EBADMSG: what is there is no document. */
static int head_of(const struct redisReply *reply, struct span *ret_head, size_t *ret_whole_len)
{
	struct document document;

	*ret_head = SPAN_NONE;
	*ret_whole_len = 0;
	if (reply->type == REDIS_REPLY_NIL)
		return 0;
	if (!is_head(reply))
		return -EBADMSG;
	*ret_head = span_of(reply->element[0]->str, reply->element[0]->len);
	*ret_whole_len = (size_t)reply->element[1]->integer;
	return document_parse_head(*ret_head, &document);
}

static void on_head(const struct redisReply *reply, int error, void *arg)
{
	static struct log_limit foreign;
	struct read_unless *request = arg;
	struct span head;
	size_t whole_len;

	error = store_error(&request->base, reply, error, false, "read_unless.lua");
	if (!error && reply->type == REDIS_REPLY_INTEGER && reply->integer == ANOTHER_ONE) {
		read_whole(request);
		return;
	}
	if (!error) {
		error = head_of(reply, &head, &whole_len);
		if (error && log_allow(&foreign))
			log_error("store: what is stored under %s is no document", request->key);
	}
	if (error) {
		read_finish(&request->base, error);
		return;
	}
	remember(request, whole_len);
	request->fn(0, head, whole_len, request->arg);
	free(request);
}

static int read_head(struct read_unless *request, bool any, const struct entity_tag *tags,
		     size_t count)
{
	char digits[2 * STORE_TAGS_MAX][DIGITS_MAX], head_max[DIGITS_MAX];
	struct span arguments[FIXED_ARGUMENTS + 2 * STORE_TAGS_MAX] = {
		span_string(request->key),
		span_of(head_max,
			(size_t)snprintf(head_max, sizeof(head_max), "%d", DOCUMENT_HEAD_MAX)),
		request->service,
		request->id,
		any ? SPAN("1") : SPAN("0"),
	};

	for (size_t i = 0; i < 2 * count; i++) {
		const struct entity_tag *tag = &tags[i / 2];
		int len = snprintf(digits[i], DIGITS_MAX, "%llu",
				   i % 2 ? (unsigned long long)tag->updated_at_ms
					 : (unsigned long long)tag->revision);

		arguments[FIXED_ARGUMENTS + i] = span_of(digits[i], (size_t)len);
	}
	return store_script(store_lane_of(request->base.store, request->service, request->id),
			    &script_read_unless, on_head, request, 1, arguments,
			    FIXED_ARGUMENTS + 2 * count);
}

static struct span keep_name(char *at, struct span name)
{
	memcpy(at, name.at, name.len);
	return span_of(at, name.len);
}

void store_read_unless(struct store *store, struct span service, struct span id, bool any,
		       const struct entity_tag *tags, size_t count, store_read_unless_fn fn,
		       void *arg)
{
	struct read_unless *request = malloc(sizeof(*request));

	MUST(request && count <= STORE_TAGS_MAX && service.len <= DOCUMENT_SERVICE_MAX &&
	     id.len <= DOCUMENT_ID_MAX);
	request->base = (struct store_request){.store = store, .finish = read_finish};
	request->fn = fn;
	request->arg = arg;
	request->document = store_hash(store, service, id);
	request->service = keep_name(request->names, service);
	request->id = keep_name(request->names + service.len, id);
	key_data(request->key, service, id);
	if (is_known_small(store, request->document))
		read_whole(request);
	else if (read_head(request, any, tags, count))
		store_defer(&request->base, -EAGAIN);
}
