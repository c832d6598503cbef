#include "outcome.h"

#include "utf8.h"

#include <stdarg.h>

struct outcome outcome_refusal(int status, const char *code, const char *format, ...)
{
	struct outcome outcome = {.status = status, .code = code};
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(outcome.detail, sizeof(outcome.detail), format, arguments);
	va_end(arguments);

	/* What was cut in the middle of a character, or quoted from bad input, must not make the
	 * answer invalid. */
	size_t end = len < 0 ? 0 : strlen(outcome.detail);
	while (end && !utf8_is_valid(span_of(outcome.detail, end)))
		end--;
	outcome.detail[end] = '\0';
	return outcome;
}

struct outcome outcome_of_json_fault(int error, const struct json_fault *fault)
{
	const char *code = error == -EBADMSG ? "json_malformed"
			   : error == -E2BIG ? "json_too_deep"
					     : "json_not_representable";
	struct outcome outcome = outcome_refusal(error == -EBADMSG ? 400 : 422, code,
						 "%s at byte %zu", fault->reason, fault->offset);

	outcome.has_offset = true;
	outcome.offset = fault->offset;
	return outcome;
}

struct outcome outcome_of_unknown_member(const struct json *json, uint32_t name)
{
	return outcome_refusal(422, "unknown_member", "unknown member %.*s",
			       SPAN_ARGS(json_raw(json, name)));
}

static bool is_known(const struct json *json, uint32_t name, const char *const *known)
{
	while (*known && !json_string_equals(json, name, span_string(*known)))
		known++;
	return *known;
}

/* A typing error in a name must not be passed over in silence. */
int outcome_check_members(const struct json *json, uint32_t object, const char *const *known,
			  struct outcome *ret)
{
	for (uint32_t i = object + 1; i < json->tokens[object].next; i = json->tokens[i + 1].next)
		if (!is_known(json, i, known)) {
			*ret = outcome_of_unknown_member(json, i);
			return -EINVAL;
		}
	return 0;
}

struct outcome outcome_of_store_error(int error)
{
	struct outcome outcome;

	switch (error) {
	case -EAGAIN:
	case -ECANCELED:
	case -ETIMEDOUT:
		outcome = outcome_refusal(503, "redis_unavailable",
					  "Redis does not answer, or refuses; nothing was changed");
		outcome.retry_after_s = 1;
		return outcome;
	case -EBADMSG:
		return outcome_refusal(
			500, "stored_document_invalid",
			"what is stored under this key is not a document of syncdoc");
	default:
		return outcome_refusal(500, "internal_error",
				       "Redis refused the command; see the log");
	}
}

void outcome_conceal(struct outcome *outcome, struct buffer *memory)
{
	bool has_head = outcome->status < 400 && outcome->envelope.len &&
			!document_format_head(outcome->envelope, memory);

	outcome->envelope = has_head ? buffer_span(memory) : SPAN_NONE;
	outcome->text = NULL;
}

void outcome_append_members(struct buffer *ret, const struct outcome *outcome, bool with_document)
{
	if (outcome->has_current_revision) {
		buffer_append_string(ret, ",\"currentRevision\":");
		buffer_append_u64(ret, outcome->current_revision);
	}
	if (outcome->has_oldest_revision) {
		buffer_append_string(ret, ",\"oldestRevision\":");
		buffer_append_u64(ret, outcome->oldest_revision);
	}
	if (with_document && outcome->status >= 400 && outcome->envelope.len) {
		buffer_append_string(ret, ",\"document\":");
		buffer_append_span(ret, outcome->envelope);
	}
	if (outcome->has_failed_operation) {
		buffer_append_string(ret, ",\"failedOp\":");
		buffer_append_u64(ret, outcome->failed_operation);
	}
	if (outcome->has_offset) {
		buffer_append_string(ret, ",\"offset\":");
		buffer_append_u64(ret, outcome->offset);
	}
}
