/* Notices that reach everybody on the host. */
#include "event.h"

#include <criterion/criterion.h>

TestSuite(event_notice, .timeout = 100);

#define TEXT "{\"type\":\"resync\",\"topic\":\"sync.*.*\",\"reason\":\"gap\"}"

Test(event_notice, a_resync_for_all_is_one_frame_for_every_mode_and_names_no_document)
{
	struct buffer bytes = {0};
	struct event_record record;
	event_record_format_resync_all(&bytes, "gap");
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert_eq(record.part_count, 0);
	cr_assert_eq(record.service.len, 0);
	cr_assert_eq(record.id.len, 0);
	/* 0x81: final text frame; then the payload's length. */
	cr_assert_eq(record.full.len, 2 + strlen(TEXT));
	cr_assert_eq((unsigned char)record.full.at[0], 0x81);
	cr_assert_eq((unsigned char)record.full.at[1], strlen(TEXT));
	cr_assert(span_equals(span_of(record.full.at + 2, record.full.len - 2), SPAN(TEXT)));
	buffer_fini(&bytes);
}

Test(event_notice, a_message_to_all_workers_comes_out_as_it_went_in)
{
	const char text[EVENT_CONTROL_MAX] = "{\"type\":\"gap\"}";
	const size_t lengths[] = {1, strlen(text), sizeof(text)};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct buffer bytes = {0};
		struct event_record record;
		event_record_format_control(&bytes, span_of(text, lengths[i]));
		cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
		cr_assert_eq(record.kind, EVENT_RECORD_CONTROL);
		cr_assert(span_equals(record.full, span_of(text, lengths[i])));
		cr_assert_eq(record.service.len, 0);
		bytes.len--;
		cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), -EBADMSG);
		buffer_fini(&bytes);
	}
}

Test(event_notice, a_resync_for_all_that_is_cut_short_is_refused)
{
	struct buffer bytes = {0};
	struct event_record record;
	event_record_format_resync_all(&bytes, "gap");
	for (size_t len = 0; len < bytes.len; len++)
		cr_assert_eq(event_record_parse(span_of(bytes.at, len), &record), -EBADMSG);
	buffer_fini(&bytes);
}

Test(event_notice, a_resync_for_who_gets_presence_has_its_name)
{
	const struct span text =
		SPAN("{\"type\":\"resync\",\"topic\":\"sync.*.presence\",\"reason\":\"gap\"}");
	struct buffer bytes = {0};
	struct event_record record;
	event_record_format_resync_presence(&bytes, "gap");
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.service.len, 0);
	cr_assert(span_equals(span_of(record.full.at + 2, record.full.len - 2), text));
	buffer_fini(&bytes);
}

Test(event_notice, a_resync_of_a_document_may_stand_for_any_event)
{
	const struct event_segments segments = {
		.name = TOPIC_ANY, .service = SPAN("s"), .id = SPAN("x")};
	const struct span text =
		SPAN("{\"type\":\"resync\",\"topic\":\"sync.s.*\",\"service\":\"s\","
		     "\"documentId\":\"x\",\"reason\":\"gap\"}");
	struct buffer bytes = {0};
	struct event_record record;
	event_record_format_resync(&bytes, &segments, "gap", 1);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.name, TOPIC_ANY);
	cr_assert(span_equals(record.id, SPAN("x")));
	cr_assert(span_equals(span_of(record.full.at + 2, record.full.len - 2), text));
	buffer_fini(&bytes);
}
