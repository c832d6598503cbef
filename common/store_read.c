/* store_read.c — one document, many documents, a lost write, and what replies hold. */
#include "store_internal.h"
#include "log.h"

#define READ_MANY_MAX 100
#define READ_MANY_BYTES (2 << 20) /* after which a read of many is answered with what there is */
#define ENVELOPE_MORE 1024        /* of each envelope, that it may have beyond the mean */
#define SCORE_MAX (INT64_C(1) << 53)

int store_envelope(const struct redisReply *reply, struct buffer *scratch, struct span *ret)
{
	struct document document;
	size_t from = scratch->len;
	if (reply->type == REDIS_REPLY_NIL) {
		*ret = SPAN_NONE;
		return 0;
	}
	if (reply->type == REDIS_REPLY_STRING) {
		struct span text = span_of(reply->str, reply->len);
		if (document_parse(text, &document))
			return -EBADMSG;
		*ret = text;
		return 0;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return -EBADMSG;
	reply = reply->element[0];
	if (document_canonicalise(span_of(reply->str, reply->len), scratch))
		return -EBADMSG;
	*ret = span_of(scratch->at + from, scratch->len - from);
	return 0;
}

void store_scratch_trim(struct store *store)
{
	store->scratch.len = 0;
	if (store->scratch.cap > STORE_SCRATCH_MAX)
		buffer_fini(&store->scratch);
}

uint64_t store_number(const struct redisReply *reply)
{
	if (reply->type == REDIS_REPLY_INTEGER)
		return reply->integer > 0 ? (uint64_t)reply->integer : 0;
	return reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
}

int64_t store_score(const struct redisReply *reply)
{
	double score = reply->type == REDIS_REPLY_STRING ? strtod(reply->str, NULL) : 0;
	return score > 0 ? score < SCORE_MAX ? (int64_t)score : SCORE_MAX : 0;
}

/* --- read --- */

struct read_request {
	struct store_request base;
	store_read_fn fn;
	void *arg;
	struct store_lane *lane;
	bool as_json;
	bool is_second; /* the other encoding has been tried */
	char key[KEY_MAX];
};

static void read_finish(struct store_request *base, int error)
{
	struct read_request *request = CONTAINER_OF(base, struct read_request, base);
	request->fn(error, SPAN_NONE, request->arg);
	free(request);
}

static void read_answer(struct read_request *request, const struct redisReply *reply)
{
	static struct log_limit foreign;
	struct store *store = request->base.store;
	struct span envelope = SPAN_NONE;
	int error;
	if (request->as_json && reply->type == REDIS_REPLY_STRING) {
		redisReply inner = *reply, *element = &inner;
		redisReply wrapped = {
			.type = REDIS_REPLY_ARRAY, .elements = 1, .element = &element};
		error = store_envelope(&wrapped, &store->scratch, &envelope);
	} else {
		error = store_envelope(reply, &store->scratch, &envelope);
	}
	if (error && log_allow(&foreign))
		log_error("store: what is stored under %s is no document", request->key);
	request->fn(error, envelope, request->arg);
	free(request);
	store_scratch_trim(store);
}

static int read_send(struct read_request *request);

/* What one command calls the wrong type the other may read. Errors of JSON.GET have no common form:
 * RedisJSON 2 says `Existing key has wrong Redis type`, a server without it `unknown command`. */
static bool read_tries_other(struct read_request *request, const struct redisReply *reply)
{
	bool is_wrong_type = strncmp(reply->str, "WRONGTYPE", 9) == 0;
	if (request->is_second || (!is_wrong_type && !request->as_json))
		return false;
	request->is_second = true;
	request->as_json = !request->as_json;
	return read_send(request) == 0;
}

static void on_read(const struct redisReply *reply, int error, void *arg)
{
	struct read_request *request = arg;
	bool is_error = !error && reply->type == REDIS_REPLY_ERROR;
	if (is_error && read_tries_other(request, reply))
		return;
	if (is_error && request->is_second &&
	    (request->as_json || strncmp(reply->str, "WRONGTYPE", 9) == 0)) {
		read_answer(request, reply);
		return;
	}
	error = store_error(&request->base, reply, error, false, "GET");
	if (error)
		read_finish(&request->base, error);
	else
		read_answer(request, reply);
}

static int read_send(struct read_request *request)
{
	const char *as_string[] = {"GET", request->key};
	const char *as_json[] = {"JSON.GET", request->key, "NOESCAPE", "."};
	if (request->as_json)
		return store_command(request->lane, on_read, request, 4, as_json);
	return store_command(request->lane, on_read, request, 2, as_string);
}

void store_read(struct store *store, struct span service, struct span id, store_read_fn fn,
		void *arg)
{
	struct store_lane *lane = store_lane_of(store, service, id);
	struct read_request *request = malloc(sizeof(*request));
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = read_finish};
	request->fn = fn;
	request->arg = arg;
	request->lane = lane;
	/* Where it is not known, the first try only costs one round trip more. */
	request->as_json = lane->is_encoding_known && store->encoding == CONFIG_ENCODING_JSON;
	request->is_second = false;
	key_data(request->key, service, id);
	if (read_send(request))
		store_defer(&request->base, -EAGAIN);
}

/* --- read many --- */

struct read_many_request {
	struct store_request base;
	struct list_turn turn;
	store_read_many_fn fn;
	void *arg;
	struct buffer keys; /* owned: one behind the other */
	size_t count;
	size_t len[]; /* of each key */
};

static void read_many_free(struct read_many_request *request)
{
	buffer_fini(&request->keys);
	free(request);
}

static void read_many_finish(struct store_request *base, int error)
{
	struct read_many_request *request = CONTAINER_OF(base, struct read_many_request, base);
	request->fn(error, NULL, 0, request->arg);
	read_many_free(request);
}

/* Spans into a growing buffer would dangle: those are kept as offsets until all is there. */
static int read_many_collect(struct store *store, const struct redisReply *reply,
			     struct span *envelopes)
{
	size_t offsets[READ_MANY_MAX];
	for (size_t i = 0; i < reply->elements; i++) {
		offsets[i] = store->scratch.len;
		if (store_envelope(reply->element[i], &store->scratch, &envelopes[i]))
			return -EBADMSG;
	}
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ARRAY)
			envelopes[i].at = store->scratch.at + offsets[i];
	return 0;
}

/* What comes next is taken to be like what came last. */
static void read_many_learn(struct store *store, const struct span *envelopes, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += envelopes[i].len;
	store->read_many_mean = (3 * store->read_many_mean + bytes / count) / 4;
}

static size_t read_many_expect(const struct store *store, size_t count)
{
	size_t bytes = count * (store->read_many_mean + ENVELOPE_MORE);
	return bytes < READ_MANY_BYTES ? bytes : READ_MANY_BYTES;
}

static void on_read_many(const struct redisReply *reply, int error, void *arg)
{
	struct read_many_request *request = arg;
	struct store *store = request->base.store;
	struct span envelopes[READ_MANY_MAX];
	list_gate_leave(&store->lists, &request->turn, !error);
	error = store_error(&request->base, reply, error, false, "read_many.lua");
	if (!error && (reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
		       reply->elements > request->count))
		error = -EIO;
	if (!error)
		error = read_many_collect(store, reply, envelopes);
	if (error) {
		read_many_finish(&request->base, error);
	} else {
		read_many_learn(store, envelopes, reply->elements);
		request->fn(0, envelopes, reply->elements, request->arg);
		read_many_free(request);
	}
	store_scratch_trim(store);
}

static bool read_many_send(struct list_turn *turn)
{
	struct read_many_request *request = CONTAINER_OF(turn, struct read_many_request, turn);
	const char *key = request->keys.at;
	struct span arguments[READ_MANY_MAX + 1];
	char bytes[24];

	for (size_t i = 0; i < request->count; key += request->len[i++])
		arguments[i] = span_of(key, request->len[i]);
	arguments[request->count] =
		span_of(bytes, (size_t)snprintf(bytes, sizeof(bytes), "%d", READ_MANY_BYTES));
	if (store_script(store_lane_of_lists(request->base.store), &script_read_many, on_read_many,
			 request, (unsigned)request->count, arguments, request->count + 1) == 0)
		return true;
	store_defer(&request->base, -EAGAIN);
	return false;
}

static void read_many_refuse(struct list_turn *turn, int error)
{
	store_defer(&CONTAINER_OF(turn, struct read_many_request, turn)->base, error);
}

void store_read_many(struct store *store, struct span service, const struct span *ids, size_t count,
		     store_read_many_fn fn, void *arg)
{
	struct read_many_request *request =
		calloc(1, sizeof(*request) + count * sizeof(request->len[0]));
	char key[KEY_MAX];

	MUST(request && count <= READ_MANY_MAX);
	request->base = (struct store_request){.store = store, .finish = read_many_finish};
	request->turn = (struct list_turn){.go = read_many_send, .refuse = read_many_refuse};
	request->fn = fn;
	request->arg = arg;
	request->count = count;
	for (size_t i = 0; i < count; i++) {
		request->len[i] = key_data(key, service, ids[i]);
		buffer_append(&request->keys, key, request->len[i]);
	}
	if (count)
		list_gate_enter(&store->lists, &request->turn, read_many_expect(store, count));
	else
		store_defer(&request->base, 0);
}

/* --- find: a write whose reply was lost --- */

struct find_request {
	struct store_request base;
	store_find_fn fn;
	void *arg;
};

static void find_finish(struct store_request *base, int error)
{
	struct find_request *request = CONTAINER_OF(base, struct find_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static int find_parse(struct store *store, const struct redisReply *reply, struct store_found *ret)
{
	if (reply->type == REDIS_REPLY_NIL)
		return 0;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
		return -EIO;
	ret->found = true;
	ret->revision = store_number(reply->element[0]);
	ret->at_ms = (int64_t)store_number(reply->element[1]);
	ret->sequence = store_number(reply->element[2]);
	return store_envelope(reply->element[3], &store->scratch, &ret->envelope);
}

static void on_find(const struct redisReply *reply, int error, void *arg)
{
	struct find_request *request = arg;
	struct store *store = request->base.store;
	struct store_found found = {0};
	error = store_error(&request->base, reply, error, false, "find.lua");
	if (!error)
		error = find_parse(store, reply, &found);
	request->fn(error, error ? NULL : &found, request->arg);
	free(request);
	store_scratch_trim(store);
}

void store_find_request(struct store *store, struct span service, struct span id,
			struct span wanted, store_find_fn fn, void *arg)
{
	struct find_request *request = malloc(sizeof(*request));
	char data[KEY_MAX], history[KEY_MAX];
	const struct span arguments[] = {span_of(data, key_data(data, service, id)),
					 span_of(history, key_history(history, service, id)),
					 wanted};
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = find_finish};
	request->fn = fn;
	request->arg = arg;
	if (store_script(store_lane_of(store, service, id), &script_find, on_find, request, 2,
			 arguments, ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}
