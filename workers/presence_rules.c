/* presence_rules.c — what clients may say about presence, and how refusals read; the same for REST
 * and WebSocket. */
#include "presence.h"

#include "json.h"
#include "store_presence.h"

int presence_check_names(struct span service, struct span id, struct outcome *ret_refusal)
{
	if (!document_service_is_valid(service)) {
		*ret_refusal = outcome_refusal(400, "invalid_service",
					       "a service name is 1 to %d of [A-Za-z0-9_-]",
					       DOCUMENT_SERVICE_MAX);
		return -EINVAL;
	}
	if (!document_id_is_valid(id)) {
		*ret_refusal = outcome_refusal(400, "invalid_id",
					       "a document id is 1 to %d of [A-Za-z0-9_.:@-]",
					       DOCUMENT_ID_MAX);
		return -EINVAL;
	}
	return 0;
}

static int parse_mode(const struct json *json, uint32_t value, struct span *ret,
		      struct outcome *ret_refusal)
{
	static const struct span modes[] = {SPAN("viewing"), SPAN("editing")};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (json_string_equals(json, value, modes[i])) {
			*ret = modes[i];
			return 0;
		}
	*ret_refusal = outcome_refusal(422, "invalid_member",
				       "\"mode\" must be \"viewing\" or \"editing\"");
	return -EINVAL;
}

int presence_parse_members(const struct json *json, uint32_t object, const char *const *known,
			   struct span *ret_mode, struct span *ret_data,
			   struct outcome *ret_refusal)
{
	uint32_t mode = json_member(json, object, SPAN("mode"));
	uint32_t data = json_member(json, object, SPAN("data"));

	*ret_mode = *ret_data = SPAN_NONE;
	if (outcome_check_members(json, object, known, ret_refusal))
		return -EINVAL;
	if (mode && parse_mode(json, mode, ret_mode, ret_refusal))
		return -EINVAL;
	if (!data)
		return 0;
	if (json->tokens[data].type != JSON_OBJECT) {
		*ret_refusal =
			outcome_refusal(422, "data_not_object", "\"data\" must be a JSON object");
		return -EINVAL;
	}
	*ret_data = json_raw(json, data);
	if (ret_data->len > PRESENCE_DATA_MAX) {
		*ret_refusal = outcome_refusal(413, "presence_too_large",
					       "\"data\" is %zu bytes, of presence it may be %d",
					       ret_data->len, PRESENCE_DATA_MAX);
		return -EINVAL;
	}
	return 0;
}

struct outcome presence_outcome_of_error(int error)
{
	struct outcome outcome;

	switch (error) {
	case -ESTALE: /* our supervisor has not told Redis of us yet, or another one has declared us
			 dead */
		outcome = outcome_refusal(
			503, "redis_unavailable",
			"this worker is not known in Redis at the moment; nothing was changed");
		outcome.retry_after_s = 1;
		return outcome;
	case -ETIMEDOUT:
		outcome = outcome_refusal(503, "outcome_unknown",
					  "Redis did not answer; the change may or may not be seen "
					  "by others for a moment");
		outcome.retry_after_s = 1;
		return outcome;
	case -EEXIST:
		return outcome_refusal(409, "presence_member_taken",
				       "this member is a WebSocket connection's or another user's");
	case -ENOSPC:
		return outcome_refusal(403, "presence_full",
				       "a document may have %d connections present at most",
				       STORE_PRESENCE_MEMBERS_MAX);
	default:
		return outcome_of_store_error(error);
	}
}

void presence_format_head(struct buffer *ret, struct span service, struct span id, uint64_t count)
{
	/* Names need no escapes. */
	buffer_append_string(ret, "{\"service\":\"");
	buffer_append_span(ret, service);
	buffer_append_string(ret, "\",\"documentId\":\"");
	buffer_append_span(ret, id);
	buffer_append_string(ret, "\",\"count\":");
	buffer_append_u64(ret, count);
}
