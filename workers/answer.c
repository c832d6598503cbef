/* answer.c — answers of a request: bodies, problems, outcomes of operations. Each request is
 * answered exactly once. */
#include "request_private.h"

#include "access_log.h"
#include "slow_reader.h"

#include <sys/socket.h>
#include <time.h>

#define PROBLEM_TYPE "urn:syncdoc:error:"

static void count_answer(struct request *request, int status, size_t body_len)
{
	struct slot *slot = request->http->worker->slot;

	access_line_answered(
		request->access, status,
		request->method == HTTP_HEAD || status == MHD_HTTP_NOT_MODIFIED ? 0 : body_len);
	stat_add(slot, STAT_requests_total, 1);
	if (status >= 500)
		stat_add(slot, STAT_requests_5xx, 1);
	else if (status >= 400)
		stat_add(slot, STAT_requests_4xx, 1);
	else if (status >= 300)
		stat_add(slot, STAT_requests_3xx, 1);
	else if (status >= 200)
		stat_add(slot, STAT_requests_2xx, 1);
}

/* Takes the response, whose body has `body_len` bytes, as far as is known. */
static void queue_answer(struct request *request, int status, struct MHD_Response *response,
			 size_t body_len)
{
	const char *name = NULL, *value = NULL;

	MUST(response);
	request_set_common_headers(request);
	while (request_next_header(request, &name, &value))
		MHD_add_response_header(response, name, value);
	if (request->http->worker->draining && status != MHD_HTTP_SWITCHING_PROTOCOLS)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	request_give(request, status, response);
	request_set_answered(request);
	/* Headers alone always find room. Streams have a length of 0 here, and a rule of their own.
	 */
	if (body_len)
		slow_reader_watch(request);
	count_answer(request, status, body_len);
}

static struct MHD_Response *create_response(const char *content_type, struct span body,
					    enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body.len, (void *)body.at, mode);

	MUST(response);
	if (content_type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	return response;
}

/* The handler lets go. False: it comes too late; the request has its answer, or MHD has given it
 * up. */
static bool end_handler(struct request *request)
{
	MUST(request->handler_waits);
	request->handler_waits = false;
	return request->state != REQUEST_ANSWERED && request->connection;
}

void request_answer(struct request *request, int status, const char *content_type, struct span body)
{
	if (end_handler(request)) {
		enum MHD_ResponseMemoryMode mode =
			body.len ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT;
		queue_answer(request, status,
			     create_response(content_type, body.len ? body : SPAN(""), mode),
			     body.len);
	}
	request_put(request);
}

static ssize_t read_nothing(void *arg, uint64_t at, char *room, size_t len)
{
	(void)arg, (void)at, (void)room, (void)len;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void put_text(void *text)
{
	text_put(text);
}

/* The body is not copied: MHD lets go of its reference when all of it is sent. */
static void answer_text(struct request *request, int status, const char *content_type,
			struct text *text)
{
	if (end_handler(request)) {
		struct MHD_Response *response =
			MHD_create_response_from_buffer_with_free_callback_cls(
				text->len, text->at, put_text, text_get(text));

		MUST(response);
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
		queue_answer(request, status, response, text->len);
	}
	request_put(request);
}

/* MHD says the length of the body, and never asks for it. */
void request_answer_without_body(struct request *request, int status, const char *content_type,
				 size_t body_len)
{
	MUST(request->method == HTTP_HEAD || status == MHD_HTTP_NOT_MODIFIED);
	if (end_handler(request)) {
		struct MHD_Response *response =
			MHD_create_response_from_callback(body_len, 1, read_nothing, NULL, NULL);

		MUST(response);
		if (content_type)
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
						content_type);
		queue_answer(request, status, response, 0);
	}
	request_put(request);
}

void request_answer_constant(struct request *request, int status, const char *content_type,
			     struct span body)
{
	if (end_handler(request))
		queue_answer(request, status,
			     create_response(content_type, body, MHD_RESPMEM_PERSISTENT), body.len);
	request_put(request);
}

static void answer_owned(struct request *request, int status, const char *content_type,
			 struct buffer *body)
{
	struct span bytes = buffer_span(body);

	buffer_reserve(body, 0);
	bytes.at = body->at;
	queue_answer(request, status, create_response(content_type, bytes, MHD_RESPMEM_MUST_FREE),
		     bytes.len);
	*body = (struct buffer){0};
}

void request_answer_owned(struct request *request, int status, const char *content_type,
			  struct buffer *body)
{
	if (end_handler(request))
		answer_owned(request, status, content_type, body);
	else
		buffer_fini(body);
	request_put(request);
}

void request_answer_stream(struct request *request, struct MHD_Response *response)
{
	MUST(request->state == REQUEST_HANDLING && end_handler(request));
	if (request->method == HTTP_HEAD) {
		MHD_destroy_response(response);
		response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
		MUST(response);
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, MEDIA_EVENT_STREAM);
	/* Or nginx keeps the events until it has a buffer full. */
	MHD_add_response_header(response, "X-Accel-Buffering", "no");
	queue_answer(request, MHD_HTTP_OK, response, 0);
	request_put(request);
}

/* --- problems -------------------------------------------------------------- */

static void format_problem(struct request *request, const struct outcome *outcome,
			   struct buffer *ret)
{
	stat_refuse(request->http->worker->slot, outcome->code);
	buffer_append_string(ret, "{\"type\":\"" PROBLEM_TYPE);
	buffer_append_string(ret, outcome->code);
	buffer_append_string(ret, "\",\"title\":");
	buffer_append_json(ret, span_string(MHD_get_reason_phrase_for((unsigned)outcome->status)));
	buffer_append_string(ret, ",\"status\":");
	buffer_append_i64(ret, outcome->status);
	if (*outcome->detail) {
		buffer_append_string(ret, ",\"detail\":");
		buffer_append_json(ret, span_string(outcome->detail));
	}
	buffer_append_string(ret, ",\"code\":");
	buffer_append_json(ret, span_string(outcome->code));
	outcome_append_members(ret, outcome, !request->prefer_minimal);
	buffer_append_char(ret, '}');
}

static void answer_problem(struct request *request, const struct outcome *outcome)
{
	struct buffer body = {0};
	char seconds[16];

	if (outcome->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%u", outcome->retry_after_s);
		request_set_header(request, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	format_problem(request, outcome, &body);
	answer_owned(request, outcome->status, MEDIA_PROBLEM, &body);
}

void request_answer_problem(struct request *request, const struct outcome *outcome)
{
	if (end_handler(request))
		answer_problem(request, outcome);
	request_put(request);
}

/* MHD refuses to upgrade what it must answer in HTTP/1.0. */
static void refuse_upgrade(struct request *request)
{
	struct outcome refusal = outcome_refusal(400, "handshake_invalid",
						 "WebSocket handshakes are HTTP/1.1 (RFC 6455)");

	stat_add(request->http->worker->slot, STAT_handshakes_failed, 1);
	request_answer_problem(request, &refusal);
}

void request_answer_upgrade(struct request *request, struct MHD_Response *response)
{
	if (request->is_http_1_0) {
		MHD_destroy_response(response);
		refuse_upgrade(request);
		return;
	}
	MUST(request->state == REQUEST_HANDLING && end_handler(request));
	request->client->upgraded = true;
	queue_answer(request, MHD_HTTP_SWITCHING_PROTOCOLS, response, 0);
	request_put(request);
}

static void format_answer(struct request *request, const struct outcome *outcome,
			  struct buffer *ret)
{
	const char *name = NULL, *value = NULL;
	struct buffer body = {0};
	time_t now = time(NULL);
	struct tm utc;
	char date[40];

	format_problem(request, outcome, &body);
	strftime(date, sizeof(date), "%a, %d %b %Y %T GMT", gmtime_r(&now, &utc));
	buffer_printf(ret, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", outcome->status,
		      MHD_get_reason_phrase_for((unsigned)outcome->status), date);
	buffer_printf(ret, "Content-Type: " MEDIA_PROBLEM "\r\nContent-Length: %zu\r\n", body.len);
	while (request_next_header(request, &name, &value))
		buffer_printf(ret, "%s: %s\r\n", name, value);
	buffer_append_string(ret, "\r\n");
	if (request->method != HTTP_HEAD)
		buffer_append_span(ret, buffer_span(&body));
	buffer_fini(&body);
}

/* MHD takes no answer to a request that has not arrived; the socket does. MHD sees the end of it
 * and completes the request. */
void request_answer_unread(struct request *request, const struct outcome *outcome)
{
	struct buffer answer = {0};

	request->given_up = true;
	request_set_common_headers(request);
	format_answer(request, outcome, &answer);
	if (send(request->client->fd, answer.at, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("http: %d: %s", outcome->status, strerror(errno));
	shutdown(request->client->fd, SHUT_RDWR);
	buffer_fini(&answer);
	count_answer(request, outcome->status, 0);
}

/* A 503 other than outcome_unknown promises that nothing was changed, and that is not known of a
 * write under way. */
void request_answer_timeout(struct request *request)
{
	bool write = request_changes_something(request);
	struct outcome outcome = outcome_refusal(
		503, write ? "outcome_unknown" : "request_timeout", "no result within %lld ms%s",
		(long long)request->http->worker->config->limits_request_timeout_ms,
		write ? "; the change may or may not be made" : "");

	if (!write)
		outcome.retry_after_s = 1;
	answer_problem(request, &outcome);
}

/* --- outcomes -------------------------------------------------------------- */

static void set_location(struct request *request, const struct document *document)
{
	struct buffer location = {0};

	/* Names need no percent-encoding. */
	buffer_append_string(&location, "/v1/services/");
	buffer_append_span(&location, document->service);
	buffer_append_string(&location, "/documents/");
	buffer_append_span(&location, document->id);
	buffer_append_char(&location, '\0');
	request_set_header(request, MHD_HTTP_HEADER_LOCATION, location.at);
	buffer_fini(&location);
}

static void answer_document(struct request *request, const struct outcome *outcome)
{
	char etag[DOCUMENT_ETAG_MAX];

	if (outcome->document.revision) {
		document_etag(&outcome->document, etag);
		request_set_header(request, MHD_HTTP_HEADER_ETAG, etag);
		if (outcome->status == MHD_HTTP_CREATED)
			set_location(request, &outcome->document);
	}
	if (outcome->idempotent_replay)
		request_set_header(request, "Idempotent-Replay", "true");
	if (outcome->unread_len) {
		request_answer_without_body(request, outcome->status,
					    outcome->status == MHD_HTTP_NOT_MODIFIED ? NULL
										     : MEDIA_JSON,
					    outcome->unread_len);
	} else if (outcome->status == MHD_HTTP_NOT_MODIFIED) {
		/* Its Content-Length is that of the 200 that it stands for; MHD sends no body. */
		request_answer(request, MHD_HTTP_NOT_MODIFIED, NULL, outcome->envelope);
	} else if (request->prefer_minimal) {
		request_set_header(request, "Preference-Applied", "return=minimal");
		request_answer(request,
			       outcome->status == MHD_HTTP_OK ? MHD_HTTP_NO_CONTENT
							      : outcome->status,
			       NULL, SPAN_NONE);
	} else if (outcome->text) {
		answer_text(request, outcome->status, MEDIA_JSON, outcome->text);
	} else {
		request_answer(request, outcome->status, MEDIA_JSON, outcome->envelope);
	}
}

static void answer_items(struct request *request, const struct outcome *outcome)
{
	struct buffer body = {0};

	buffer_reserve(&body, outcome->items.len + outcome->next_page_token.len + 40);
	buffer_append_char(&body, '{');
	buffer_append_json(&body, span_string(outcome->items_name ? outcome->items_name : "items"));
	buffer_append_char(&body, ':');
	buffer_append_span(&body, outcome->items);
	if (outcome->next_page_token.len) {
		buffer_append_string(&body, ",\"next_page_token\":");
		buffer_append_json(&body, outcome->next_page_token);
	}
	buffer_append_char(&body, '}');
	request_answer_owned(request, outcome->status, MEDIA_JSON, &body);
}

/* Who may write but not read learns from the answer what became of the write, and nothing else. */
static void answer_concealed(struct request *request, const struct outcome *outcome)
{
	struct outcome shown = *outcome;
	struct buffer head = {0};

	outcome_conceal(&shown, &head);
	request->conceals = false;
	request_answer_outcome(&shown, request);
	buffer_fini(&head);
}

void request_answer_outcome(const struct outcome *outcome, void *arg)
{
	struct request *request = arg;

	if (request->conceals)
		answer_concealed(request, outcome);
	else if (outcome->status >= 400)
		request_answer_problem(request, outcome);
	else if (outcome->items.len)
		answer_items(request, outcome);
	else
		answer_document(request, outcome);
}
