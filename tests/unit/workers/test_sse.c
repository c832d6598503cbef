#include <criterion/criterion.h>

#include "sse.h"
#include "ws_frame.h"

TestSuite(sse, .timeout = 100);

static void expect_text(const struct buffer *text, const char *expected)
{
	cr_expect(span_equals(buffer_span(text), span_string(expected)), "%.*s instead of %s",
		  SPAN_ARGS(buffer_span(text)), expected);
}

/* `json` as one event, cut into parts of `step` bytes. */
static void expect_event(const char *id, const char *json, size_t step, const char *expected)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct iovec parts[64];
	unsigned count = 0;

	for (size_t at = 0, len = strlen(json); at < len; at += step) {
		cr_assert_lt(count, ARRAY_LEN(parts));
		parts[count++] =
			(struct iovec){(char *)json + at, len - at < step ? len - at : step};
	}
	sse_append_event(&text, span_string(id), parts, count);
	expect_text(&text, expected);
}

Test(sse, event_has_id_and_data_and_an_empty_line)
{
	expect_event("488d8a12-1", "{\"a\":1}", 64, "id: 488d8a12-1\ndata: {\"a\":1}\n\n");
}

Test(sse, without_a_position_there_is_no_id)
{
	expect_event("", "{}", 64, "data: {}\n\n");
}

Test(sse, each_kind_of_line_break_begins_a_new_data_line)
{
	expect_event("", "{\n}", 64, "data: {\ndata: }\n\n");
	expect_event("", "{\r}", 64, "data: {\ndata: }\n\n");
	expect_event("", "{\r\n}", 64, "data: {\ndata: }\n\n");
	expect_event("", "{\n\r}", 64, "data: {\ndata: \ndata: }\n\n");
	expect_event("", "{\n\n}", 64, "data: {\ndata: \ndata: }\n\n");
	expect_event("", "{\r\r\n}", 64, "data: {\ndata: \ndata: }\n\n");
}

Test(sse, break_at_the_end_cannot_end_the_event)
{
	expect_event("", "{}\n", 64, "data: {}\ndata: \n\n");
	expect_event("", "{}\r\n", 64, "data: {}\ndata: \n\n");
}

/* The segments of an event may meet between CR and LF. */
Test(sse, parts_may_be_cut_anywhere)
{
	const char *json = "{\r\n\"a\":\r1,\n\n\"b\":2\r\n}";
	const char *expected = "id: p-7\ndata: {\ndata: \"a\":\ndata: 1,\ndata: \ndata: "
			       "\"b\":2\ndata: }\n\n";

	for (size_t step = 1; step <= strlen(json); step++)
		expect_event("p-7", json, step, expected);
}

Test(sse, empty_parts_change_nothing)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	struct iovec parts[] = {{"{\r", 2}, {"", 0}, {"\n}", 2}, {NULL, 0}};

	sse_append_event(&text, SPAN_NONE, parts, ARRAY_LEN(parts));
	expect_text(&text, "data: {\ndata: }\n\n");
}

Test(sse, events_follow_each_other)
{
	CLEANUP(buffer_fini) struct buffer text = {0};

	sse_append_retry(&text, SPAN("p-0"), 1000);
	sse_append_text(&text, SPAN("p-1"), SPAN("[1]"));
	sse_append_comment(&text, SPAN("p-1"), "ping");
	sse_append_comment(&text, SPAN_NONE, "pong");
	sse_append_text(&text, SPAN("p-2"), SPAN("[2]"));
	expect_text(&text, "retry: 1000\nid: p-0\n\nid: p-1\ndata: [1]\n\n: ping\nid: p-1\n\n: "
			   "pong\n\nid: p-2\ndata: [2]\n\n");
}

static void expect_stripped(size_t payload_len)
{
	CLEANUP(buffer_fini) struct buffer payload = {0}, frame = {0};

	for (size_t i = 0; i < payload_len; i++)
		buffer_append_char(&payload, (char)('a' + i % 26));
	ws_frame_append(&frame, WS_TEXT, buffer_span(&payload));
	struct iovec part = {frame.at, frame.len};
	sse_strip_frame_header(&part);
	cr_expect(span_equals(span_of(part.iov_base, part.iov_len), buffer_span(&payload)),
		  "%zu bytes", payload_len);
}

Test(sse, what_is_left_of_a_frame_is_its_text)
{
	static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 200000};

	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		expect_stripped(lens[i]);
}
