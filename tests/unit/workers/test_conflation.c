#include "conflation.h"

#include <criterion/criterion.h>

#define EPOCH 1

TestSuite(conflation, .timeout = 100);

static size_t held;

static struct kept_record *record_of(const char *id, uint64_t revision, size_t len)
{
	struct buffer data = {0}, text = {0}, record = {0};
	struct event_segments segments;
	struct json scratch = {0};

	buffer_printf(&data, "{\"x\":\"%0*d\"}", (int)len, 0);
	struct event event = {.name = TOPIC_UPDATED,
			      .service = SPAN("s"),
			      .id = span_string(id),
			      .revision = revision,
			      .timestamp_ms = 1,
			      .data = buffer_span(&data),
			      .diff = SPAN("{}")};
	event_format(&text, &event);
	cr_assert(!event_parse(buffer_span(&text), &scratch, &segments));
	event_record_format(&record, &segments, SPAN("p-1"), EPOCH);
	struct kept_record *kept = kept_record_create(buffer_span(&record));
	json_fini(&scratch);
	buffer_fini(&data);
	buffer_fini(&text);
	buffer_fini(&record);
	return kept;
}

static size_t remember(struct conflation *conflation, const char *id, uint64_t revision,
		       enum event_mode mode, size_t len)
{
	struct kept_record *record = record_of(id, revision, len);
	size_t lost = conflation_remember(conflation, record, mode);

	kept_record_put(record);
	return lost;
}

/* revision 0: none is held. */
static void expect(struct conflation *conflation, const char *id, uint64_t revision, uint64_t from,
		   bool several)
{
	struct conflated conflated;

	cr_assert(conflation_take(conflation, &conflated), "%s is not there", id);
	cr_assert(span_equals(conflated.names.id, span_string(id)), "%.*s instead of %s",
		  SPAN_ARGS(conflated.names.id), id);
	cr_assert(span_equals(conflated.names.service, SPAN("s")));
	cr_assert_eq(conflated.several, several);
	cr_assert_eq(conflated.from_revision, from);
	cr_assert_eq(!conflated.record, !revision);
	if (revision)
		cr_assert_eq(conflated.record->event.revision, revision);
	conflated_fini(conflation, &conflated);
}

Test(conflation, the_newest_stands_for_all_from_the_first_on_in_the_order_of_their_coming)
{
	struct conflation *conflation = conflation_create(1 << 20, 1 << 20, &held);

	cr_assert(conflation_is_empty(conflation));
	cr_assert_eq(remember(conflation, "a", 5, EVENT_FULL, 10), 0);
	cr_assert_eq(remember(conflation, "b", 1, EVENT_FULL, 10), 0);
	cr_assert_eq(remember(conflation, "a", 6, EVENT_FULL, 10), 1);
	cr_assert_eq(remember(conflation, "a", 9, EVENT_FULL, 10), 1);
	cr_assert_eq(remember(conflation, "c", 3, EVENT_DIFF, 10), 0);
	expect(conflation, "a", 9, 4, true);
	cr_assert_eq(remember(conflation, "a", 10, EVENT_FULL, 10), 0, "what was taken is told");
	expect(conflation, "b", 1, 0, false);
	expect(conflation, "c", 3, 2, false);
	expect(conflation, "a", 10, 9, false);
	cr_assert(conflation_is_empty(conflation));
	cr_assert_eq(conflation_bytes(conflation), 0);
	cr_assert_eq(held, 0);
	conflation_destroy(conflation);
}

Test(conflation, two_diffs_or_another_lineage_can_only_be_read_again)
{
	struct conflation *conflation = conflation_create(1 << 20, 1 << 20, &held);

	remember(conflation, "diff", 5, EVENT_DIFF, 10);
	remember(conflation, "diff", 6, EVENT_DIFF, 10);
	remember(conflation, "both", 5, EVENT_BOTH, 10);
	remember(conflation, "both", 6, EVENT_BOTH, 10);
	remember(conflation, "back", 8, EVENT_FULL, 10);
	remember(conflation, "back", 8, EVENT_FULL, 10);
	remember(conflation, "back", 9, EVENT_FULL, 10);
	cr_assert_eq(held, 0);
	expect(conflation, "diff", 0, 4, true);
	expect(conflation, "both", 0, 4, true);
	expect(conflation, "back", 0, 7, true);
	conflation_destroy(conflation);
}

Test(conflation, events_that_do_not_fit_are_remembered_by_name_but_one_always_fits)
{
	struct conflation *conflation = conflation_create(1 << 20, 5000, &held);

	remember(conflation, "large", 1, EVENT_FULL, 20000);
	remember(conflation, "small", 1, EVENT_FULL, 10);
	cr_assert_geq(held, 20000);
	cr_assert_lt(held, 22000);
	remember(conflation, "large", 2, EVENT_FULL, 10);
	cr_assert_lt(held, 2000);
	remember(conflation, "small", 2, EVENT_FULL, 10);
	expect(conflation, "large", 2, 0, true);
	expect(conflation, "small", 2, 0, true);
	cr_assert_eq(held, 0);
	conflation_destroy(conflation);
}

Test(conflation, a_list_that_does_not_fit_collapses_and_holds_nothing)
{
	struct conflation *conflation = conflation_create(2000, 1 << 20, &held);
	size_t documents = 0, lost = 0;

	while (!conflation_is_collapsed(conflation)) {
		char id[16];

		snprintf(id, sizeof(id), "d%zu", documents++);
		lost = remember(conflation, id, 1, EVENT_FULL, 10);
		cr_assert_leq(conflation_bytes(conflation), 2000);
		cr_assert_lt(documents, 100);
	}
	cr_assert_gt(documents, 10);
	cr_assert_eq(lost, documents, "all there were and the one that did not fit");
	cr_assert_eq(remember(conflation, "d0", 2, EVENT_FULL, 10), 1);
	cr_assert_eq(conflation_bytes(conflation), 0);
	cr_assert_eq(held, 0);
	cr_assert(!conflation_is_empty(conflation));
	conflation_destroy(conflation);
}

Test(conflation, thousands_of_documents_are_found_again)
{
	struct conflation *conflation = conflation_create(1 << 30, 1 << 30, &held);
	char id[16];

	for (uint64_t revision = 1; revision <= 2; revision++)
		for (int i = 0; i < 3000; i++) {
			snprintf(id, sizeof(id), "d%d", i);
			cr_assert_eq(remember(conflation, id, revision, EVENT_FULL, 1),
				     revision - 1);
		}
	for (int i = 0; i < 3000; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		expect(conflation, id, 2, 0, true);
	}
	cr_assert(conflation_is_empty(conflation));
	conflation_destroy(conflation);
}

Test(conflation, a_record_that_several_hold_is_counted_once)
{
	struct conflation *some[3];
	struct kept_record *record = record_of("d", 1, 1000);

	for (int i = 0; i < 3; i++) {
		some[i] = conflation_create(1 << 20, 1 << 20, &held);
		conflation_remember(some[i], record, EVENT_FULL);
	}
	cr_assert_eq(held, record->text->len);
	for (int i = 0; i < 3; i++)
		conflation_destroy(some[i]);
	cr_assert_eq(held, 0);
	kept_record_put(record);
}

Test(conflation, a_notice_about_a_document_stays_one_about_all_ends_the_list)
{
	struct conflation *conflation = conflation_create(1 << 20, 1 << 20, &held);
	struct event_segments segments = {
		.name = TOPIC_UPDATED, .service = SPAN("s"), .id = SPAN("d"), .revision = 7};
	struct buffer bytes = {0};
	struct conflated conflated;

	event_record_format_resync(&bytes, &segments, "rollback", EPOCH);
	struct kept_record *notice = kept_record_create(buffer_span(&bytes));
	remember(conflation, "d", 6, EVENT_FULL, 10);
	conflation_remember(conflation, notice, EVENT_FULL);
	remember(conflation, "d", 8, EVENT_FULL, 10);
	cr_assert(conflation_take(conflation, &conflated));
	cr_assert_eq(conflated.record, notice);
	conflated_fini(conflation, &conflated);
	kept_record_put(notice);

	buffer_fini(&bytes);
	event_record_format_resync_all(&bytes, "gap");
	notice = kept_record_create(buffer_span(&bytes));
	remember(conflation, "d", 9, EVENT_FULL, 10);
	cr_assert_eq(conflation_remember(conflation, notice, EVENT_FULL), 2);
	cr_assert(conflation_is_collapsed(conflation));
	kept_record_put(notice);
	buffer_fini(&bytes);
	conflation_destroy(conflation);
}
