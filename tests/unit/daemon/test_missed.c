/* What envelope and history say about what went by: replies are put together here. */
#include "missed.h"

#include <criterion/criterion.h>

#define BYTES_MAX 100000
#define ADDED(n) SPAN("{\"added\":{\"m" #n "\":" #n "},\"removed\":{},\"changed\":{}}")
#define EMPTY SPAN("{\"added\":{},\"removed\":{},\"changed\":{}}")

TestSuite(missed, .timeout = 100);

/* Revision n was made at 100 × n, with sequence 10 × n; it added member m<n>. Revision 5 deleted, 6
 * restored. */
static struct store_missed_entry entries[] = {
	{6, 600, 60, SPAN("restore"), SPAN("u"), ADDED(6)},
	{5, 500, 50, SPAN("delete"), {0}, EMPTY},
	{4, 400, 40, SPAN("merge"), {0}, ADDED(4)},
	{3, 300, 30, SPAN("patch"), {0}, ADDED(3)},
	{2, 200, 20, SPAN("replace"), {0}, ADDED(2)},
	{1, 100, 10, SPAN("create"), {0}, ADDED(1)},
};

static struct store_missed stored = {
	.envelope = SPAN("{\"revision\":6,\"updatedAt\":600,\"createdAt\":100,\"service\":\"s\","
			 "\"id\":\"x\","
			 "\"data\":{\"m1\":1,\"m2\":2,\"m3\":3,\"m4\":4,\"m6\":6}}"),
	.entries = entries,
	.count = ARRAY_LEN(entries),
};

static const struct last_revision *known(uint64_t revision, int64_t at_ms)
{
	static struct last_revision last;
	last = (struct last_revision){.revision = revision, .at_ms = at_ms};
	return &last;
}

static enum missed_verdict verdict(const struct last_revision *last, uint64_t from)
{
	struct missed missed;
	missed_judge(&stored, last, from, BYTES_MAX, &missed);
	cr_assert_eq(missed.verdict == MISSED_EVENTS, missed.count > 0);
	missed_fini(&missed);
	return missed.verdict;
}

static void expect(const struct buffer *event, const char *text)
{
	cr_assert(span_equals(buffer_span(event), span_string(text)), "got %.*s",
		  SPAN_ARGS(buffer_span(event)));
}

Test(missed, events_are_made_anew_in_the_order_of_revisions)
{
	struct missed missed;
	missed_judge(&stored, known(3, 300), 0, BYTES_MAX, &missed);
	cr_assert_eq(missed.verdict, MISSED_EVENTS);
	cr_assert_eq(missed.count, 3);
	expect(&missed.events[0],
	       "{\"type\":\"event\",\"topic\":\"sync.s.updated\",\"source\":\"sync\",\"timestamp\":"
	       "400,\"payload\":"
	       "{\"service\":\"s\",\"documentId\":\"x\",\"revision\":4,\"data\":{\"m1\":1,\"m2\":2,"
	       "\"m3\":3,\"m4\":4},"
	       "\"diff\":{\"added\":{\"m4\":4},\"removed\":[],\"changed\":{}}}}");
	expect(&missed.events[1],
	       "{\"type\":\"event\",\"topic\":\"sync.s.deleted\",\"source\":\"sync\",\"timestamp\":"
	       "500,\"payload\":"
	       "{\"service\":\"s\",\"documentId\":\"x\",\"revision\":5,\"deleted\":true,"
	       "\"data\":{\"m1\":1,\"m2\":2,\"m3\":3,\"m4\":4},\"diff\":{\"added\":{},\"removed\":["
	       "],\"changed\":{}}}}");
	expect(&missed.events[2],
	       "{\"type\":\"event\",\"topic\":\"sync.s.created\",\"source\":\"sync\",\"timestamp\":"
	       "600,\"payload\":"
	       "{\"service\":\"s\",\"documentId\":\"x\",\"revision\":6,\"by\":\"u\","
	       "\"data\":{\"m1\":1,\"m2\":2,\"m3\":3,\"m4\":4,\"m6\":6},"
	       "\"diff\":{\"added\":{\"m6\":6},\"removed\":[],\"changed\":{}}}}");
	cr_assert_eq(missed.newest.revision, 6);
	missed_fini(&missed);
}

Test(missed, the_mark_tells_where_to_begin_when_nothing_is_known)
{
	struct missed missed;
	missed_judge(&stored, NULL, 40, BYTES_MAX, &missed);
	cr_assert_eq(missed.count, 2);
	missed_fini(&missed);
	missed_judge(&stored, NULL, 0, BYTES_MAX, &missed);
	cr_assert_eq(missed.count, 6);
	missed_fini(&missed);
	cr_assert_eq(verdict(NULL, 60), MISSED_NOTHING);
}

Test(missed, what_was_seen_is_not_missed)
{
	cr_assert_eq(verdict(known(6, 600), 0), MISSED_NOTHING);
}

Test(missed, another_lineage_is_a_rollback)
{
	cr_assert_eq(verdict(known(6, 601), 0), MISSED_ROLLBACK,
		     "the newest was made at another time");
	cr_assert_eq(verdict(known(4, 401), 0), MISSED_ROLLBACK, "so was an older one");
	cr_assert_eq(verdict(known(7, 700), 0), MISSED_ROLLBACK, "the last one is gone");
	stored.count = 2;
	cr_assert_eq(verdict(known(4, 550), 0), MISSED_ROLLBACK, "it was made after its successor");
	stored.envelope = SPAN_NONE;
	cr_assert_eq(verdict(known(6, 600), 0), MISSED_ROLLBACK, "the document is gone");
}

Test(missed, a_purged_tombstone_is_no_rollback)
{
	struct last_revision last = {.revision = 2, .at_ms = 200, .deleted = true};
	stored.envelope = SPAN_NONE;
	stored.count = 0;
	cr_assert_eq(verdict(&last, 0), MISSED_NOTHING);
	cr_assert_eq(verdict(NULL, 0), MISSED_NOTHING);
}

Test(missed, what_the_history_has_not_got_is_lost)
{
	stored.count = 3;
	cr_assert_eq(verdict(known(3, 300), 0), MISSED_EVENTS, "just enough");
	cr_assert_eq(verdict(known(2, 200), 0), MISSED_LOST, "trimmed");
	cr_assert_eq(verdict(NULL, 30), MISSED_LOST, "nothing says that there was none before");
	stored.count = 0;
	cr_assert_eq(verdict(known(5, 500), 0), MISSED_LOST, "no history");
	cr_assert_eq(verdict(NULL, 0), MISSED_LOST);
	stored.count = ARRAY_LEN(entries);
	entries[1].diff = SPAN_NONE;
	cr_assert_eq(verdict(known(4, 400), 0), MISSED_LOST, "an entry without a diff");
	cr_assert_eq(verdict(known(5, 500), 0), MISSED_EVENTS);
}

Test(missed, a_history_that_does_not_fit_the_envelope_is_lost)
{
	struct span diffs[] = {SPAN("{\"added\":{\"none\":1},\"removed\":{},\"changed\":{}}"),
			       SPAN("{}"), SPAN("x"),
			       SPAN("{\"added\":{},\"removed\":[],\"changed\":{}}")};
	for (size_t i = 0; i < ARRAY_LEN(diffs); i++) {
		entries[0].diff = diffs[i];
		cr_assert_eq(verdict(known(4, 400), 0), MISSED_LOST, "%.*s", SPAN_ARGS(diffs[i]));
	}
	entries[0].diff = ADDED(6);
	entries[0].at_ms = 599;
	cr_assert_eq(verdict(known(5, 500), 0), MISSED_LOST,
		     "the newest entry is of another write");
	entries[0].at_ms = 600;
	entries[1].revision = 4;
	cr_assert_eq(verdict(known(3, 300), 0), MISSED_LOST, "a hole in the history");
}

Test(missed, more_than_is_to_be_held_is_lost)
{
	struct missed missed;
	missed_judge(&stored, known(3, 300), 0, 500, &missed);
	cr_assert_eq(missed.verdict, MISSED_LOST);
	cr_assert_eq(missed.newest.revision, 6);
	missed_fini(&missed);
}
