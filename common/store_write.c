/* store_write.c — one script call for a batch of revisions. */
#include "store_internal.h"
#include "log.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))
#define WRITE_KEYS 8
#define WRITE_ARGUMENTS 17   /* before the revisions; see write.lua */
#define REVISION_ARGUMENTS 8 /* for each */
#define DIGITS_MAX 24

struct script_write {
	struct store_request base;
	store_write_fn fn;
	void *arg;
	struct store_lane *lane; /* WAIT goes where the write went */
	uint64_t first_sequence;

	/* What to remember of the history's sum; see struct store_sum. */
	struct store_sum after;
	bool is_sum_known; /* after.sum; else the script tells */
	bool is_large;     /* the last entry: the script wants to see it next time */
};

static void write_finish(struct store_request *base, int error)
{
	struct script_write *request = CONTAINER_OF(base, struct script_write, base);
	request->fn(error, NULL, request->arg);
	free(request);
}

static void write_answer(struct script_write *request, const struct store_write_result *result)
{
	struct store *store = request->base.store;
	request->fn(0, result, request->arg);
	free(request);
	store_scratch_trim(store);
}

static void sum_remember(struct script_write *request)
{
	struct store *store = request->base.store;
	if (request->is_sum_known && !request->is_large && store->history_max)
		store->sums[request->after.document % STORE_SUMS] = request->after;
}

static void write_answer_written(struct script_write *request)
{
	struct store_write_result result = {
		.answer = STORE_WRITTEN,
		.first_sequence = request->first_sequence,
	};
	write_answer(request, &result);
}

/* The primary has it. What it is to be worth was promised by redis.wait_replicas, so anything less
 * is unknown. */
static void on_wait(const struct redisReply *reply, int error, void *arg)
{
	static struct log_limit few;
	struct script_write *request = arg;
	bool is_enough = !error && reply->type == REDIS_REPLY_INTEGER &&
			 reply->integer >= (long long)request->base.store->wait_replicas;
	if (is_enough) {
		write_answer_written(request);
		return;
	}
	error = store_error(&request->base, reply, error, true, "WAIT");
	if (!error && log_allow(&few))
		log_warning("store: WAIT for %u replicas: too few answered; writes are answered as "
			    "unknown",
			    request->base.store->wait_replicas);
	write_finish(&request->base, error == -ECANCELED ? error : -ETIMEDOUT);
}

static void write_wait(struct script_write *request)
{
	char replicas[16], timeout[24];
	const char *argv[] = {"WAIT", replicas, timeout};
	snprintf(replicas, sizeof(replicas), "%u", request->base.store->wait_replicas);
	/* Its answer must be here before our own deadline. */
	snprintf(timeout, sizeof(timeout), "%lld",
		 (long long)(request->base.store->timeout_ms * 3 / 4 + 1));
	if (store_command(request->lane, on_wait, request, 3, argv))
		write_finish(&request->base, -ETIMEDOUT);
}

static void write_accept(struct script_write *request, uint64_t first_sequence)
{
	request->first_sequence = first_sequence;
	sum_remember(request);
	if (request->base.store->wait_replicas)
		write_wait(request);
	else
		write_answer_written(request);
}

static bool is_word(const struct redisReply *reply, const char *word)
{
	return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, word) == 0;
}

/* -EIO: not one of the forms of write.lua. */
static int write_refusal(struct store *store, const struct redisReply *reply,
			 struct store_write_result *ret)
{
	struct redisReply **element = reply->element;
	if (reply->elements == 2 && is_word(element[0], "mismatch")) {
		ret->answer = STORE_MISMATCH;
		return store_envelope(element[1], &store->scratch, &ret->envelope);
	}
	if (reply->elements == 4 && is_word(element[0], "key")) {
		ret->answer = STORE_KEY_SEEN;
		ret->key_index = store_number(element[1]);
		ret->key_revision = store_number(element[2]);
		return store_envelope(element[3], &store->scratch, &ret->envelope);
	}
	return -EIO;
}

static bool is_written_with_news(struct script_write *request, const struct redisReply *reply)
{
	static struct log_limit unlike;
	if (reply->elements < 3 || !is_word(reply->element[0], "written"))
		return false;
	if (reply->elements == 4 && reply->element[3]->type == REDIS_REPLY_STRING &&
	    log_allow(&unlike))
		log_warning("store: JSON.SET refused a document, stored as string: %.200s",
			    reply->element[3]->str);
	if (!request->is_sum_known) {
		request->after.sum = store_number(reply->element[2]);
		request->is_sum_known = true;
	}
	return true;
}

static void on_write(const struct redisReply *reply, int error, void *arg)
{
	struct script_write *request = arg;
	struct store_write_result result = {0};
	error = store_error(&request->base, reply, error, true, "write.lua");
	if (error) {
		write_finish(&request->base, error);
	} else if (reply->type == REDIS_REPLY_INTEGER) {
		write_accept(request, store_number(reply));
	} else if (reply->type != REDIS_REPLY_ARRAY) {
		write_finish(&request->base, -EIO);
	} else if (is_written_with_news(request, reply)) {
		write_accept(request, store_number(reply->element[1]));
	} else if ((error = write_refusal(request->base.store, reply, &result))) {
		write_finish(&request->base, error);
	} else {
		write_answer(request, &result);
	}
}

/* The argument table, in one piece of the store's memory: pointers, lengths, digits. */
struct arguments {
	const char **argv;
	size_t *len;
	char (*digits)[DIGITS_MAX];
	int count;
	int most;
};

static struct arguments arguments_make(struct buffer *memory, int most)
{
	struct arguments ret = {.most = most};
	memory->len = 0;
	ret.argv = (const char **)buffer_reserve(
		memory, most * (sizeof(*ret.argv) + sizeof(*ret.len) + sizeof(*ret.digits)));
	ret.len = (size_t *)(ret.argv + most);
	ret.digits = (char(*)[DIGITS_MAX])(ret.len + most);
	return ret;
}

static void add(struct arguments *arguments, struct span span)
{
	MUST(arguments->count < arguments->most);
	arguments->argv[arguments->count] = span.at;
	arguments->len[arguments->count++] = span.len;
}

/* `tail`: what stands behind the digits. */
static void add_number(struct arguments *arguments, uint64_t number, struct span tail)
{
	char *digits = arguments->digits[arguments->count], *at = digits + DIGITS_MAX - tail.len;
	if (tail.len)
		memcpy(at, tail.at, tail.len);
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	add(arguments, span_of(at, digits + DIGITS_MAX - at));
}

/* Empty where there is none. */
static void add_time(struct arguments *arguments, int64_t time_ms)
{
	if (time_ms > 0)
		add_number(arguments, (uint64_t)time_ms, SPAN_NONE);
	else
		add(arguments, SPAN_NONE);
}

static void add_flag(struct arguments *arguments, bool is_set)
{
	add(arguments, is_set ? SPAN("1") : SPAN("0"));
}

static bool has_key(const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (batch->revisions[i].key.len)
			return true;
	return false;
}

/* Saturating: a far expiresAt must not come round. */
static int64_t later(int64_t time_ms, int64_t by_ms)
{
	return time_ms > INT64_MAX - by_ms ? INT64_MAX : time_ms + by_ms;
}

static void add_state(struct arguments *arguments, const struct store *store,
		      const struct store_batch *batch, const struct store_sum *known)
{
	const struct document *final = &batch->final;
	int64_t purge_ms =
		final->deleted ? later(final->updated_at_ms, store->tombstone_ttl_ms) : 0;
	int64_t expires_ms = final->deleted ? 0 : final->expires_at_ms;
	int64_t net_ms = 0;
	if (purge_ms)
		net_ms = later(purge_ms, DAY_MS);
	else if (expires_ms)
		net_ms = later(expires_ms, store->tombstone_ttl_ms + DAY_MS);
	add_time(arguments, purge_ms);
	add_time(arguments, expires_ms);
	add_time(arguments, net_ms);
	add_number(arguments, store->history_max, SPAN_NONE);
	add_number(arguments, store->history_max_bytes, SPAN_NONE);
	add_flag(arguments, batch->base_deleted);
	add_flag(arguments, batch->base_expires_at_ms && !batch->base_deleted);
	add_flag(arguments, has_key(batch));
	if (known)
		add_number(arguments, known->sum, SPAN_NONE);
	else
		add(arguments, SPAN_NONE);
	add_number(arguments, batch->count, SPAN_NONE);
}

static void add_revisions(struct arguments *arguments, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_revision *revision = &batch->revisions[i];
		add_number(arguments, batch->base_revision + 1 + i, SPAN("-0"));
		add(arguments, revision->op);
		add_number(arguments, (uint64_t)revision->at_ms, SPAN_NONE);
		add(arguments, revision->by);
		add(arguments, revision->request);
		add(arguments, revision->key);
		add(arguments, revision->reversible);
		add(arguments, revision->event);
	}
}

/* The sum at the base, when our own last write of the document left it there. */
static const struct store_sum *sum_recall(const struct store *store, uint64_t document,
					  const struct store_batch *batch)
{
	static const struct store_sum none;
	const struct store_sum *sum = &store->sums[document % STORE_SUMS];
	if (!batch->base_revision)
		return &none;
	bool is_it = sum->document == document && sum->revision == batch->base_revision &&
		     sum->updated_at_ms == batch->base_updated_at_ms;
	return is_it ? sum : NULL;
}

/* Counts as write.lua does. */
static void sum_advance(struct script_write *request, const struct store_batch *batch,
			const struct store_sum *known)
{
	const struct store *store = request->base.store;
	uint64_t sum = known ? known->sum : 0;
	char digits[DIGITS_MAX];
	for (size_t i = 0; i < batch->count; i++) {
		const struct store_revision *revision = &batch->revisions[i];
		size_t size = revision->op.len + revision->by.len + revision->request.len +
			      revision->key.len;
		size += (size_t)snprintf(digits, sizeof(digits), "%lld",
					 (long long)revision->at_ms);
		size_t diff = revision->reversible.len;
		sum += size + diff > store->history_max_bytes ? size : size + diff;
		request->is_large = diff > store->history_max_bytes / 16;
	}
	request->is_sum_known = known != NULL;
	request->after = (struct store_sum){
		.document = store_hash(store, batch->service, batch->id),
		.revision = batch->final.revision,
		.updated_at_ms = batch->final.updated_at_ms,
		.sum = sum,
	};
}

static int write_send(struct script_write *request, struct store_lane *lane,
		      const struct store_batch *batch)
{
	struct store *store = lane->store;
	struct span service = batch->service, id = batch->id;
	char data[KEY_MAX], history[KEY_MAX], index[KEY_MAX], names[KEY_MAX], deleted[KEY_MAX],
		channel[KEY_MAX];
	int most = WRITE_KEYS + WRITE_ARGUMENTS + REVISION_ARGUMENTS * (int)batch->count;
	struct arguments arguments = arguments_make(&store->arguments, most);

	add(&arguments, span_of(data, key_data(data, service, id)));
	add(&arguments, span_of(history, key_history(history, service, id)));
	add(&arguments, SPAN(KEY_SEQUENCE));
	add(&arguments, span_of(index, key_index(index, service)));
	add(&arguments, span_of(names, key_names(names, service)));
	add(&arguments, span_of(deleted, key_deleted(deleted, service)));
	add(&arguments, SPAN(KEY_SERVICES));
	add(&arguments, SPAN(KEY_EXPIRY));

	struct span envelope = batch->envelope;
	if (!envelope.len) {
		store->envelope.len = 0;
		document_format(&store->envelope, &batch->final);
		envelope = buffer_span(&store->envelope);
	}
	add(&arguments, span_string(store_encoding(lane)));
	add_number(&arguments, batch->base_revision, SPAN_NONE);
	add_number(&arguments, (uint64_t)batch->base_updated_at_ms, SPAN_NONE);
	add(&arguments, envelope);
	add(&arguments, service);
	add(&arguments, id);
	add(&arguments, span_of(channel, key_channel(channel, service, id)));
	const struct store_sum *known = sum_recall(store, store_hash(store, service, id), batch);
	sum_advance(request, batch, known);
	add_state(&arguments, store, batch, known);
	add_revisions(&arguments, batch);
	return store_script_argv(lane, &script_write, on_write, request, WRITE_KEYS,
				 arguments.count, arguments.argv, arguments.len);
}

void store_write(struct store *store, const struct store_batch *batch, store_write_fn fn, void *arg)
{
	struct store_lane *lane = store_lane_of(store, batch->service, batch->id);
	struct script_write *request = malloc(sizeof(*request));
	MUST(request && batch->count &&
	     batch->final.revision == batch->base_revision + batch->count);
	request->base = (struct store_request){.store = store, .finish = write_finish};
	request->fn = fn;
	request->arg = arg;
	request->lane = lane;
	if (write_send(request, lane, batch))
		store_defer(&request->base, -EAGAIN);
	if (store->envelope.cap > STORE_SCRATCH_MAX)
		buffer_fini(&store->envelope);
}
