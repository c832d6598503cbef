/* store_gap.c — what a supervisor reads after its subscription was away. */
#include "store_internal.h"

#define MISSED_ENTRIES_MAX "1000"
#define MISSED_BYTES_MAX "8388608"
#define MISSED_FIELDS 6 /* of an entry, see missed.lua */

_Static_assert(STORE_GAP_MAX <= 1000000, "one reply holds them all");

struct gap_request {
	struct store_request base;
	store_gap_fn fn;
	void *arg;
};

static void gap_finish(struct store_request *base, int error)
{
	struct gap_request *request = CONTAINER_OF(base, struct gap_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static bool is_text(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

static struct span text_of(const struct redisReply *reply)
{
	return is_text(reply) ? span_of(reply->str, reply->len) : SPAN_NONE;
}

/* Names that are none are left out: somebody else wrote them there. */
static int gap_parse(const struct redisReply *reply, struct store_gap *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || reply->elements % 3 != 2)
		return -EIO;
	ret->sequence = store_number(reply->element[0]);
	ret->is_too_many = store_number(reply->element[1]) == 1;
	ret->documents = calloc(reply->elements / 3 + 1, sizeof(*ret->documents));
	MUST(ret->documents);
	for (size_t i = 2; i < reply->elements; i += 3) {
		struct span service = text_of(reply->element[i]),
			    id = text_of(reply->element[i + 1]);
		if (document_service_is_valid(service) && document_id_is_valid(id))
			ret->documents[ret->count++] = (struct store_changed){service, id};
	}
	return 0;
}

static void on_gap(const struct redisReply *reply, int error, void *arg)
{
	struct gap_request *request = arg;
	struct store_gap gap = {0};
	error = store_error(&request->base, reply, error, false, "gap.lua");
	if (!error)
		error = gap_parse(reply, &gap);
	request->fn(error, error ? NULL : &gap, request->arg);
	free(gap.documents);
	free(request);
}

void store_gap(struct store *store, uint64_t from, uint64_t mark, store_gap_fn fn, void *arg)
{
	struct gap_request *request = malloc(sizeof(*request));
	char index[KEY_MAX], first[24], last[24], most[24], raise[24];
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = gap_finish};
	request->fn = fn;
	request->arg = arg;
	key_index(index, SPAN_NONE);
	snprintf(first, sizeof(first), "%llu", (unsigned long long)from);
	snprintf(last, sizeof(last), "%llu", (unsigned long long)mark);
	snprintf(most, sizeof(most), "%d", STORE_GAP_MAX);
	snprintf(raise, sizeof(raise), "%d", STORE_GAP_RAISE);
	const struct span arguments[] = {SPAN(KEY_SEQUENCE), SPAN(KEY_SERVICES), SPAN(KEY_RAISED),
					 span_string(first), span_string(last),  span_string(index),
					 span_string(most),  span_string(raise)};
	if (store_script(store_lane_of_lists(store), &script_gap, on_gap, request, 3, arguments,
			 ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}

/* --- one document --- */

struct missed_request {
	struct store_request base;
	store_missed_fn fn;
	void *arg;
};

static void missed_finish(struct store_request *base, int error)
{
	struct missed_request *request = CONTAINER_OF(base, struct missed_request, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static int entry_parse(struct redisReply *const *field, struct store_missed_entry *ret)
{
	*ret = (struct store_missed_entry){
		.revision = store_number(field[0]),
		.op = text_of(field[1]),
		.at_ms = (int64_t)store_number(field[2]),
		.by = text_of(field[3]),
		.sequence = store_number(field[4]),
		.diff = text_of(field[5]),
	};
	return ret->revision ? 0 : -EIO;
}

static int missed_parse(struct store *store, const struct redisReply *reply,
			struct store_missed *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
	    (reply->elements - 2) % MISSED_FIELDS)
		return -EIO;
	int error = store_envelope(reply->element[0], &store->scratch, &ret->envelope);
	if (error)
		return error;
	ret->is_cut = store_number(reply->element[1]) == 1;
	ret->count = (reply->elements - 2) / MISSED_FIELDS;
	ret->entries = calloc(ret->count + 1, sizeof(*ret->entries));
	MUST(ret->entries);
	for (size_t i = 0; i < ret->count && !error; i++)
		error = entry_parse(reply->element + 2 + i * MISSED_FIELDS, &ret->entries[i]);
	return error;
}

static void on_missed(const struct redisReply *reply, int error, void *arg)
{
	struct missed_request *request = arg;
	struct store *store = request->base.store;
	struct store_missed missed = {0};
	error = store_error(&request->base, reply, error, false, "missed.lua");
	if (!error)
		error = missed_parse(store, reply, &missed);
	request->fn(error, error ? NULL : &missed, request->arg);
	free(missed.entries);
	free(request);
	store_scratch_trim(store);
}

void store_missed(struct store *store, struct span service, struct span id, uint64_t known,
		  uint64_t from, store_missed_fn fn, void *arg)
{
	struct missed_request *request = malloc(sizeof(*request));
	char data[KEY_MAX], history[KEY_MAX], revision[24], sequence[24];
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = missed_finish};
	request->fn = fn;
	request->arg = arg;
	key_data(data, service, id);
	key_history(history, service, id);
	snprintf(revision, sizeof(revision), "%llu", (unsigned long long)known);
	snprintf(sequence, sizeof(sequence), "%llu", (unsigned long long)from);
	const struct span arguments[] = {span_string(data),        span_string(history),
					 span_string(revision),    span_string(sequence),
					 SPAN(MISSED_ENTRIES_MAX), SPAN(MISSED_BYTES_MAX)};
	if (store_script(store_lane_of(store, service, id), &script_missed, on_missed, request, 2,
			 arguments, ARRAY_LEN(arguments)))
		store_defer(&request->base, -EAGAIN);
}
