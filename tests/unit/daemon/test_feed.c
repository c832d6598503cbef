/* From what arrives to what is in the ring, in which order; without Redis: what is read from it is
 * fed in. */
#define _GNU_SOURCE
#include "feed.h"
#include "host_fixture.h"

#include <criterion/criterion.h>

#define HEAD                                                                                       \
	"{\"type\":\"event\",\"topic\":\"sync.session.updated\",\"source\":\"sync\","              \
	"\"timestamp\":1700000000000"
#define PAYLOAD ",\"payload\":{\"service\":\"session\",\"documentId\":\"doc_1\",\"revision\":7"
#define DIFF ",\"diff\":{\"added\":{},\"removed\":[],\"changed\":{}}}}"
#define CHANNEL SPAN("syncdoc:channel:session:doc_1")

static struct feed feed;
static int holes, overflows, behinds;
static char hole_id[32];

static void on_hole(struct span service, struct span id, void *arg)
{
	(void)arg;
	cr_assert(span_equals(service, SPAN("session")));
	snprintf(hole_id, sizeof(hole_id), "%.*s", SPAN_ARGS(id));
	holes++;
}

static void on_overflow(void *arg)
{
	(void)arg;
	overflows++;
	feed_give_up(&feed, "gap");
	feed_release(&feed, 0);
}

static void on_behind(void *arg)
{
	(void)arg;
	behinds++;
	feed_hold(&feed);
}

static void begin(void)
{
	host_fixture_open(0);
	feed_init(&feed, &host.publisher, &host.marks, 3);
	feed.on_hole = on_hole;
	feed.on_overflow = on_overflow;
	feed.on_behind = on_behind;
	feed_receive_mark(&feed, SPAN("41"), 0);
	cr_assert_eq(host_next_record().kind, EVENT_RECORD_MARK);
}

static void end(void)
{
	feed_fini(&feed);
	host_fixture_close();
}

TestSuite(feed, .init = begin, .fini = end, .timeout = 100);

static void expect_event(const char *id, uint64_t revision)
{
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_EVENT, "got %.*s", SPAN_ARGS(record.full));
	cr_assert(span_equals(record.id, span_string(id)));
	cr_assert_eq(record.revision, revision, "%s: %llu, not %llu", id,
		     (unsigned long long)record.revision, (unsigned long long)revision);
}

static void expect_resync(const char *id, const char *reason)
{
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC, "got %.*s", SPAN_ARGS(record.full));
	cr_assert(span_equals(record.id, span_string(id)));
	cr_assert_eq(record.name, *id ? TOPIC_ANY : TOPIC_CREATED);
	cr_assert(memmem(record.full.at, record.full.len, reason, strlen(reason)) != NULL,
		  "got %.*s", SPAN_ARGS(record.full));
}

static void expect_presence_resync(void)
{
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.service.len, 0);
}

/* Revision n is made at 100 × n. */
static void arrive_at(const char *id, unsigned revision, unsigned at_ms)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
			   "{\"type\":\"event\",\"topic\":\"sync.session.updated\",\"source\":"
			   "\"sync\",\"timestamp\":%u,"
			   "\"payload\":{\"service\":\"session\",\"documentId\":\"%s\","
			   "\"revision\":%u,\"data\":{}" DIFF,
			   at_ms, id, revision);
	feed_receive_event(&feed, CHANNEL, span_of(text, (size_t)len));
}

static void arrive(const char *id, unsigned revision)
{
	arrive_at(id, revision, 100 * revision);
}

/* The history from revision `oldest` to `newest`, as the reader gives it, and that one's data. */
static void fill_data(const char *id, unsigned oldest, unsigned newest, const char *data)
{
	char envelope[256];
	struct store_missed_entry entries[32];
	struct store_missed stored = {.entries = entries};
	int len = snprintf(envelope, sizeof(envelope),
			   "{\"revision\":%u,\"updatedAt\":%u,\"createdAt\":100,\"service\":"
			   "\"session\",\"id\":\"%s\",\"data\":%s}",
			   newest, 100 * newest, id, data);
	stored.envelope = span_of(envelope, (size_t)len);
	for (unsigned revision = newest; revision >= oldest; revision--)
		entries[stored.count++] = (struct store_missed_entry){
			.revision = revision,
			.at_ms = 100 * (int64_t)revision,
			.sequence = revision,
			.op = SPAN("merge"),
			.diff = SPAN("{\"added\":{},\"removed\":{},\"changed\":{}}"),
		};
	(feed.holding ? feed_fill : feed_fill_hole)(&feed, SPAN("session"), span_string(id),
						    host.marks.sequence, &stored);
}

static void fill(const char *id, unsigned oldest, unsigned newest)
{
	fill_data(id, oldest, newest, "{}");
}

Test(feed, an_event_becomes_one_record_with_the_position_of_the_last_mark)
{
	publisher_take_fresh(&host.publisher);
	feed_receive_event(&feed, CHANNEL, SPAN(HEAD PAYLOAD ",\"data\":{\"a\":1}" DIFF));
	cr_assert(publisher_take_fresh(&host.publisher));
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_EVENT);
	cr_assert_eq(record.revision, 7);
	struct span text =
		SPAN(HEAD ",\"position\":\"0123abcd-41\"" PAYLOAD ",\"data\":{\"a\":1}}}");
	cr_assert_gt(record.full.len, text.len);
	size_t header_len = record.full.len - text.len;
	cr_assert(span_equals(span_of(record.full.at + header_len, text.len), text), "got %.*s",
		  SPAN_ARGS(record.full));
	cr_assert_eq(feed.events, 1);
}

Test(feed, what_is_no_event_is_counted_and_dropped)
{
	const char *const texts[] = {
		"", "x", "{}", HEAD, HEAD PAYLOAD DIFF, HEAD PAYLOAD ",\"data\":[]" DIFF};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		feed_receive_event(&feed, SPAN("syncdoc:channel:a:b"), span_string(texts[i]));
	cr_assert_eq(feed.malformed, ARRAY_LEN(texts));
	cr_assert_eq(feed.events, 0);
	host_expect_nothing();
}

Test(feed, an_event_too_large_for_the_ring_becomes_a_resync_of_its_document)
{
	struct buffer text = {0};
	buffer_append_string(&text, HEAD PAYLOAD ",\"data\":{\"a\":\"");
	for (size_t i = 0; i < ring_payload_max(RING_SIZE_MIN); i++)
		buffer_append_char(&text, 'x');
	buffer_append_string(&text, "\"}" DIFF);
	feed_receive_event(&feed, CHANNEL, buffer_span(&text));
	struct event_record record = host_next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert(span_equals(record.service, SPAN("session")));
	cr_assert(span_equals(record.id, SPAN("doc_1")));
	cr_assert(memmem(record.full.at, record.full.len, "\"reason\":\"large\"", 16) != NULL);
	cr_assert_eq(feed.oversized, 1);
	buffer_fini(&text);
}

Test(feed, a_document_with_a_hole_waits_for_its_history_and_others_do_not)
{
	arrive("a", 1);
	expect_event("a", 1);
	arrive("a", 4);
	cr_assert_eq(holes, 1);
	cr_assert_str_eq(hole_id, "a");
	arrive("a", 5);
	arrive("b", 9);
	expect_event("b", 9);
	host_expect_nothing();
	cr_assert_eq(holes, 1, "asked once");
	fill("a", 1, 4);
	for (unsigned revision = 2; revision <= 5; revision++)
		expect_event("a", revision);
	arrive("a", 6);
	expect_event("a", 6);
	host_expect_nothing();
	cr_assert_eq(feed.recovered, 3);
	cr_assert_eq(feed.hole_bytes, 0);
}

Test(feed, a_hole_whose_history_is_ahead_of_the_subscription_repeats_nothing)
{
	arrive("a", 1);
	expect_event("a", 1);
	arrive("a", 3);
	fill("a", 1, 5);
	for (unsigned revision = 2; revision <= 5; revision++)
		expect_event("a", revision);
	arrive("a", 4);
	arrive("a", 5);
	host_expect_nothing();
	arrive("a", 6);
	expect_event("a", 6);
	cr_assert_eq(feed.repeated, 3);
}

Test(feed, a_hole_that_cannot_be_filled_is_a_resync_and_then_goes_on)
{
	arrive("a", 1);
	expect_event("a", 1);
	arrive("a", 5);
	fill("a", 4, 5);
	expect_resync("a", "\"gap\"");
	arrive("a", 6);
	expect_event("a", 6);
	arrive("a", 8);
	feed_fill_hole(&feed, SPAN("session"), SPAN("a"), 0, NULL);
	expect_resync("a", "\"gap\"");
	expect_event("a", 8);
	host_expect_nothing();
}

Test(feed, a_stored_document_that_is_no_json_is_a_resync)
{
	arrive("a", 1);
	expect_event("a", 1);
	arrive("a", 3);
	fill_data("a", 2, 2, "{\"n\":}");
	expect_resync("a", "\"gap\"");
	expect_event("a", 3);
	host_expect_nothing();
}

Test(feed, more_holes_than_may_be_open_become_resyncs)
{
	char id[16];
	feed.held_max = 1 << 20;
	for (int i = 0; i <= FEED_HOLES_MAX; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		arrive(id, 1);
		expect_event(id, 1);
		arrive(id, 3);
	}
	cr_assert_eq(holes, FEED_HOLES_MAX);
	expect_resync(id, "\"gap\"");
	expect_event(id, 3);
	host_expect_nothing();
}

Test(feed, more_than_may_wait_in_holes_becomes_a_resync_that_stands_for_all_that_waited)
{
	unsigned revision = 3;
	arrive("a", 1);
	expect_event("a", 1);
	while (feed.resyncs == 0)
		arrive("a", revision++);
	cr_assert_eq(holes, 1);
	expect_resync("a", "\"gap\"");
	expect_event("a", revision - 1);
	host_expect_nothing();
	fill("a", 1, 3); /* the answer comes late */
	host_expect_nothing();
	cr_assert_eq(feed.hole_bytes, 0);
}

Test(feed, a_document_that_begins_anew_is_announced)
{
	arrive("a", 7);
	expect_event("a", 7);
	arrive_at("a", 1, 900);
	expect_resync("a", "\"rollback\"");
	expect_event("a", 1);
	arrive_at("a", 2, 901);
	expect_event("a", 2);
}

Test(feed, what_arrives_in_a_gap_follows_what_was_missed_and_marks_keep_their_place)
{
	arrive("a", 1);
	expect_event("a", 1);
	feed_hold(&feed);
	cr_assert(!publisher_is_active(&host.publisher));
	arrive("a", 4);
	feed_receive_mark(&feed, SPAN("44"), 10);
	arrive("a", 5);
	arrive("b", 1);
	host_expect_nothing();
	cr_assert(!publisher_is_active(&host.publisher));
	fill("a", 1, 4);
	for (unsigned revision = 2; revision <= 4; revision++) {
		expect_event("a", revision);
		cr_assert(memmem(host.bytes.at, host.bytes.len, "0123abcd-41", 11) != NULL,
			  "the mark from before the gap");
	}
	host_expect_nothing();
	feed_release(&feed, 20);
	expect_presence_resync();
	cr_assert(span_equals(host_next_record().full, SPAN("0123abcd-44")));
	expect_event("a", 5);
	expect_event("b", 1);
	host_expect_nothing();
	cr_assert(publisher_is_active(&host.publisher));
	cr_assert_eq(feed.held.bytes, 0);
}

Test(feed, more_than_can_be_held_ends_the_gap_with_a_resync_for_all)
{
	unsigned revision = 1;
	arrive("a", revision);
	expect_event("a", 1);
	feed_hold(&feed);
	while (!overflows)
		arrive("a", 2 + ++revision);
	cr_assert_leq(revision * 200, host.publisher.writer.size / 4);
	expect_resync("", "\"gap\"");
	expect_presence_resync();
	for (unsigned i = 4; i <= revision + 2; i++)
		expect_event("a", i);
	host_expect_nothing();
	cr_assert(!feed.holding);
	cr_assert(feed.untracked, "what went in before is not known any more");
	feed_receive_mark(&feed, SPAN("60"), 0);
	cr_assert(!feed.untracked);
}

Test(feed, a_hole_whose_history_comes_in_a_gap_is_left_to_the_gap)
{
	arrive("a", 1);
	expect_event("a", 1);
	arrive("a", 3);
	feed_hold(&feed);
	feed_fill_hole(&feed, SPAN("session"), SPAN("a"), host.marks.sequence, NULL);
	host_expect_nothing();
	fill("a", 1, 3);
	expect_event("a", 2);
	expect_event("a", 3);
	host_expect_nothing();
}

Test(feed, a_gap_that_is_interrupted_forgets_what_waited_but_not_what_went_in)
{
	arrive("a", 1);
	expect_event("a", 1);
	feed_hold(&feed);
	arrive("a", 3);
	fill("a", 1, 3);
	expect_event("a", 2);
	expect_event("a", 3);
	feed_hold(&feed);
	cr_assert_eq(feed.held.bytes, 0);
	fill("a", 1, 5);
	expect_event("a", 4);
	expect_event("a", 5);
	feed_release(&feed, 0);
	expect_presence_resync();
	host_expect_nothing();
}

Test(feed, a_mark_below_the_last_one_is_no_mark)
{
	feed_receive_mark(&feed, SPAN("40"), 0);
	cr_assert_eq(behinds, 1);
	cr_assert(feed.holding);
	host_expect_nothing();
	feed_receive_mark(&feed, SPAN("40"), 0);
	feed_receive_mark(&feed, SPAN("1000041"), 0);
	feed_release(&feed, 0);
	expect_presence_resync();
	cr_assert(span_equals(host_next_record().full, SPAN("0123abcd-1000041")));
	host_expect_nothing();
	cr_assert_eq(behinds, 1);
}

Test(feed, a_mark_that_another_host_has_raised_is_looked_at_once)
{
	feed_receive_mark(&feed, SPAN("100041"), 0);
	cr_assert_eq(host_next_record().kind, EVENT_RECORD_MARK);
	feed_receive_mark(&feed, SPAN("1000042"), 0);
	cr_assert_eq(behinds, 1);
	cr_assert(feed.holding);
	feed_release(&feed, 0);
	expect_presence_resync();
	feed_receive_mark(&feed, SPAN("40"), 0); /* published before it was raised */
	cr_assert_eq(behinds, 1);
	host_expect_nothing();
	feed_receive_mark(&feed, SPAN("1000042"), 0);
	cr_assert_eq(behinds, 1);
	cr_assert(span_equals(host_next_record().full, SPAN("0123abcd-1000042")));
	feed_receive_mark(&feed, SPAN("2000000"), 0);
	cr_assert_eq(behinds, 2);
	feed_release(&feed, 0);
	feed_receive_mark(&feed, SPAN("40"), 1000);
	cr_assert_eq(behinds, 3, "by now none of those is still on its way");
}
