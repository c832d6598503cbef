/* operations_members.c — what bodies and WebSocket messages say of a write: the members that both
 * have. */
#include "operations_private.h"

#define TTL_MAX_S 31536000

int operations_check_expiry(const struct write_request *request, struct outcome *ret)
{
	int64_t now_ms = worker_now_ms();

	if (request->expiry == EXPIRY_TTL &&
	    (request->expiry_value < 1 || request->expiry_value > TTL_MAX_S)) {
		*ret = outcome_refusal(400, "invalid_member", "\"ttl\" must be 1 to %d seconds",
				       TTL_MAX_S);
		return -EINVAL;
	}
	if (request->expiry == EXPIRY_AT &&
	    (request->expiry_value <= now_ms ||
	     request->expiry_value > now_ms + TTL_MAX_S * INT64_C(1000))) {
		*ret = outcome_refusal(
			400, "invalid_member",
			"\"expiresAt\" must be Unix milliseconds after now and within a year");
		return -EINVAL;
	}
	return 0;
}

static int read_expiry(const struct json *doc, uint32_t value, bool is_ttl,
		       struct write_request *ret, struct outcome *ret_fault)
{
	if (ret->expiry != EXPIRY_UNCHANGED) {
		*ret_fault = outcome_refusal(400, "invalid_member",
					     "\"ttl\" and \"expiresAt\" exclude each other");
		return -EINVAL;
	}
	if (doc->tokens[value].type == JSON_NULL) {
		ret->expiry = EXPIRY_REMOVED;
		return 0;
	}
	if (json_int64(doc, value, &ret->expiry_value)) {
		*ret_fault =
			outcome_refusal(400, "invalid_member", "\"%s\" must be an integer or null",
					is_ttl ? "ttl" : "expiresAt");
		return -EINVAL;
	}
	ret->expiry = is_ttl ? EXPIRY_TTL : EXPIRY_AT;
	return operations_check_expiry(ret, ret_fault);
}

static int read_expected_revision(const struct json *doc, uint32_t value, struct write_request *ret,
				  struct outcome *ret_fault)
{
	if (json_int64(doc, value, &ret->expected_revision) || ret->expected_revision < 0) {
		*ret_fault = outcome_refusal(400, "invalid_member",
					     "\"expectedRevision\" must be an integer from 0 on");
		return -EINVAL;
	}
	ret->has_expected_revision = true;
	return 0;
}

static int read_member(const struct json *doc, uint32_t name, const char *const *others,
		       struct write_request *ret, struct outcome *ret_fault)
{
	uint32_t value = name + 1;

	if (json_string_equals(doc, name, SPAN("data"))) {
		ret->data = json_raw(doc, value);
		return 0;
	}
	if (json_string_equals(doc, name, SPAN("expectedRevision")))
		return read_expected_revision(doc, value, ret, ret_fault);
	if (json_string_equals(doc, name, SPAN("ttl")))
		return read_expiry(doc, value, true, ret, ret_fault);
	if (json_string_equals(doc, name, SPAN("expiresAt")))
		return read_expiry(doc, value, false, ret, ret_fault);
	for (; *others; others++)
		if (json_string_equals(doc, name, span_string(*others)))
			return 0;
	*ret_fault = outcome_of_unknown_member(doc, name);
	return -EINVAL;
}

int operations_parse_members(const struct json *doc, uint32_t object, const char *const *others,
			     bool data_needed, struct write_request *ret, struct outcome *ret_fault)
{
	if (doc->tokens[object].type != JSON_OBJECT) {
		*ret_fault =
			outcome_refusal(422, "body_not_object", "the body must be a JSON object");
		return -EINVAL;
	}
	for (uint32_t i = object + 1; i < doc->tokens[object].next; i = doc->tokens[i + 1].next)
		if (read_member(doc, i, others, ret, ret_fault))
			return -EINVAL;
	if (data_needed && !ret->data.len) {
		*ret_fault = outcome_refusal(422, "data_missing", "\"data\" is missing");
		return -EINVAL;
	}
	return 0;
}
