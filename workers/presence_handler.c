/* presence_handler.c — …/documents/{id}/presence[/{member}]: who is there, and presence of clients
 * without a socket, which lives by its time. */
#include "handlers.h"

#include "http.h"
#include "json.h"
#include "media_type.h"
#include "presence.h"
#include "principal.h"
#include "store_presence.h"

#define TTL_DEFAULT_S 30
#define TTL_MAX_S 86400

/* Names are copied: at the request's deadline it is answered over our head and may be gone. */
struct pending_presence {
	struct request *request;
	size_t service_len, id_len;
	char names[DOCUMENT_SERVICE_MAX + DOCUMENT_ID_MAX];
};

static struct pending_presence *pending_create(struct request *request)
{
	struct pending_presence *pending = malloc(sizeof(*pending));
	struct span service = request_path_service(request), id = request_path_id(request);

	MUST(pending);
	pending->request = request;
	pending->service_len = service.len;
	pending->id_len = id.len;
	memcpy(pending->names, service.at, service.len);
	memcpy(pending->names + service.len, id.at, id.len);
	return pending;
}

static void format_head(struct buffer *ret, const struct pending_presence *pending, uint64_t users)
{
	presence_format_head(ret, span_of(pending->names, pending->service_len),
			     span_of(pending->names + pending->service_len, pending->id_len),
			     users);
}

static void answer_error(struct pending_presence *pending, int error)
{
	struct outcome outcome = presence_outcome_of_error(error);

	request_answer_problem(pending->request, &outcome);
	free(pending);
}

static void answer_not_found(struct pending_presence *pending)
{
	struct outcome outcome =
		outcome_refusal(404, "presence_not_found", "there is no such member");

	request_answer_problem(pending->request, &outcome);
	free(pending);
}

static void answer_body(struct pending_presence *pending, int status, const char *name,
			struct span value, uint64_t users)
{
	struct buffer body = {0};

	format_head(&body, pending, users);
	buffer_printf(&body, ",\"%s\":", name);
	buffer_append_span(&body, value);
	buffer_append_char(&body, '}');
	request_answer_owned(pending->request, status, MEDIA_JSON, &body);
	free(pending);
}

static void on_listed(int error, struct span members, uint64_t users, void *arg)
{
	if (error)
		answer_error(arg, error);
	else
		answer_body(arg, 200, "members", members, users);
}

static void on_read(int error, const struct store_presence_result *result, void *arg)
{
	if (error)
		answer_error(arg, error);
	else if (!result->member.len)
		answer_not_found(arg);
	else
		answer_body(arg, 200, "member", result->member, result->users);
}

static void on_put(int error, const struct store_presence_result *result, void *arg)
{
	if (error)
		answer_error(arg, error);
	else
		answer_body(arg, result->is_new ? 201 : 200, "member", result->member,
			    result->users);
}

static void on_left(int error, const struct store_presence_result *result, void *arg)
{
	struct pending_presence *pending = arg;

	if (error) {
		answer_error(pending, error);
	} else if (!result->is_new) {
		answer_not_found(pending);
	} else {
		request_answer(pending->request, 204, NULL, SPAN_NONE);
		free(pending);
	}
}

static int check_query(const struct request *request, struct outcome *fault)
{
	static const char *const none[] = {NULL};

	return request_check_query(request, none, fault);
}

/* One process, one thread, and no handler runs inside another. */
static struct json *scratch(void)
{
	static struct json json;

	return &json;
}

static int read_ttl(const struct json *json, int64_t *ret_ms, struct outcome *fault)
{
	uint32_t value = json_member(json, 0, SPAN("ttl"));
	int64_t seconds = TTL_DEFAULT_S;

	if (value && (json_int64(json, value, &seconds) || seconds < 1 || seconds > TTL_MAX_S)) {
		*fault = outcome_refusal(400, "invalid_member", "\"ttl\" must be 1 to %d seconds",
					 TTL_MAX_S);
		return -EINVAL;
	}
	*ret_ms = seconds * 1000;
	return 0;
}

static int read_body(const struct request *request, struct store_presence *ret,
		     struct outcome *fault)
{
	static const char *const known[] = {"mode", "data", "ttl", NULL};
	struct json *json = scratch();
	struct json_fault where;
	struct span body = request_body(request).len ? request_body(request) : SPAN("{}");
	int error = json_parse(json, body, request_worker(request)->config->documents_max_depth + 1,
			       &where);

	if (error) {
		*fault = outcome_of_json_fault(error, &where);
		return error;
	}
	if (json->tokens[0].type != JSON_OBJECT) {
		*fault = outcome_refusal(422, "body_not_object", "the body must be a JSON object");
		return -EINVAL;
	}
	if (presence_parse_members(json, 0, known, &ret->mode, &ret->data, fault))
		return -EINVAL;
	return read_ttl(json, &ret->ttl_ms, fault);
}

static struct store_presence command_of(struct request *request)
{
	struct span member = request_path_member(request);
	struct span user = principal_user(request_principal(request));

	return (struct store_presence){
		.service = request_path_service(request),
		.id = request_path_id(request),
		.run_id = presence_run_id(request_worker(request)->presence),
		.member = member,
		.user = user.len ? user : member, /* without auth each member is one of its own */
		.quiet = true,
	};
}

static int put_member(struct request *request, struct outcome *fault)
{
	struct store_presence command = command_of(request);

	if (check_query(request, fault) || read_body(request, &command, fault))
		return -EINVAL;
	store_presence_put(request_worker(request)->store, &command, on_put,
			   pending_create(request));
	return 0;
}

static int delete_member(struct request *request, struct outcome *fault)
{
	struct store_presence command = command_of(request);

	if (check_query(request, fault))
		return -EINVAL;
	store_presence_leave(request_worker(request)->store, &command, true, on_left,
			     pending_create(request));
	return 0;
}

static int read_member(struct request *request, struct outcome *fault)
{
	if (check_query(request, fault))
		return -EINVAL;
	store_presence_read(request_worker(request)->store, request_path_service(request),
			    request_path_id(request), request_path_member(request), on_read,
			    pending_create(request));
	return 0;
}

void presence_handle_member(struct request *request)
{
	enum http_method method = request_method(request);
	struct outcome fault;
	int error = method == HTTP_PUT      ? put_member(request, &fault)
		    : method == HTTP_DELETE ? delete_member(request, &fault)
					    : read_member(request, &fault);

	if (error)
		request_answer_problem(request, &fault);
}

void presence_handle_list(struct request *request)
{
	struct outcome fault;

	if (check_query(request, &fault))
		request_answer_problem(request, &fault);
	else
		store_presence_list(request_worker(request)->store, request_path_service(request),
				    request_path_id(request), on_listed, pending_create(request));
}
