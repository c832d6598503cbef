/* Answers of a server, cut anywhere. */
#include "http_reply.h"

#include <criterion/criterion.h>

TestSuite(http_reply, .timeout = 100);

/* Feeds pieces of `piece` bytes; *ret_used: how many were taken in all. */
static int feed(struct http_reply *reply, struct span bytes, size_t piece, size_t *ret_used)
{
	*ret_used = 0;
	while (*ret_used < bytes.len && reply->state != HTTP_REPLY_DONE) {
		size_t len = bytes.len - *ret_used < piece ? bytes.len - *ret_used : piece;
		char *copy = malloc(len);
		memcpy(copy, bytes.at + *ret_used, len);
		int error = http_reply_feed(reply, copy, &len);
		free(copy);
		*ret_used += len;
		if (error)
			return error;
	}
	return 0;
}

static void assert_body(struct span bytes, size_t answer_len, int status, const char *body)
{
	for (size_t piece = 1; piece <= bytes.len; piece++) {
		struct http_reply reply = {0};
		size_t used;
		cr_assert_eq(feed(&reply, bytes, piece, &used), 0, "pieces of %zu", piece);
		cr_assert_eq(used, answer_len, "pieces of %zu: %zu", piece, used);
		cr_assert_eq(http_reply_end(&reply), 0);
		cr_assert_eq(reply.status, status);
		cr_assert(span_equals(buffer_span(&reply.body), span_string(body)));
		http_reply_fini(&reply);
	}
}

Test(http_reply, with_a_length_ends_there_and_leaves_what_follows)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 ";
	assert_body(SPAN(text), sizeof(text) - 1 - 9, 200, "hello");
}

Test(http_reply, in_chunks_with_extensions_and_trailers)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "5;x=y\r\nhello\r\nA\r\n, world!!!\r\n0\r\nX-T: 1\r\n\r\n";
	assert_body(SPAN(text), sizeof(text) - 1, 200, "hello, world!!!");
}

Test(http_reply, without_a_length_ends_with_the_connection)
{
	static const char text[] = "HTTP/1.0 200 OK\nX: y\n\nall of it";
	assert_body(SPAN(text), sizeof(text) - 1, 200, "all of it");
}

Test(http_reply, some_have_no_body)
{
	static const char none[] = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
	static const char empty[] = "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n";
	assert_body(SPAN(none), sizeof(none) - 1, 304, "");
	assert_body(SPAN(empty), sizeof(empty) - 1, 200, "");
}

Test(http_reply, a_provisional_one_is_passed_over_and_an_upgrade_is_done)
{
	static const char text[] =
		"HTTP/1.1 100 Continue\r\n\r\n"
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81";
	assert_body(SPAN(text), sizeof(text) - 2, 101, "");
}

Test(http_reply, headers_are_found_in_any_case_and_trimmed)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nX-One:  a b \t\r\nx-two:\r\n\r\n";
	struct http_reply reply = {0};
	size_t len = sizeof(text) - 1;
	cr_assert_eq(http_reply_feed(&reply, text, &len), 0);
	cr_assert(span_equals(http_reply_header(&reply, "x-one"), SPAN("a b")));
	cr_assert_not_null(http_reply_header(&reply, "X-Two").at);
	cr_assert_eq(http_reply_header(&reply, "X-Two").len, 0);
	cr_assert_null(http_reply_header(&reply, "X").at);
	http_reply_fini(&reply);
}

Test(http_reply, what_is_no_http_or_too_large_is_refused)
{
	static const struct {
		const char *text;
		int error;
	} wrong[] = {
		{"SSH-2.0-OpenSSH_9.2\r\n", -EBADMSG},
		{"HTTP/2 200\r\n", -EBADMSG},
		{"HTTP/1.1 20\r\n", -EBADMSG},
		{"HTTP/1.1 2000\r\n", -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", -EMSGSIZE},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EBADMSG},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", -EBADMSG},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", -EMSGSIZE},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", -EBADMSG},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct http_reply reply = {0};
		size_t used;
		cr_assert_eq(feed(&reply, span_string(wrong[i].text), 3, &used), wrong[i].error,
			     "%s", wrong[i].text);
		http_reply_fini(&reply);
	}
	struct http_reply reply = {0};
	char *long_line = calloc(1, HTTP_HEAD_MAX + 1);
	memset(long_line, 'x', HTTP_HEAD_MAX + 1);
	size_t used;
	cr_assert_eq(feed(&reply, span_of(long_line, HTTP_HEAD_MAX + 1), 4096, &used), -EMSGSIZE);
	free(long_line);
	http_reply_fini(&reply);
}

Test(http_reply, cut_off_is_said)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
	for (size_t len = 0; len < sizeof(text); len++) {
		struct http_reply reply = {0};
		size_t used;
		cr_assert_eq(feed(&reply, span_of(text, len < sizeof(text) - 1 ? len : len - 1), 7,
				  &used),
			     0);
		cr_assert_eq(http_reply_end(&reply), -EPIPE);
		http_reply_fini(&reply);
	}
}
