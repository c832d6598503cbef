/* request.c — life of a request, and what handlers see of it. The answers are in answer.c. */
#include "request_private.h"

#include "access_log.h"
#include "client_address.h"
#include "request_head.h"
#include "router.h"
#include "slow_sender.h"
#include "tls_front.h"

#include <strings.h>
#include <sys/socket.h>

/* An upload without Content-Length that is too large is read on for this many times the limit, so
 * that its 413 arrives. */
#define REQUEST_DROP_FACTOR 8

/* --- life ------------------------------------------------------------------ */

struct request *request_create(struct http *http, struct client *client,
			       struct MHD_Connection *connection, const char *uri)
{
	struct span target = span_string(uri);
	struct request *request = calloc(1, sizeof(*request) + TARGET_MEMORY(target.len));

	MUST(request);
	request->http = http;
	request->client = client;
	request->connection = connection;
	request->references = 1;
	request->line_target = target.at;
	request->line_target_end = target.at + target.len;
	request->address = client->address;
	target_parse(target, request->memory, &request->target);
	deadline_stop(&client->deadline);
	if (http->worker->config->limits_request_timeout_ms)
		http_start_deadline(http, HTTP_DEADLINE_ANSWER, &request->deadline);
	else
		slow_sender_watch(request);
	client->request = request;
	if (http->worker->config->log_access)
		request->access = access_line_create(target);
	http->active++;
	stat_set(http->worker->slot, STAT_requests_active, http->active);
	return request;
}

void request_put(struct request *request)
{
	if (--request->references)
		return;
	while (request->joined) {
		struct joined_header *joined = request->joined;
		request->joined = joined->next;
		free(joined);
	}
	principal_put(request->principal);
	buffer_fini(&request->headers);
	buffer_fini(&request->body);
	access_line_destroy(request->access);
	free(request);
}

static void count_active(struct http *http, int more)
{
	http->active += (size_t)more;
	stat_set(http->worker->slot, STAT_requests_active, http->active);
}

void request_complete(struct request *request)
{
	struct http *http = request->http;

	access_line_finish(request->access, request);
	if (!request->headers_seen && !request->given_up)
		stat_add(http->worker->slot, STAT_http_connections_broken, 1);
	deadline_stop(&request->deadline);
	request_leave(request);
	request_wait_no_more(request);
	request->client->request = NULL;
	request->client->answered++;
	http_client_wait(http, request->client);
	request->client = NULL;
	request->connection = NULL;
	count_active(http, -1);
	request_put(request);
}

void request_drop_deadline(struct request *request)
{
	deadline_stop(&request->deadline);
	request->is_patient = true;
}

void request_set_answered(struct request *request)
{
	deadline_stop(&request->deadline);
	request->state = REQUEST_ANSWERED;
}

/* --- arrival --------------------------------------------------------------- */

static enum http_method parse_method(const char *method)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = {
		{"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"POST", HTTP_POST},
		{"PUT", HTTP_PUT},         {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
		{"OPTIONS", HTTP_OPTIONS},
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].method;
	return 0;
}

static size_t body_max(const struct request *request)
{
	return request->http->worker->config->documents_max_size + REQUEST_BODY_SPARE;
}

static struct outcome body_too_large(const struct request *request)
{
	return outcome_refusal(413, "body_too_large", "the body may have %zu bytes at most",
			       body_max(request));
}

/* From here on somebody owes an answer. */
static void begin_handler(struct request *request)
{
	request->handler_waits = true;
	request->references++;
}

/* Two answers to where a body ends are how requests are smuggled past a proxy. */
static const char *framing_fault(const struct request *request, const char *encoding,
				 const char *length)
{
	if (encoding && request->is_http_1_0)
		return "HTTP/1.0 has no Transfer-Encoding";
	if (encoding && length)
		return "Transfer-Encoding and Content-Length exclude each other";
	if (encoding && strcasecmp(encoding, "chunked") != 0)
		return "the only Transfer-Encoding is chunked";
	if (length && strchr(length, ','))
		return "more than one Content-Length";
	return NULL;
}

static enum MHD_Result take_header(void *head, enum MHD_ValueKind kind, const char *name,
				   size_t name_len, const char *value, size_t value_len)
{
	(void)kind;
	request_head_take(head, span_of(name, name_len), span_of(value, value_len));
	return MHD_YES;
}

static const char *head_fault(const struct request *request, const char *method,
			      const char *version)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct request_head head;

	MUST(info);
	request_head_start(&head, method, request->line_target, request->line_target_end, version,
			   info->header_size);
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, take_header, &head);
	return request_head_finish(&head);
}

void request_check_headers(struct request *request, const char *method, const char *version)
{
	const char *encoding = request_header(request, "Transfer-Encoding");
	const char *length = request_header(request, "Content-Length");
	const char *fault = head_fault(request, method, version);
	uint64_t announced =
		length ? strtoull(length, NULL, 10) : 0; /* MHD has checked the digits */
	struct outcome refusal;

	request->headers_seen = true;
	request->is_http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
	request->method = parse_method(method);
	if (!fault)
		fault = framing_fault(request, encoding, length);
	if (fault)
		refusal = outcome_refusal(400, "invalid_framing", "%s", fault);
	else if (announced > body_max(request))
		refusal = body_too_large(request);
	else if (!request_admit(request, &refusal)) {
		if (announced)
			buffer_reserve(&request->body,
				       announced < REQUEST_RESERVE ? announced : REQUEST_RESERVE);
		return;
	}
	/* Of a fault it is not known where the request ends. */
	request->body_unread = fault || encoding || announced;
	begin_handler(request);
	request_answer_problem(request, &refusal);
}

void request_take_body(struct request *request, struct span bytes)
{
	/* While others wait MHD cannot say that it has more to read. */
	if (request->http->waiting)
		request->http->run_soon = true;
	request->body_seen += bytes.len;
	if (!request->body_dropped && request->body_seen <= body_max(request)) {
		buffer_append_span(&request->body, bytes);
		return;
	}
	/* MHD takes no answer in the middle of a body, so the rest is read and forgotten; but not
	 * for ever. */
	request->body_dropped = true;
	buffer_fini(&request->body);
	if (request->body_seen / REQUEST_DROP_FACTOR > body_max(request))
		shutdown(request->client->fd, SHUT_RDWR);
}

void request_run(struct request *request)
{
	request->state = REQUEST_HANDLING;
	begin_handler(request);
	if (request->body_dropped) {
		struct outcome refusal = body_too_large(request);
		request_answer_problem(request, &refusal);
	} else {
		router_dispatch(request);
	}
	if (request->state == REQUEST_HANDLING)
		request_wait(request);
}

void request_meet_deadline(struct deadline *deadline)
{
	struct request *request = CONTAINER_OF(deadline, struct request, deadline);

	stat_add(request->http->worker->slot, STAT_requests_timed_out, 1);
	if (request->state == REQUEST_SUSPENDED || request->state == REQUEST_WAITING) {
		request_answer_timeout(request);
		return;
	}
	struct outcome refusal = outcome_refusal(
		408, "request_timeout", "the request was not complete within %lld ms",
		(long long)request->http->worker->config->limits_request_timeout_ms);
	request_answer_unread(request, &refusal);
}

/* --- what handlers ask ----------------------------------------------------- */

struct worker *request_worker(const struct request *request)
{
	return request->http->worker;
}

struct access_line *request_access_line(const struct request *request)
{
	return request->access;
}

bool request_take_tls(struct request *request, int mhd_fd, struct tls_taken *ret)
{
	if (!request->client->front)
		return false;
	tls_front_take(request->client->front, mhd_fd, ret);
	return true;
}

struct MHD_Connection *request_connection(const struct request *request)
{
	return request->connection;
}

enum http_method request_method(const struct request *request)
{
	return request->method == HTTP_HEAD ? HTTP_GET : request->method;
}

bool request_is_head(const struct request *request)
{
	return request->method == HTTP_HEAD;
}

bool request_changes_something(const struct request *request)
{
	return request->method & (HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE);
}

struct span request_body(const struct request *request)
{
	return buffer_span(&request->body);
}

struct span request_path_service(const struct request *request)
{
	return request->path_service;
}

struct span request_path_id(const struct request *request)
{
	return request->path_id;
}

struct span request_path_member(const struct request *request)
{
	return request->path_member;
}

const char *request_query(const struct request *request, const char *name)
{
	for (unsigned i = 0; i < request->target.parameter_count; i++)
		if (strcmp(request->target.parameters[i].name, name) == 0)
			return request->target.parameters[i].value;
	return NULL;
}

const char *request_query_next(const struct request *request, const char *name, unsigned *place)
{
	while (*place < request->target.parameter_count) {
		const struct target_parameter *parameter = &request->target.parameters[(*place)++];

		if (strcmp(parameter->name, name) == 0)
			return parameter->value;
	}
	return NULL;
}

int request_check_query(const struct request *request, const char *const *known,
			struct outcome *ret_fault)
{
	return request_check_query_repeated(request, known, "", ret_fault);
}

int request_check_query_repeated(const struct request *request, const char *const *known,
				 const char *repeated, struct outcome *ret_fault)
{
	for (unsigned i = 0; i < request->target.parameter_count; i++) {
		const char *name = request->target.parameters[i].name;
		const char *const *at = known;

		while (*at && strcmp(*at, name) != 0)
			at++;
		if (!*at) {
			*ret_fault = outcome_refusal(400, "invalid_query",
						     "unknown query parameter \"%.64s\"", name);
			return -EINVAL;
		}
		if (strcmp(name, repeated) != 0 &&
		    request_query(request, name) != request->target.parameters[i].value) {
			*ret_fault = outcome_refusal(400, "invalid_query", "\"%s\" is given twice",
						     name);
			return -EINVAL;
		}
	}
	return 0;
}

struct span request_host(const struct request *request)
{
	if (request->target.authority.len)
		return request->target.authority;
	return span_string(request_header(request, "Host"));
}

enum media_type request_media_type(const struct request *request)
{
	return media_type_parse(request_header(request, "Content-Type"));
}
