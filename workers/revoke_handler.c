/* revoke_handler.c — POST /v1/auth/revoke. */
#include "control.h"
#include "handlers.h"
#include "http.h"
#include "json.h"
#include "revocations.h"
#include "store_control.h"

struct revoking {
	struct request *request; /* borrowed: until it is answered */
	struct buffer name;
	int64_t issued_before_ms;
};

static void revoking_free(struct revoking *revoking)
{
	buffer_fini(&revoking->name);
	free(revoking);
}

static int refuse(struct outcome *ret, const char *detail)
{
	*ret = outcome_refusal(422, "invalid_revocation", "%s", detail);
	return -EINVAL;
}

static int read_name(const struct json *json, struct buffer *ret, struct outcome *ret_fault)
{
	uint32_t sub = json_member(json, 0, SPAN("sub"));
	uint32_t token_id = json_member(json, 0, SPAN("jti"));

	if (!sub == !token_id)
		return refuse(ret_fault, "either \"sub\" or \"jti\" must be given");
	buffer_append_string(ret, sub ? "sub:" : "jti:");
	if (json_string(json, sub ? sub : token_id, ret) || ret->len <= 4 ||
	    ret->len > 4 + REVOCATION_NAME_MAX)
		return refuse(ret_fault, "\"sub\" and \"jti\" are strings of 1 to 512 bytes");
	return 0;
}

/* In the future: whoever is to get no token that is good until then. */
static int read_time(const struct json *json, int64_t *ret, struct outcome *ret_fault)
{
	uint32_t value = json_member(json, 0, SPAN("issuedBefore"));
	int64_t now_ms = worker_now_ms();

	*ret = now_ms;
	if (!value || json->tokens[value].type == JSON_NULL)
		return 0;
	if (json_int64(json, value, ret) || *ret <= now_ms - STORE_REVOKED_KEPT_MS ||
	    *ret > now_ms + STORE_REVOKED_KEPT_MS)
		return refuse(ret_fault, "\"issuedBefore\" is a time in Unix milliseconds, at most "
					 "a year from now");
	return 0;
}

static int read_members(const struct json *json, struct revoking *ret, struct outcome *ret_fault)
{
	static const char *const known[] = {"sub", "jti", "issuedBefore", NULL};

	if (json->tokens[0].type != JSON_OBJECT) {
		*ret_fault =
			outcome_refusal(422, "body_not_object", "the body must be a JSON object");
		return -EINVAL;
	}
	if (outcome_check_members(json, 0, known, ret_fault) ||
	    read_name(json, &ret->name, ret_fault))
		return -EINVAL;
	return read_time(json, &ret->issued_before_ms, ret_fault);
}

static int read_body(const struct request *request, struct revoking *ret, struct outcome *ret_fault)
{
	static const char *const known[] = {NULL};
	struct json json = {0};
	struct json_fault fault;

	if (request_check_query(request, known, ret_fault))
		return -EINVAL;
	int error = json_parse(&json, request_body(request), 2, &fault);
	if (error)
		*ret_fault = outcome_of_json_fault(error, &fault);
	else
		error = read_members(&json, ret, ret_fault);
	json_fini(&json);
	return error;
}

static struct outcome outcome_of_error(struct worker *worker, int error)
{
	if (error == -ENOSPC) {
		stat_add(worker->slot, STAT_revocations_full, 1);
		return outcome_refusal(507, "too_many_revocations",
				       "%d are kept already; change the signing key instead",
				       STORE_REVOKED_MAX);
	}
	if (error == -ETIMEDOUT)
		return outcome_refusal(503, "outcome_unknown",
				       "Redis did not answer; revoke once more to be sure");
	return outcome_of_store_error(error);
}

static void on_revoked(int error, void *arg)
{
	struct revoking *revoking = arg;
	struct worker *worker = request_worker(revoking->request);

	if (error) {
		struct outcome refusal = outcome_of_error(worker, error);
		request_answer_problem(revoking->request, &refusal);
	} else {
		/* The asker's next request may come before the message. */
		revocations_add(worker->revocations, buffer_span(&revoking->name),
				revoking->issued_before_ms);
		request_answer(revoking->request, 204, NULL, SPAN_NONE);
	}
	revoking_free(revoking);
}

void revoke_handle(struct request *request)
{
	CLEANUP(buffer_fini) struct buffer message = {0};
	struct revoking *revoking = calloc(1, sizeof(*revoking));
	struct outcome refusal;

	MUST(revoking);
	revoking->request = request;
	if (read_body(request, revoking, &refusal)) {
		request_answer_problem(request, &refusal);
		revoking_free(revoking);
		return;
	}
	struct span name = buffer_span(&revoking->name);
	control_format_revoked(&message, name, revoking->issued_before_ms);
	store_revoke(request_worker(request)->store, name, revoking->issued_before_ms,
		     worker_now_ms(), buffer_span(&message), on_revoked, revoking);
}
