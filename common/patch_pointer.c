/* patch_pointer.c — JSON Pointer (RFC 6901) taken apart. */
#include "patch_pointer.h"

/* One segment: from behind its `/` up to the next one. Returns its length; SIZE_MAX: a bad `~`. */
static size_t segment_parse(struct buffer *segments, const char *at, size_t left)
{
	size_t i = 0;

	for (; i < left && at[i] != '/'; i++) {
		char c = at[i];
		if (c == '~') {
			if (++i == left || (at[i] != '0' && at[i] != '1'))
				return SIZE_MAX;
			c = at[i] == '0' ? '~' : '/';
		}
		buffer_append_char(segments, c);
	}
	buffer_append_char(segments, '\0');
	return i;
}

int patch_pointer_parse(struct patch_pointer *ret, const struct json *doc, uint32_t token,
			const char **ret_reason)
{
	ret->text.len = 0;
	json_path_clear(&ret->path);
	*ret_reason = "is no string";
	if (json_string(doc, token, &ret->text))
		return -EINVAL;

	const char *text = ret->text.at;
	size_t len = ret->text.len;
	*ret_reason = "has a NUL, which no member name can have";
	if (len && memchr(text, '\0', len))
		return -EINVAL;
	*ret_reason = "must be empty or begin with \"/\"";
	if (len && text[0] != '/')
		return -EINVAL;
	*ret_reason = "has a \"~\" without 0 or 1 behind it";
	for (size_t i = 0; i < len;) {
		size_t segment = segment_parse(&ret->path.segments, text + i + 1, len - i - 1);
		if (segment == SIZE_MAX)
			return -EINVAL;
		ret->path.count++;
		i += 1 + segment;
	}
	return 0;
}

void patch_pointer_fini(struct patch_pointer *pointer)
{
	buffer_fini(&pointer->text);
	json_path_fini(&pointer->path);
}

bool patch_pointer_is_inside(const struct patch_pointer *inner, const struct patch_pointer *outer)
{
	/* Each segment ends with its NUL, so a common beginning ends between two of them. */
	return inner->path.count > outer->path.count &&
	       span_starts_with(buffer_span(&inner->path.segments),
				buffer_span(&outer->path.segments));
}
