/* Presence events from the segments of a text to one record per document and tick, without Redis.
 */
#define _GNU_SOURCE
#include "log.h"
#include "presence_feed.h"
#include "publisher.h"

#include <criterion/criterion.h>

static struct publisher publisher;
static struct marks marks;
static struct presence_feed feed;
static struct json scratch;
static int refused;
static struct ring_reader reader;
static struct buffer bytes;

static void begin(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	cr_assert_eq(publisher_init(&publisher, RING_SIZE_MIN, 4), 0);
	cr_assert_eq(ring_reader_init(&reader, (char *)publisher.header + SHM_PAGE,
				      publisher.ring_len - SHM_PAGE),
		     0);
	marks_init(&marks, &publisher);
	marks_set_run_id(&marks, "0123abcd");
	marks_confirm(&marks, 0);
	marks_receive(&marks, SPAN("41"), 0);
	presence_feed_open(&feed, ev_default_loop(0), &publisher, &marks);
	uint16_t type;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_RECORD); /* the mark */
}

static void end(void)
{
	presence_feed_close(&feed);
	json_fini(&scratch);
	buffer_fini(&bytes);
	publisher_fini(&publisher);
}

TestSuite(presence_feed, .init = begin, .fini = end, .timeout = 100);

static struct event_record next_record(void)
{
	struct event_record record = {0};
	uint16_t type = 0;
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_RECORD);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(type, record.kind);
	return record;
}

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
	uint16_t type;
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
	/* The timer that the first one started. */
	while (ev_is_active(&feed.tick))
		ev_run(feed.loop, EVRUN_ONCE);
	struct event_record record = next_record();
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.part_count, 0);
	cr_assert(memmem(record.full.at, record.full.len, "\"u1\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"u3\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"count\":3}}", 11));
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
}

Test(presence_feed, presence_whose_members_are_none_is_dropped_and_counted)
{
	receive_join(1, "{\"userId\":7,\"connectionId\":\"c\"}");
	receive_join(1, "[]");
	cr_assert_eq(refused, 2);
	presence_feed_flush(&feed);
	uint16_t type;
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
}
