/* Presence events from the segments of a text to one record per document and tick, without Redis.
 */
#define _GNU_SOURCE
#include "host_fixture.h"
#include "presence_feed.h"

#include <criterion/criterion.h>

static struct presence_feed feed;
static struct json scratch;
static int refused;

static void begin(void)
{
	host_fixture_open(0);
	marks_receive(&host.marks, SPAN("41"), 0);
	presence_feed_open(&feed, ev_default_loop(0), &host.publisher, &host.marks);
	cr_assert_eq(host_next_record().kind, EVENT_RECORD_MARK);
}

static void end(void)
{
	presence_feed_close(&feed);
	json_fini(&scratch);
	host_fixture_close();
}

TestSuite(presence_feed, .init = begin, .fini = end, .timeout = 100);

#define MEMBER "{\"userId\":\"u%d\",\"connectionId\":\"c%d\",\"mode\":\"viewing\"}"

static void receive_join(int n, const char *list)
{
	char text[400], member[100];
	snprintf(member, sizeof(member), MEMBER, n, n);
	snprintf(text, sizeof(text),
		 "{\"type\":\"event\",\"topic\":\"sync.session.presence\",\"source\":\"sync\","
		 "\"timestamp\":7,\"payload\":{\"service\":\"session\",\"documentId\":\"doc_1\","
		 "\"joined\":[%s],\"updated\":[],\"left\":[],\"count\":%d}}",
		 list ? list : member, n);
	struct event_segments segments;
	cr_assert_eq(event_parse(span_string(text), &scratch, &segments), 0);
	refused += presence_feed_add(&feed, &segments) != 0;
}

Test(presence_feed, presence_of_a_document_within_a_tick_becomes_one_record)
{
	for (int n = 1; n <= 3; n++)
		receive_join(n, NULL);
	host_expect_nothing();
	/* The timer that the first one started. */
	while (ev_is_active(&feed.tick))
		ev_run(feed.loop, EVRUN_ONCE);
	struct event_record record = host_next_record();
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.part_count, 0);
	cr_assert(memmem(record.full.at, record.full.len, "\"u1\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"u3\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"count\":3}}", 11));
	host_expect_nothing();
}

Test(presence_feed, presence_whose_members_are_none_is_dropped_and_counted)
{
	receive_join(1, "{\"userId\":7,\"connectionId\":\"c\"}");
	receive_join(1, "[]");
	cr_assert_eq(refused, 2);
	presence_feed_flush(&feed);
	host_expect_nothing();
}
