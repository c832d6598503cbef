/* connections_handler.c — /v1/connections: who is connected, on all hosts. Each worker gives its
 * own (connections.c); here they are put together. */
#include "connections.h"
#include "control.h"
#include "handlers.h"
#include "http.h"
#include "media_type.h"
#include "question.h"

#define PAGE_DEFAULT 100

static struct outcome too_many_questions(void)
{
	struct outcome refusal = outcome_refusal(503, "too_many_questions",
						 "too many ask for connections at the moment");

	refusal.retry_after_s = 1;
	return refusal;
}

/* --- list -------------------------------------------------------------------- */

struct found {
	char id[CONNECTION_ID_LEN];
	struct text *json; /* one reference */
};

struct listing {
	struct request *request; /* borrowed: until it is answered */
	unsigned page_size;
	uint64_t total;
	struct found *found; /* owned */
	size_t count, cap;
	bool is_cut; /* some worker has more behind `cut`, or behind what is shown */
	char cut[CONNECTION_ID_LEN];
};

static void keep_found(struct listing *listing, const struct json *answer, uint32_t item,
		       struct span id)
{
	if (listing->count == listing->cap) {
		listing->cap = listing->cap ? listing->cap * 2 : 64;
		listing->found =
			reallocarray(listing->found, listing->cap, sizeof(*listing->found));
		MUST(listing->found);
	}
	struct found *found = &listing->found[listing->count++];
	memcpy(found->id, id.at, CONNECTION_ID_LEN);
	found->json = text_create(json_raw(answer, item));
}

/* A worker that gave not all: nobody can say what comes behind its last. */
static void cut_at(struct listing *listing, const char id[CONNECTION_ID_LEN])
{
	if (!listing->is_cut || memcmp(id, listing->cut, CONNECTION_ID_LEN) < 0)
		memcpy(listing->cut, id, CONNECTION_ID_LEN);
	listing->is_cut = true;
}

static bool on_list_answer(const struct json *answer, void *arg)
{
	struct listing *listing = arg;
	CLEANUP(buffer_fini) struct buffer id = {0};
	uint32_t items = json_member(answer, 0, SPAN("items"));
	uint32_t more = json_member(answer, 0, SPAN("more"));
	int64_t total;

	if (!json_int64(answer, json_member(answer, 0, SPAN("total")), &total) && total > 0)
		listing->total += (uint64_t)total;
	if (!items || answer->tokens[items].type != JSON_ARRAY)
		return false;
	for (uint32_t i = items + 1; i < answer->tokens[items].next; i = answer->tokens[i].next) {
		id.len = 0;
		if (json_string(answer, json_member(answer, i, SPAN("connectionId")), &id) ||
		    id.len != CONNECTION_ID_LEN)
			continue;
		keep_found(listing, answer, i, buffer_span(&id));
	}
	if (more && answer->tokens[more].type == JSON_TRUE && id.len == CONNECTION_ID_LEN)
		cut_at(listing, id.at);
	return false;
}

static int compare_found(const void *a, const void *b)
{
	return memcmp(((const struct found *)a)->id, ((const struct found *)b)->id,
		      CONNECTION_ID_LEN);
}

static size_t count_shown(const struct listing *listing)
{
	size_t shown = 0;

	while (shown < listing->count && shown < listing->page_size &&
	       (!listing->is_cut ||
		memcmp(listing->found[shown].id, listing->cut, CONNECTION_ID_LEN) <= 0))
		shown++;
	return shown;
}

static void append_missing(struct buffer *text, const struct span *missing, size_t count)
{
	if (!count)
		return;
	buffer_append_string(text, ",\"incomplete\":true,\"missing\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_char(text, ',');
		buffer_append_json(text, missing[i]);
	}
	buffer_append_char(text, ']');
}

static void format_listing(struct listing *listing, const struct span *missing,
			   size_t missing_count, struct buffer *ret)
{
	if (listing->count)
		qsort(listing->found, listing->count, sizeof(*listing->found), compare_found);
	size_t shown = count_shown(listing);

	buffer_append_string(ret, "{\"items\":[");
	for (size_t i = 0; i < shown; i++) {
		if (i)
			buffer_append_char(ret, ',');
		buffer_append_span(ret, text_span(listing->found[i].json));
	}
	buffer_printf(ret, "],\"total\":%llu", (unsigned long long)listing->total);
	if (shown && (shown < listing->count || listing->is_cut)) {
		buffer_append_string(ret, ",\"next_page_token\":");
		buffer_append_json(ret, span_of(listing->found[shown - 1].id, CONNECTION_ID_LEN));
	}
	append_missing(ret, missing, missing_count);
	buffer_append_char(ret, '}');
}

static void on_list_done(int error, const struct span *missing, size_t missing_count, void *arg)
{
	struct listing *listing = arg;
	struct buffer body = {0};

	if (error) {
		struct outcome refusal = outcome_of_store_error(error);
		request_answer_problem(listing->request, &refusal);
	} else {
		format_listing(listing, missing, missing_count, &body);
		request_answer_owned(listing->request, 200, MEDIA_JSON, &body);
	}
	for (size_t i = 0; i < listing->count; i++)
		text_put(listing->found[i].json);
	free(listing->found);
	free(listing);
}

static bool is_connection_id(struct span id)
{
	bool valid = id.len == CONNECTION_ID_LEN;

	for (size_t i = 0; i < id.len && valid; i++)
		valid = (id.at[i] >= '0' && id.at[i] <= '9') ||
			(id.at[i] >= 'a' && id.at[i] <= 'z');
	return valid;
}

struct list_query {
	struct span after, user;
	unsigned page_size;
};

static int read_query(const struct request *request, struct list_query *ret, struct outcome *fault)
{
	static const char *const known[] = {"page_size", "page_token", "user", NULL};
	const char *size = request_query(request, "page_size");
	size_t digits = size ? strspn(size, "0123456789") : 0;

	if (request_check_query(request, known, fault))
		return -EINVAL;
	ret->page_size = size && digits <= 4 ? (unsigned)atoi(size) : PAGE_DEFAULT;
	ret->after = span_string(request_query(request, "page_token"));
	ret->user = span_string(request_query(request, "user"));
	if (size && (!digits || size[digits] || ret->page_size < 1 ||
		     ret->page_size > CONNECTIONS_PAGE_MAX || digits > 4))
		*fault = outcome_refusal(400, "invalid_query", "\"page_size\" must be 1 to %d",
					 CONNECTIONS_PAGE_MAX);
	else if (ret->after.len && !is_connection_id(ret->after))
		*fault = outcome_refusal(400, "invalid_page_token",
					 "\"page_token\" is not one of these lists");
	else if (ret->user.len > EVENT_CONTROL_MAX / 8)
		*fault = outcome_refusal(400, "invalid_query", "\"user\" is too long");
	else
		return 0;
	return -EINVAL;
}

void connections_handle(struct request *request)
{
	CLEANUP(buffer_fini) struct buffer message = {0};
	char id[STORE_QUESTION_LEN + 1];
	struct list_query query;
	struct outcome refusal;

	if (read_query(request, &query, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	struct listing *listing = calloc(1, sizeof(*listing));
	MUST(listing);
	listing->request = request;
	listing->page_size = query.page_size;
	question_make_id(id);
	control_format_list(&message, span_string(id), query.after, query.page_size, query.user);
	if (!question_ask(request_worker(request), id, buffer_span(&message), on_list_answer,
			  on_list_done, listing))
		return;
	free(listing);
	refusal = too_many_questions();
	request_answer_problem(request, &refusal);
}

/* --- close ------------------------------------------------------------------- */

struct closing {
	struct request *request; /* borrowed: until it is answered */
	bool found;
};

static bool on_close_answer(const struct json *answer, void *arg)
{
	struct closing *closing = arg;
	uint32_t found = json_member(answer, 0, SPAN("found"));

	closing->found = found && answer->tokens[found].type == JSON_TRUE;
	return closing->found;
}

static void on_close_done(int error, const struct span *missing, size_t missing_count, void *arg)
{
	struct closing *closing = arg;
	struct outcome refusal;

	(void)missing;
	if (closing->found) {
		request_answer(closing->request, 204, NULL, SPAN_NONE);
		free(closing);
		return;
	}
	if (error)
		refusal = outcome_of_store_error(error);
	else if (missing_count)
		refusal = outcome_refusal(503, "connections_unknown",
					  "%zu workers did not answer; it may be with one of them",
					  missing_count);
	else
		refusal =
			outcome_refusal(404, "connection_not_found", "there is no such connection");
	if (missing_count && !error)
		refusal.retry_after_s = 1;
	request_answer_problem(closing->request, &refusal);
	free(closing);
}

void connections_handle_one(struct request *request)
{
	static const char *const known[] = {NULL};
	CLEANUP(buffer_fini) struct buffer message = {0};
	char id[STORE_QUESTION_LEN + 1];
	struct outcome refusal;

	if (request_check_query(request, known, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	if (!is_connection_id(request_path_id(request))) {
		refusal =
			outcome_refusal(404, "connection_not_found", "there is no such connection");
		request_answer_problem(request, &refusal);
		return;
	}
	struct closing *closing = calloc(1, sizeof(*closing));
	MUST(closing);
	closing->request = request;
	question_make_id(id);
	control_format_close(&message, span_string(id), request_path_id(request));
	if (!question_ask(request_worker(request), id, buffer_span(&message), on_close_answer,
			  on_close_done, closing))
		return;
	free(closing);
	refusal = too_many_questions();
	request_answer_problem(request, &refusal);
}
