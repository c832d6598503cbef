/* fuzz_http_reply.c — any bytes as a server's answer: whole and in pieces they are the same answer,
 * and what is behind it stays unused. */
#include "http_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The first byte says how large the pieces are. Returns what ended it: 0, or the error. */
static int feed(struct http_reply *reply, struct span bytes, size_t piece, size_t *ret_used)
{
	int error = 0;
	*ret_used = 0;
	while (!error && *ret_used < bytes.len && reply->state != HTTP_REPLY_DONE) {
		size_t len = bytes.len - *ret_used < piece ? bytes.len - *ret_used : piece;
		size_t given = len;
		/* Memory of its own: a sanitizer sees what is touched beside it. */
		char *copy = malloc(len);
		memcpy(copy, bytes.at + *ret_used, len);
		error = http_reply_feed(reply, copy, &len);
		free(copy);
		MUST(len <= given);
		MUST(error || len == given || reply->state == HTTP_REPLY_DONE);
		*ret_used += len;
	}
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len < 1)
		return 0;
	struct span text = span_of((const char *)bytes + 1, len - 1);
	struct http_reply whole = {0}, cut = {0};
	size_t whole_used, cut_used;
	int whole_error = feed(&whole, text, text.len ? text.len : 1, &whole_used);
	int cut_error = feed(&cut, text, 1 + bytes[0] % 32, &cut_used);
	MUST(whole_error == cut_error);
	if (!whole_error) {
		MUST(whole_used == cut_used && whole.state == cut.state);
		MUST(whole.status == cut.status);
		MUST(span_equals(buffer_span(&whole.head), buffer_span(&cut.head)));
		MUST(span_equals(buffer_span(&whole.body), buffer_span(&cut.body)));
		struct span length = http_reply_header(&whole, "Content-Length");
		MUST(!length.at || (length.at >= whole.head.at &&
				    length.at + length.len <= whole.head.at + whole.head.len));
	}
	http_reply_reset(&whole);
	MUST(whole.state == HTTP_REPLY_HEAD && whole.body.len == 0);
	http_reply_fini(&whole);
	http_reply_fini(&cut);
	return 0;
}
