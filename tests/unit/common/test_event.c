#include "event_sample.h"

TestSuite(event, .timeout = 30);

/* `text` with the first `from` in it replaced. */
static struct span replaced(struct buffer *buffer, const char *text, const char *from,
			    const char *to)
{
	const char *at = strstr(text, from);
	cr_assert_not_null(at, "no %s", from);
	buffer->len = 0;
	buffer_append(buffer, text, at - text);
	buffer_append_string(buffer, to);
	buffer_append_string(buffer, at + strlen(from));
	return buffer_span(buffer);
}

Test(event, format_writes_members_in_the_order_of_the_contract)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	event_format(&buffer, &sample);
	assert_span(buffer_span(&buffer), TEXT);
}

Test(event, format_leaves_out_what_is_unknown_and_says_deleted)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct event event = sample;
	event.name = TOPIC_DELETED;
	event.by = event.connection_id = SPAN_NONE;
	event.deleted = true;
	event_format(&buffer, &event);
	assert_span(buffer_span(&buffer),
		    "{\"type\":\"event\",\"topic\":\"sync.session.deleted\",\"source\":\"sync\","
		    "\"timestamp\":1700000000123,\"payload\":{\"service\":\"session\","
		    "\"documentId\":\"doc_1\",\"revision\":7,\"deleted\":true" DATA DIFF "}}");
}

Test(event, parse_finds_the_borders)
{
	struct event_segments segments;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	cr_assert_eq(segments.name, TOPIC_UPDATED);
	assert_span(segments.service, "session");
	assert_span(segments.id, "doc_1");
	cr_assert_eq(segments.revision, 7);
	cr_assert_eq(segments.timestamp_ms, 1700000000123);
	assert_span(segments.before_position, BEFORE);
	assert_span(segments.after_position, AFTER);
	assert_span(segments.data, DATA);
	assert_span(segments.diff, DIFF);
}

Test(event, every_text_that_format_makes_is_parsed_again)
{
	static const enum topic_event names[] = {TOPIC_CREATED, TOPIC_UPDATED, TOPIC_DELETED,
						 TOPIC_EXPIRED};
	static const struct span users[] = {SPAN_NONE, SPAN("u"), SPAN("\"\\\n\x01\x7f"),
					    SPAN("\xf0\x9f\x98\x80")};
	for (unsigned i = 0; i < 4 * 4 * 4; i++) {
		CLEANUP(buffer_fini) struct buffer buffer = {0};
		struct event_segments segments;
		struct event event = sample;
		event.name = names[i % 4];
		event.by = users[i / 4 % 4];
		event.connection_id = users[i / 16];
		event.deleted = i & 2;
		event.revision = i & 1 ? UINT64_MAX : 1;
		event.timestamp_ms = i & 1 ? INT64_MAX : 0;
		event_format(&buffer, &event);
		cr_assert_eq(parse(buffer_span(&buffer), &segments), 0, "%.*s",
			     SPAN_ARGS(buffer_span(&buffer)));
		cr_assert_eq(segments.name, event.name);
		cr_assert_eq(segments.revision, event.revision);
		cr_assert_eq(segments.timestamp_ms, event.timestamp_ms);
		cr_assert(span_equals(span_of(segments.data.at + 8, segments.data.len - 8),
				      event.data));
		cr_assert(span_equals(span_of(segments.diff.at + 8, segments.diff.len - 8),
				      event.diff));
		/* Put together again the segments are the text. */
		cr_assert_eq(segments.before_position.at, buffer.at);
		cr_assert_eq(segments.before_position.at + segments.before_position.len,
			     segments.after_position.at);
		cr_assert_eq(segments.after_position.at + segments.after_position.len,
			     segments.data.at);
		cr_assert_eq(segments.data.at + segments.data.len, segments.diff.at);
		cr_assert_eq(segments.diff.at + segments.diff.len + 2, buffer.at + buffer.len);
	}
}

Test(event, white_space_inside_data_is_the_clients_and_stays)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct event_segments segments;
	struct span text = replaced(&buffer, TEXT, "{\"a\":[1,{\"b\":null}]}", "{ \"a\" :\n1 }");
	cr_assert_eq(parse(text, &segments), 0);
	assert_span(segments.data, ",\"data\":{ \"a\" :\n1 }");
}

Test(event, borders_are_not_fooled_by_data_that_looks_like_them)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct event_segments segments;
	struct span text =
		replaced(&buffer, TEXT, "{\"a\":[1,{\"b\":null}]}",
			 "{\"x\":\",\\\"diff\\\":{\",\"data\":{},\"diff\":{},\"\":\"}}\"}");
	cr_assert_eq(parse(text, &segments), 0);
	assert_span(segments.data, ",\"data\":{\"x\":\",\\\"diff\\\":{\",\"data\":{},\"diff\":{},"
				   "\"\":\"}}\"}");
	assert_span(segments.diff, DIFF);
}

Test(event, parse_refuses_every_other_form)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"\"event\"", "\"Event\""},
		{"\"event\"", "\"resync\""},
		{"\"event\"", "7"},
		{"\"event\"", "\"e\\u0076ent\""},
		{"\"type\"", "\"t\\u0079pe\""},
		{"\"type\":\"event\",", ""},
		{"\"type\":\"event\",", "\"type\":\"event\",\"type\":\"event\","},
		{"\"type\":\"event\",", "\"extra\":1,\"type\":\"event\","},
		{"{\"type\"", " {\"type\""},
		{"{\"type\"", "{ \"type\""},
		{"\"type\":", "\"type\": "},
		{"\"type\":", "\"type\" :"},
		{",\"topic\"", " ,\"topic\""},
		{",\"topic\"", ", \"topic\""},
		{"sync.session.updated", "sync.session.presence"},
		{"sync.session.updated", "sync.session.*"},
		{"sync.session.updated", "sync.*.updated"},
		{"sync.session.updated", "sync.board.updated"},
		{"sync.session.updated", "sync.sessio.updated"},
		{"sync.session.updated", "sync.session.changed"},
		{"sync.session.updated", "sync.session"},
		{"\"sync.session.updated\"", "null"},
		{"\"source\":\"sync\"", "\"source\":\"other\""},
		{"\"source\":\"sync\"", "\"source\":1"},
		{"\"source\":\"sync\",", ""},
		{"1700000000123", "-1"},
		{"1700000000123", "-0"},
		{"1700000000123", "1.0"},
		{"1700000000123", "1e3"},
		{"1700000000123", "9223372036854775808"},
		{"1700000000123", "\"1700000000123\""},
		{"1700000000123", "null"},
		{"1700000000123", "1 "},
		{"1700000000123", "1,\"position\":\"x-1\""},
		{"\"payload\":{", "\"payload\": {"},
		{"\"payload\":{", "\"payload\":{ "},
		{"\"payload\":{", "\"payload\":{\"extra\":1,"},
		{"\"payload\":{", "\"payload\":[{"},
		{"\"service\":\"session\"", "\"service\":\"board\""},
		{"\"service\":\"session\"", "\"service\":\"\""},
		{"\"service\":\"session\"", "\"service\":1"},
		{"\"service\":\"session\",", ""},
		{"\"service\":\"session\",\"documentId\":\"doc_1\"",
		 "\"documentId\":\"doc_1\",\"service\":\"session\""},
		{"\"doc_1\"", "\"\""},
		{"\"doc_1\"", "\"doc 1\""},
		{"\"doc_1\"", "\"doc\\u005f1\""},
		{"\"doc_1\"", "{}"},
		{"\"revision\":7", "\"revision\":0"},
		{"\"revision\":7", "\"revision\":-7"},
		{"\"revision\":7", "\"revision\":7.0"},
		{"\"revision\":7", "\"revision\":true"},
		{"\"revision\":7", "\"revision\":18446744073709551616"},
		{"\"revision\":7", "\"revision\":7,\"revision\":7"},
		{"\"by\":\"u\\\"1\"", "\"by\":null"},
		{"\"by\":\"u\\\"1\"", "\"by\":7"},
		{"\"by\":\"u\\\"1\"", "\"by\":\"x\",\"by\":\"x\""},
		{"\"by\":\"u\\\"1\"", "\"who\":\"x\""},
		{"\"by\":\"u\\\"1\",\"connectionId\":\"c1\"",
		 "\"connectionId\":\"c1\",\"by\":\"u\""},
		{"\"connectionId\":\"c1\"", "\"connectionId\":[]"},
		{"\"connectionId\":\"c1\"", "\"deleted\":true,\"connectionId\":\"c1\""},
		{"\"connectionId\":\"c1\"", "\"connectionId\":\"c1\",\"deleted\":false"},
		{"\"connectionId\":\"c1\"", "\"connectionId\":\"c1\",\"deleted\":1"},
		{"\"connectionId\":\"c1\"", "\"connectionId\":\"c1\",\"fromRevision\":1"},
		{DATA, ""},
		{DATA, ",\"data\":[]"},
		{DATA, ",\"data\":null"},
		{DATA, ",\"data\":\"{}\""},
		{DATA, ",\"data\" :{}"},
		{DATA, ",\"data\":{}"
		       ",\"data\":{}"},
		{DATA, ",\"data\":{\"a\":1,\"a\":2}"},
		{DATA, ",\"data\":{\"a\":NaN}"},
		{DATA, ",\"data\":{\"a\":\"\xff\"}"},
		{DATA DIFF, DIFF DATA},
		{DIFF, ""},
		{DIFF, ",\"diff\":[]"},
		{DIFF, ",\"diff\":null"},
		{DIFF, ",\"diff\":{},\"extra\":1"},
		{DIFF "}}", DIFF " }}"},
		{DIFF "}}", DIFF "} }"},
		{DIFF "}}", DIFF "}} "},
		{DIFF "}}", DIFF "}}\n"},
		{DIFF "}}", DIFF "},\"extra\":1}"},
		{DIFF "}}", DIFF "}}}"},
	};
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event_segments segments = {.revision = 99};
		struct span text = replaced(&buffer, TEXT, rows[i].from, rows[i].to);
		cr_assert_eq(parse(text, &segments), -EBADMSG, "%.*s", SPAN_ARGS(text));
		cr_assert_eq(segments.revision, 99);
	}
}

Test(event, parse_refuses_other_values_and_every_text_that_is_cut_short)
{
	static const char *const rows[] = {
		"", "{}", "[]", "7", "null", "\"event\"", "{\"type\":\"event\"}"};
	struct event_segments segments;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(parse(span_string(rows[i]), &segments), -EBADMSG, "%s", rows[i]);
	for (size_t len = 0; len < sizeof(TEXT) - 1; len++) {
		char *copy = malloc(len ? len : 1);
		memcpy(copy, TEXT, len);
		cr_assert_eq(parse(span_of(copy, len), &segments), -EBADMSG, "%zu", len);
		free(copy);
	}
}

Test(event, a_presence_text_is_not_of_this_channel)
{
	struct event_segments segments;
	cr_assert_eq(parse(SPAN("{\"type\":\"event\",\"topic\":\"sync.session.presence\","
				"\"source\":\"sync\",\"timestamp\":1,\"payload\":{\"service\":"
				"\"session\",\"documentId\":\"doc_1\",\"joined\":[],\"updated\":[],"
				"\"left\":[],\"count\":0}}"),
			   &segments),
		     -EBADMSG);
}
