#include "event_sample.h"

TestSuite(event, .timeout = 100);

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

#define PRESENCE_BEFORE                                                                            \
	"{\"type\":\"event\",\"topic\":\"sync.session.presence\",\"source\":\"sync\","             \
	"\"timestamp\":5"
#define PRESENCE_AFTER                                                                             \
	",\"payload\":{\"service\":\"session\",\"documentId\":\"doc_1\",\"joined\":[{\"a\":1}],"   \
	"\"updated\":[],\"left\":[2,3],\"count\":4"
#define PRESENCE PRESENCE_BEFORE PRESENCE_AFTER "}}"

Test(event, presence_is_formatted_and_parsed_in_a_form_of_its_own)
{
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct event_segments segments;
	struct event_presence presence = {SPAN("[{\"a\":1}]"), SPAN("[]"), SPAN("[2,3]"), 4};
	event_format_presence(&buffer, SPAN("session"), SPAN("doc_1"), 5, &presence);
	assert_span(buffer_span(&buffer), PRESENCE);
	cr_assert_eq(parse(buffer_span(&buffer), &segments), 0);
	cr_assert_eq(segments.name, TOPIC_PRESENCE);
	assert_span(segments.service, "session");
	assert_span(segments.id, "doc_1");
	cr_assert_eq(segments.revision, 0);
	cr_assert_eq(segments.timestamp_ms, 5);
	assert_span(segments.before_position, PRESENCE_BEFORE);
	assert_span(segments.after_position, PRESENCE_AFTER);
	cr_assert(segments.data.len == 0 && segments.diff.len == 0);
	assert_span(segments.presence.joined, "[{\"a\":1}]");
	assert_span(segments.presence.updated, "[]");
	assert_span(segments.presence.left, "[2,3]");
	cr_assert_eq(segments.presence.count, 4);
}

Test(event, presence_of_any_other_form_is_refused)
{
	static const char *const rows[][2] = {
		{"\"joined\":[{\"a\":1}],", ""},
		{"\"joined\":[{\"a\":1}]", "\"joined\":{}"},
		{"\"updated\":[]", "\"updated\":null"},
		{"\"left\":[2,3]", "\"left\":\"\""},
		{"\"updated\"", "\"left\""},
		{"\"count\":4", "\"count\":-1"},
		{"\"count\":4", "\"count\":4.0"},
		{",\"count\":4", ""},
		{"\"count\":4", "\"count\":4,\"more\":1"},
		{"\"count\":4", "\"count\":4 "},
		{"\"joined\"", "\"revision\":7,\"joined\""},
		{"\"doc_1\"", "\"doc 1\""},
		{"\"service\":\"session\"", "\"service\":\"board\""},
		{"sync.session.presence", "sync.session.updated"},
		{"sync.session.presence", "sync.*.presence"},
		{"\"timestamp\":5", "\"timestamp\":-5"},
	};
	CLEANUP(buffer_fini) struct buffer buffer = {0};
	struct event_segments segments;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(parse(replaced(&buffer, PRESENCE, rows[i][0], rows[i][1]), &segments),
			     -EBADMSG, "%s", rows[i][1]);
}

Test(event, presence_is_one_frame_for_every_mode)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct event_segments segments;
	struct event_record record;
	struct iovec parts[4];
	cr_assert_eq(parse(SPAN(PRESENCE), &segments), 0);
	event_record_format(&bytes, &segments, SPAN("0123abcd-7"), 7);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_EVENT);
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.part_count, 0);
	assert_span(record.service, "session");
	assert_span(record.id, "doc_1");
	for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++) {
		cr_assert_eq(event_record_frame(&record, mode, parts), 1);
		struct span frame = span_of(parts[0].iov_base, parts[0].iov_len);
		cr_assert_eq((unsigned char)frame.at[0], 0x81);
		/* Longer than 125 and shorter than 64 KiB: the header has 4 bytes. */
		assert_span(span_of(frame.at + 4, frame.len - 4),
			    PRESENCE_BEFORE ",\"position\":\"0123abcd-7\"" PRESENCE_AFTER "}}");
	}
}
