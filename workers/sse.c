#include "sse.h"

/* CR, LF and CRLF all end a line here. Between the lines the client puts LF, which in JSON is as
 * good as any of them: line breaks only stand between its tokens. `*after_cr`: the last byte so far
 * was a CR, whose LF may stand in the next part. */
static void append_lines(struct buffer *ret, const char *at, size_t len, bool *after_cr)
{
	if (!len)
		return;
	const char *end = at + len;

	while (at < end) {
		const char *from = at;

		if (*after_cr && *at == '\n')
			from = ++at;
		*after_cr = false;
		while (at < end && *at != '\r' && *at != '\n')
			at++;
		buffer_append(ret, from, (size_t)(at - from));
		if (at == end)
			return;
		*after_cr = *at++ == '\r';
		buffer_append_string(ret, "\ndata: ");
	}
}

static void append_id(struct buffer *ret, struct span id)
{
	if (!id.len)
		return;
	buffer_append_string(ret, "id: ");
	buffer_append_span(ret, id);
	buffer_append_char(ret, '\n');
}

void sse_append_event(struct buffer *ret, struct span id, const struct iovec *parts,
		      unsigned part_count)
{
	bool after_cr = false;

	append_id(ret, id);
	buffer_append_string(ret, "data: ");
	for (unsigned i = 0; i < part_count; i++)
		append_lines(ret, parts[i].iov_base, parts[i].iov_len, &after_cr);
	buffer_append_string(ret, "\n\n");
}

void sse_append_text(struct buffer *ret, struct span id, struct span json)
{
	struct iovec part = {(void *)json.at, json.len};

	sse_append_event(ret, id, &part, 1);
}

void sse_append_retry(struct buffer *ret, struct span id, unsigned ms)
{
	buffer_printf(ret, "retry: %u\n", ms);
	append_id(ret, id);
	buffer_append_char(ret, '\n');
}

void sse_append_comment(struct buffer *ret, struct span id, const char *comment)
{
	buffer_printf(ret, ": %s\n", comment);
	append_id(ret, id);
	buffer_append_char(ret, '\n');
}

void sse_strip_frame_header(struct iovec *parts)
{
	const unsigned char *frame = parts->iov_base;

	MUST(parts->iov_len >= 2);
	size_t header_len = frame[1] == 127 ? 10 : frame[1] == 126 ? 4 : 2;
	MUST(parts->iov_len >= header_len);
	parts->iov_base = (char *)parts->iov_base + header_len;
	parts->iov_len -= header_len;
}
