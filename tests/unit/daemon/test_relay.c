/* From the text on a channel to the record in the ring, without Redis. */
#define _GNU_SOURCE
#include "relay.h"

#include <criterion/criterion.h>

#define HEAD                                                                                       \
	"{\"type\":\"event\",\"topic\":\"sync.session.updated\",\"source\":\"sync\","              \
	"\"timestamp\":1700000000000"
#define PAYLOAD ",\"payload\":{\"service\":\"session\",\"documentId\":\"doc_1\",\"revision\":7"
#define DIFF ",\"diff\":{\"added\":{},\"removed\":[],\"changed\":{}}}}"

static struct publisher publisher;
static struct marks marks;
static struct relay relay;
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
	relay.publisher = &publisher;
	relay.marks = &marks;
	relay_open_presence(&relay, ev_default_loop(0));
	uint16_t type;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_RECORD); /* the mark */
}

static void end(void)
{
	relay_close_presence(&relay);
	json_fini(&relay.scratch);
	buffer_fini(&relay.record);
	buffer_fini(&bytes);
	publisher_fini(&publisher);
}

TestSuite(relay, .init = begin, .fini = end, .timeout = 10);

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

Test(relay, an_event_becomes_one_record_with_the_position_of_the_last_mark)
{
	publisher_take_fresh(&publisher);
	relay_receive(&relay, SPAN("syncdoc:channel:session:doc_1"),
		      SPAN(HEAD PAYLOAD ",\"data\":{\"a\":1}" DIFF));
	cr_assert(publisher_take_fresh(&publisher));
	struct event_record record = next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_EVENT);
	cr_assert_eq(record.revision, 7);
	struct span text =
		SPAN(HEAD ",\"position\":\"0123abcd-41\"" PAYLOAD ",\"data\":{\"a\":1}}}");
	cr_assert_gt(record.full.len, text.len);
	size_t header_len = record.full.len - text.len;
	cr_assert(span_equals(span_of(record.full.at + header_len, text.len), text), "got %.*s",
		  SPAN_ARGS(record.full));
	cr_assert_eq(relay.events, 1);
}

Test(relay, what_is_no_event_is_counted_and_dropped)
{
	const char *const texts[] = {
		"", "x", "{}", HEAD, HEAD PAYLOAD DIFF, HEAD PAYLOAD ",\"data\":[]" DIFF};
	uint16_t type;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		relay_receive(&relay, SPAN("syncdoc:channel:a:b"), span_string(texts[i]));
	cr_assert_eq(relay.malformed, ARRAY_LEN(texts));
	cr_assert_eq(relay.events, 0);
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
}

Test(relay, an_event_too_large_for_the_ring_becomes_a_resync_of_its_document)
{
	struct buffer text = {0};
	buffer_append_string(&text, HEAD PAYLOAD ",\"data\":{\"a\":\"");
	for (size_t i = 0; i < ring_payload_max(RING_SIZE_MIN); i++)
		buffer_append_char(&text, 'x');
	buffer_append_string(&text, "\"}" DIFF);
	relay_receive(&relay, SPAN("syncdoc:channel:session:doc_1"), buffer_span(&text));
	struct event_record record = next_record();
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert(span_equals(record.service, SPAN("session")));
	cr_assert(span_equals(record.id, SPAN("doc_1")));
	cr_assert(memmem(record.full.at, record.full.len, "\"reason\":\"large\"", 16) != NULL);
	cr_assert_eq(relay.oversized, 1);
	buffer_fini(&text);
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
	relay_receive(&relay, SPAN("syncdoc:channel:session:doc_1"), span_string(text));
}

Test(relay, presence_of_a_document_within_a_tick_becomes_one_record)
{
	for (int n = 1; n <= 3; n++)
		receive_join(n, NULL);
	uint16_t type;
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
	/* The timer that the first one started. */
	while (ev_is_active(&relay.presence_timer))
		ev_run(relay.loop, EVRUN_ONCE);
	struct event_record record = next_record();
	cr_assert_eq(record.name, TOPIC_PRESENCE);
	cr_assert_eq(record.part_count, 0);
	cr_assert(memmem(record.full.at, record.full.len, "\"u1\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"u3\"", 4));
	cr_assert(memmem(record.full.at, record.full.len, "\"count\":3}}", 11));
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
}

Test(relay, presence_whose_members_are_none_is_dropped_and_counted)
{
	receive_join(1, "{\"userId\":7,\"connectionId\":\"c\"}");
	receive_join(1, "[]");
	cr_assert_eq(relay.malformed, 2);
	relay_flush_presence(&relay);
	uint16_t type;
	bytes.len = 0;
	cr_assert_eq(ring_read(&reader, &bytes, &type), RING_EMPTY);
}
