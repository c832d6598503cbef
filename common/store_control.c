/* store_control.c — see store_control.h. */
#include "store_control.h"

#include "store_internal.h"

#define ANSWERS_KEPT_MS 10000

struct control_request {
	struct store_request base;
	/* One of them. */
	store_done_fn done;
	store_revoked_fn revoked;
	store_strings_fn strings;
	void *arg;
};

static void control_finish(struct store_request *base, int error)
{
	struct control_request *request = CONTAINER_OF(base, struct control_request, base);
	if (request->done)
		request->done(error, request->arg);
	else if (request->revoked)
		request->revoked(error, NULL, 0, request->arg);
	else if (request->strings)
		request->strings(error, NULL, 0, request->arg);
	free(request);
}

static struct control_request *request_create(struct store *store, void *arg)
{
	struct control_request *request = calloc(1, sizeof(*request));
	MUST(request);
	request->base = (struct store_request){.store = store, .finish = control_finish};
	request->arg = arg;
	return request;
}

static struct span string_of(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? span_of(reply->str, (size_t)reply->len)
						 : SPAN_NONE;
}

static void call_script(struct control_request *request, struct script *script, redis_reply_fn fn,
			const struct span *arguments, size_t count)
{
	if (store_script(store_lane_of_lists(request->base.store), script, fn, request, 1,
			 arguments, count))
		store_defer(&request->base, -EAGAIN);
}

static void call_command(struct control_request *request, redis_reply_fn fn, int argc,
			 const char *const *argv)
{
	if (store_command(store_lane_of_lists(request->base.store), fn, request, argc, argv))
		store_defer(&request->base, -EAGAIN);
}

/* ---- revoked tokens ---- */

static void on_revoke(const struct redisReply *reply, int error, void *arg)
{
	struct control_request *request = arg;
	error = store_error(&request->base, reply, error, true, "revoke.lua");
	if (!error && reply->type != REDIS_REPLY_INTEGER)
		error = -EIO;
	if (!error && !reply->integer)
		error = -ENOSPC;
	control_finish(&request->base, error);
}

void store_revoke(struct store *store, struct span name, int64_t issued_before_ms, int64_t now_ms,
		  struct span message, store_done_fn fn, void *arg)
{
	struct control_request *request = request_create(store, arg);
	char before[24], oldest[24], most[16];
	request->done = fn;
	snprintf(before, sizeof(before), "%lld", (long long)issued_before_ms);
	snprintf(oldest, sizeof(oldest), "%lld", (long long)(now_ms - STORE_REVOKED_KEPT_MS));
	snprintf(most, sizeof(most), "%d", STORE_REVOKED_MAX);
	const struct span arguments[] = {SPAN(KEY_REVOKED),
					 name,
					 span_string(before),
					 span_string(oldest),
					 span_string(most),
					 SPAN(KEY_CONTROL),
					 message};
	call_script(request, &script_revoke, on_revoke, arguments, ARRAY_LEN(arguments));
}

static void on_revoked(const struct redisReply *reply, int error, void *arg)
{
	struct control_request *request = arg;
	error = store_error(&request->base, reply, error, false, "ZRANGE " KEY_REVOKED);
	if (!error && reply->type != REDIS_REPLY_ARRAY)
		error = -EIO;
	if (error) {
		control_finish(&request->base, error);
		return;
	}
	struct store_revoked *entries = calloc(reply->elements / 2 + 1, sizeof(*entries));
	size_t count = 0;
	MUST(entries);
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		entries[count].name = string_of(reply->element[i]);
		entries[count].issued_before_ms = store_score(reply->element[i + 1]);
		count += entries[count].name.len > 0;
	}
	request->revoked(0, entries, count, request->arg);
	free(entries);
	free(request);
}

void store_revoked(struct store *store, store_revoked_fn fn, void *arg)
{
	static const char *const argv[] = {"ZRANGE", KEY_REVOKED, "0", "-1", "WITHSCORES"};
	struct control_request *request = request_create(store, arg);
	request->revoked = fn;
	call_command(request, on_revoked, ARRAY_LEN(argv), argv);
}

/* ---- questions ---- */

static void on_strings(const struct redisReply *reply, int error, void *arg)
{
	struct control_request *request = arg;
	error = store_error(&request->base, reply, error, false, "a question to all workers");
	if (!error && reply->type != REDIS_REPLY_ARRAY)
		error = -EIO;
	if (error) {
		control_finish(&request->base, error);
		return;
	}
	struct span *strings = calloc(reply->elements + 1, sizeof(*strings));
	MUST(strings);
	for (size_t i = 0; i < reply->elements; i++)
		strings[i] = string_of(reply->element[i]);
	request->strings(0, strings, reply->elements, request->arg);
	free(strings);
	free(request);
}

void store_ask(struct store *store, struct span question, store_strings_fn fn, void *arg)
{
	struct control_request *request = request_create(store, arg);
	const struct span arguments[] = {SPAN(KEY_RUNS), SPAN(KEY_CONTROL), question};
	request->strings = fn;
	call_script(request, &script_ask, on_strings, arguments, ARRAY_LEN(arguments));
}

static void format_answers_key(char ret[KEY_MAX], struct span question_id)
{
	snprintf(ret, KEY_MAX, KEY_ANSWERS_PREFIX "%.*s", SPAN_ARGS(question_id));
}

void store_answers(struct store *store, struct span question_id, size_t known, store_strings_fn fn,
		   void *arg)
{
	struct control_request *request = request_create(store, arg);
	char key[KEY_MAX], from[24];
	request->strings = fn;
	format_answers_key(key, question_id);
	snprintf(from, sizeof(from), "%zu", known);
	const char *argv[] = {"LRANGE", key, from, "-1"};
	call_command(request, on_strings, ARRAY_LEN(argv), argv);
}

static void on_nothing(const struct redisReply *reply, int error, void *arg)
{
	struct control_request *request = arg;
	control_finish(&request->base,
		       store_error(&request->base, reply, error, true, "an answer to a question"));
}

void store_answers_drop(struct store *store, struct span question_id)
{
	char key[KEY_MAX];
	format_answers_key(key, question_id);
	const char *argv[] = {"DEL", key};
	call_command(request_create(store, NULL), on_nothing, ARRAY_LEN(argv), argv);
}

void store_answer(struct store *store, struct span question_id, struct span answer)
{
	char key[KEY_MAX], kept[16], most[16];
	MUST(answer.len <= STORE_ANSWER_MAX);
	format_answers_key(key, question_id);
	snprintf(kept, sizeof(kept), "%d", ANSWERS_KEPT_MS);
	snprintf(most, sizeof(most), "%d", STORE_ANSWERS_MAX);
	const struct span arguments[] = {span_string(key), answer, span_string(kept),
					 span_string(most)};
	call_script(request_create(store, NULL), &script_answer, on_nothing, arguments,
		    ARRAY_LEN(arguments));
}
