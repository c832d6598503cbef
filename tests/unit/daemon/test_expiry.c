/* When the scheduler looks again, and what a tombstone made by time is. */
#include "expire.h"
#include "expiry.h"
#include "purge.h"

#include <criterion/criterion.h>

TestSuite(expiry, .timeout = 100);

Test(expiry, it_sleeps_until_the_next_is_due_but_never_long)
{
	cr_assert_eq(expiry_sleep_ms(0, 1000), EXPIRY_SLEEP_MS);
	cr_assert_eq(expiry_sleep_ms(1000 + EXPIRY_SLEEP_MS + 1, 1000), EXPIRY_SLEEP_MS);
	cr_assert_eq(expiry_sleep_ms(1200, 1000), 200);
	cr_assert_eq(expiry_sleep_ms(1000, 1000), 0);
	cr_assert_eq(expiry_sleep_ms(1, 1000), 0);
	cr_assert_eq(expiry_sleep_ms(INT64_MAX, 1000), EXPIRY_SLEEP_MS);
}

Test(expiry, what_is_no_longer_due_because_the_clock_was_set_back_is_planned_again)
{
	cr_assert_eq(expiry_sooner_ms(0, 700), 700);
	cr_assert_eq(expiry_sooner_ms(900, 700), 700);
	cr_assert_eq(expiry_sooner_ms(600, 700), 600);
}

Test(expiry, the_tombstone_is_the_next_revision_and_keeps_data_and_time)
{
	const struct document base = {
		.revision = 7,
		.updated_at_ms = 5000,
		.created_at_ms = 4000,
		.expires_at_ms = 4500,
		.service = SPAN("s"),
		.id = SPAN("x"),
		.data = SPAN("{\"a\":1}"),
	};
	struct buffer text = {0};
	struct document tombstone = expire_document(&base, 4600);
	document_format(&text, &tombstone);
	cr_assert(span_equals(buffer_span(&text), SPAN("{\"revision\":8,\"updatedAt\":5001,"
						       "\"createdAt\":4000,\"expiresAt\":4500,"
						       "\"deleted\":true,\"service\":\"s\",\"id\":"
						       "\"x\",\"data\":{\"a\":1}}")),
		  "got %.*s", SPAN_ARGS(buffer_span(&text)));
	text.len = 0;
	expire_format_event(&text, &tombstone);
	cr_assert(
		span_equals(
			buffer_span(&text),
			SPAN("{\"type\":\"event\",\"topic\":\"sync.s.expired\",\"source\":\"sync\","
			     "\"timestamp\":5001,\"payload\":{\"service\":\"s\",\"documentId\":"
			     "\"x\","
			     "\"revision\":8,\"deleted\":true,\"data\":{\"a\":1},"
			     "\"diff\":{\"added\":{},\"removed\":[],\"changed\":{}}}}")),
		"got %.*s", SPAN_ARGS(buffer_span(&text)));
	buffer_fini(&text);
}

Test(expiry, purge_looks_ten_times_in_the_life_of_a_tombstone_but_not_too_often_or_seldom)
{
	cr_assert_eq(purge_sleep_ms(1000), PURGE_SLEEP_MIN_MS);
	cr_assert_eq(purge_sleep_ms(60000), 6000);
	cr_assert_eq(purge_sleep_ms(INT64_C(7) * 86400 * 1000), PURGE_SLEEP_MAX_MS);
}
