/* diff_form.c — see diff_form.h. Only `removed` differs: the paths without their values. */
#include "diff_form.h"

static bool is_object(const struct json *doc, uint32_t token)
{
	return token && doc->tokens[token].type == JSON_OBJECT;
}

int diff_client_form(const struct json *reversible, struct buffer *ret)
{
	const struct json_token *tokens = reversible->tokens;
	uint32_t added = json_member(reversible, 0, SPAN("added"));
	uint32_t removed = json_member(reversible, 0, SPAN("removed"));
	uint32_t changed = json_member(reversible, 0, SPAN("changed"));
	if (tokens[0].count != 3 || !is_object(reversible, added) ||
	    !is_object(reversible, removed) || !is_object(reversible, changed))
		return -EINVAL;
	buffer_append_string(ret, "{\"added\":");
	buffer_append_span(ret, json_raw(reversible, added));
	buffer_append_string(ret, ",\"removed\":[");
	for (uint32_t i = removed + 1; i < tokens[removed].next; i = tokens[i + 1].next) {
		if (i > removed + 1)
			buffer_append_char(ret, ',');
		buffer_append_span(ret, json_raw(reversible, i));
	}
	buffer_append_string(ret, "],\"changed\":");
	buffer_append_span(ret, json_raw(reversible, changed));
	buffer_append_char(ret, '}');
	return 0;
}
