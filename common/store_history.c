/* store_history.c — runs of history entries, read together with the newest envelope. */
#include "store_history.h"
#include "log.h"
#include "store_internal.h"

#define ID_MAX 32 /* of an entry, with its NUL */
#define HEAD 4    /* of the reply, before the entries */

struct history_request {
	struct store_request base;
	store_history_fn fn;
	void *arg;
	bool without_data;
};

static void history_finish(struct store_request *base, int error)
{
	struct history_request *request = CONTAINER_OF(base, struct history_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

/* Of a string only the head has been asked for; what JSON.GET prints comes whole. */
static int parse_head(const struct redisReply *reply, struct buffer *scratch, struct document *ret)
{
	struct span text;
	if (reply->type == REDIS_REPLY_STRING)
		return document_parse_head(span_of(reply->str, reply->len), ret);
	if (store_envelope(reply, scratch, &text))
		return -EBADMSG;
	return text.len ? document_parse_head(text, ret) : 0;
}

static int parse_document(const struct history_request *request, const struct redisReply *reply,
			  struct store_history *ret)
{
	struct buffer *scratch = &request->base.store->scratch;
	if (request->without_data)
		return parse_head(reply, scratch, &ret->document);
	if (store_envelope(reply, scratch, &ret->envelope))
		return -EBADMSG;
	return ret->envelope.len ? document_parse(ret->envelope, &ret->document) : 0;
}

static void take_field(struct store_history_entry *entry, const struct redisReply *name,
		       const struct redisReply *value)
{
	const struct {
		const char *name;
		struct span *ret;
	} texts[] = {
		{"op", &entry->op},   {"by", &entry->by},           {"req", &entry->request},
		{"key", &entry->key}, {"diff", &entry->reversible},
	};
	if (strcmp(name->str, "at") == 0)
		entry->at_ms = (int64_t)store_number(value);
	else if (strcmp(name->str, "seq") == 0)
		entry->sequence = store_number(value);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(name->str, texts[i].name) == 0)
			*texts[i].ret = span_of(value->str, value->len);
	entry->has_diff = entry->reversible.len > 0;
}

/* An entry as XREVRANGE gives it: ID, then an array of names and values. */
static int parse_entry(const struct redisReply *reply, struct store_history_entry *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return -EIO;
	const struct redisReply *fields = reply->element[1];
	*ret = (struct store_history_entry){.revision = store_number(reply->element[0])};
	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		if (fields->element[i]->type != REDIS_REPLY_STRING ||
		    fields->element[i + 1]->type != REDIS_REPLY_STRING)
			return -EIO;
		take_field(ret, fields->element[i], fields->element[i + 1]);
	}
	return 0;
}

static int history_parse(const struct history_request *request, const struct redisReply *reply,
			 struct store_history_entry **ret_entries, struct store_history *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < HEAD)
		return -EIO;
	int error = parse_document(request, reply->element[0], ret);
	if (error)
		return error;
	ret->oldest = store_number(reply->element[1]);
	ret->is_end = store_number(reply->element[2]) == 1;
	ret->sequence = store_number(reply->element[3]);
	ret->count = reply->elements - HEAD;
	*ret_entries = calloc(ret->count + 1, sizeof(**ret_entries));
	MUST(*ret_entries);
	ret->entries = *ret_entries;
	for (size_t i = 0; i < ret->count; i++)
		if (parse_entry(reply->element[HEAD + i], &(*ret_entries)[i]))
			return -EIO;
	return 0;
}

static void on_history(const struct redisReply *reply, int error, void *arg)
{
	static struct log_limit foreign;
	struct history_request *request = arg;
	struct store *store = request->base.store;
	struct store_history_entry *entries = NULL;
	struct store_history history = {0};
	error = store_error(&request->base, reply, error, false, "history.lua");
	if (!error)
		error = history_parse(request, reply, &entries, &history);
	if (error == -EBADMSG && log_allow(&foreign))
		log_error("store: a history was asked for of a key that holds no document");
	request->fn(error, error ? NULL : &history, request->arg);
	free(request);
	free(entries);
	store_scratch_trim(store);
}

/* `none`: the end of the range that is open. */
static struct span range_end(char ret[ID_MAX], const char *none, uint64_t revision)
{
	if (!revision)
		return span_string(none);
	return span_of(ret, (size_t)snprintf(ret, ID_MAX, "%llu-0", (unsigned long long)revision));
}

static int history_send(struct history_request *request, const struct store_history_query *query)
{
	struct store *store = request->base.store;
	char data[KEY_MAX], history[KEY_MAX], from[ID_MAX], to[ID_MAX], count[16], bytes[24],
		last_byte[16], after[24];
	snprintf(count, sizeof(count), "%u", query->count);
	snprintf(bytes, sizeof(bytes), "%zu", query->bytes);
	snprintf(last_byte, sizeof(last_byte), "%d",
		 query->without_data ? DOCUMENT_HEAD_MAX - 1 : -1);
	snprintf(after, sizeof(after), "%llu", (unsigned long long)query->after);
	const struct span arguments[] = {
		span_of(data, key_data(data, query->service, query->id)),
		span_of(history, key_history(history, query->service, query->id)),
		SPAN(KEY_SEQUENCE),
		range_end(from, "+", query->below ? query->below - 1 : 0),
		range_end(to, "-", query->above ? query->above + 1 : 0),
		span_string(count),
		span_string(bytes),
		span_string(last_byte),
		span_string(after),
	};
	/* With the document's other commands: what was written before is seen. */
	return store_script(store_lane_of(store, query->service, query->id), &script_history,
			    on_history, request, 3, arguments, ARRAY_LEN(arguments));
}

void store_history(struct store *store, const struct store_history_query *query,
		   store_history_fn fn, void *arg)
{
	struct history_request *request = calloc(1, sizeof(*request));
	MUST(request && query->count >= 1 && query->count <= STORE_HISTORY_ENTRIES_MAX &&
	     query->below != 1 && query->above < UINT64_MAX);
	request->base = (struct store_request){.store = store, .finish = history_finish};
	request->fn = fn;
	request->arg = arg;
	request->without_data = query->without_data;
	if (history_send(request, query))
		store_defer(&request->base, -EAGAIN);
}
