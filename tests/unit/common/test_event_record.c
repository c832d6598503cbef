#include "event_sample.h"
#include "ws_frame.h"
#include "random.h"

#include "hash.h"

TestSuite(event_record, .timeout = 100);

#define POSITION "0123abcd-42"
#define PREFIX BEFORE ",\"position\":\"" POSITION "\"" AFTER
#define EPOCH UINT64_C(0x123456789abcdef)
#define HEAD_LEN 72 /* of a record: struct record_head */

/* The record of an event; `segments` keep pointing into the literal. */
static void record_of(struct buffer *ret, const struct event_segments *segments)
{
	event_record_format(ret, segments, SPAN(POSITION), EPOCH);
}

static void frame_of(const struct event_record *record, enum event_mode mode, struct buffer *ret)
{
	struct iovec parts[4];
	unsigned count = event_record_frame(record, mode, parts);
	cr_assert(count == 1 || count == 4);
	ret->len = 0;
	for (unsigned i = 0; i < count; i++)
		buffer_append(ret, parts[i].iov_base, parts[i].iov_len);
}

/* A frame as RFC 6455 wants it, taken apart without our own code. */
static struct span payload_of(const struct buffer *frame)
{
	const unsigned char *at = (const unsigned char *)frame->at;
	size_t head = 2, len = at[1];
	cr_assert_eq(at[0], 0x81, "final text");
	if (len == 126) {
		head = 4;
		len = (size_t)at[2] << 8 | at[3];
		cr_assert_geq(len, 126);
	} else if (len == 127) {
		head = 10;
		len = 0;
		for (int i = 0; i < 8; i++)
			len = len << 8 | at[2 + i];
		cr_assert_geq(len, 65536);
	}
	cr_assert_eq(frame->len, head + len);
	return span_of(frame->at + head, len);
}

Test(event_record, a_record_holds_the_frames_of_all_modes)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0}, frame = {0};
	struct event_segments segments;
	struct event_record record;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	record_of(&bytes, &segments);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_EVENT);
	cr_assert_eq(record.name, TOPIC_UPDATED);
	cr_assert_eq(record.revision, 7);
	cr_assert_eq(record.timestamp_ms, 1700000000123);
	assert_span(record.service, "session");
	assert_span(record.id, "doc_1");
	cr_assert_eq(record.part_count, 4);

	frame_of(&record, EVENT_FULL, &frame);
	assert_span(payload_of(&frame), PREFIX DATA "}}");
	frame_of(&record, EVENT_DIFF, &frame);
	assert_span(payload_of(&frame), PREFIX DIFF "}}");
	frame_of(&record, EVENT_BOTH, &frame);
	assert_span(payload_of(&frame), PREFIX DATA DIFF "}}");
}

Test(event_record, when_the_event_came_goes_along)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct event_segments segments;
	struct event_record record;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	cr_assert_eq(segments.received_ns, 0, "the text does not know");
	segments.received_ns = 1234567890123;
	record_of(&bytes, &segments);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.received_ns, 1234567890123);
}

Test(event_record, the_full_frame_is_one_run)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct event_segments segments;
	struct event_record record;
	struct iovec parts[4];
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	record_of(&bytes, &segments);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(event_record_frame(&record, EVENT_FULL, parts), 1);
	cr_assert_eq(parts[0].iov_base, bytes.at + HEAD_LEN);
	cr_assert_eq(event_record_frame(&record, EVENT_DIFF, parts), 4);
	cr_assert_eq(event_record_frame(&record, EVENT_BOTH, parts), 4);
}

Test(event_record, frame_headers_change_their_size_where_the_rfc_does)
{
	static const size_t paddings[] = {0,     1,     200,   64900, 65000, 65200,
					  65300, 65400, 65500, 66000, 200000};
	for (size_t i = 0; i < ARRAY_LEN(paddings); i++) {
		CLEANUP(buffer_fini) struct buffer text = {0}, data = {0}, bytes = {0}, frame = {0};
		struct event event = sample;
		struct event_segments segments;
		struct event_record record;
		buffer_append_string(&data, "{\"x\":\"");
		memset(buffer_reserve(&data, paddings[i]), 'x', paddings[i]);
		data.len += paddings[i];
		buffer_append_string(&data, "\"}");
		event.data = buffer_span(&data);
		event_format(&text, &event);
		cr_assert_eq(parse(buffer_span(&text), &segments), 0);
		record_of(&bytes, &segments);
		cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
		for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++) {
			frame_of(&record, mode, &frame);
			payload_of(&frame);
		}
		cr_assert(span_equals(record.id, SPAN("doc_1")));
	}
}

Test(event_record, records_are_appended_and_may_lie_at_any_address)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0}, frame = {0};
	struct event_segments segments;
	struct event_record record;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	buffer_append_string(&bytes, "odd");
	record_of(&bytes, &segments);
	cr_assert_eq(event_record_parse(span_of(bytes.at + 3, bytes.len - 3), &record), 0);
	frame_of(&record, EVENT_FULL, &frame);
	assert_span(payload_of(&frame), PREFIX DATA "}}");
}

Test(event_record, hashes_are_what_a_subscriber_computes)
{
	static const char *const names[] = {"created", "updated", "deleted", "expired"};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(buffer_fini) struct buffer text = {0}, bytes = {0}, resync = {0};
		struct event event = sample;
		struct event_segments segments;
		struct event_record record;
		event.name = TOPIC_CREATED + i;
		event_format(&text, &event);
		cr_assert_eq(parse(buffer_span(&text), &segments), 0);
		record_of(&bytes, &segments);
		uint64_t service = hash_span(EPOCH, SPAN("session"));
		cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
		cr_assert_eq(record.topic_hash, hash_span(service, span_string(names[i])));
		cr_assert_eq(record.document_hash, hash_span(service, SPAN("doc_1")));
		event_record_format_resync(&resync, &segments, "large", EPOCH);
		cr_assert_eq(event_record_parse(buffer_span(&resync), &record), 0);
		cr_assert_eq(record.topic_hash, hash_span(service, span_string(names[i])));
		cr_assert_eq(record.document_hash, hash_span(service, SPAN("doc_1")));
	}
}

Test(event_record, a_resync_record_gives_every_mode_the_same_notice)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0}, frame = {0};
	struct event_segments segments;
	struct event_record record;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	event_record_format_resync(&bytes, &segments, "large", EPOCH);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_RESYNC);
	cr_assert_eq(record.part_count, 0);
	cr_assert_eq(record.name, TOPIC_UPDATED);
	cr_assert_eq(record.revision, 7);
	assert_span(record.service, "session");
	assert_span(record.id, "doc_1");
	for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++) {
		frame_of(&record, mode, &frame);
		assert_span(
			payload_of(&frame),
			"{\"type\":\"resync\",\"topic\":\"sync.session.updated\","
			"\"service\":\"session\",\"documentId\":\"doc_1\",\"reason\":\"large\"}");
	}
}

Test(event_record, a_mark_record_is_its_position)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct event_record record;
	event_record_format_mark(&bytes, SPAN(POSITION));
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(record.kind, EVENT_RECORD_MARK);
	cr_assert_eq(record.part_count, 0);
	cr_assert_eq(record.service.len, 0);
	assert_span(record.full, POSITION);
}

/* Reads all that a worker would read of a record. The copy has memory of its own length, so that a
 * sanitizer sees every byte outside. */
static bool read_all(struct span bytes)
{
	static volatile uint64_t sink;
	char *copy = malloc(bytes.len ? bytes.len : 1);
	struct event_record record;
	memcpy(copy, bytes.at, bytes.len);
	bool good = event_record_parse(span_of(copy, bytes.len), &record) == 0;
	if (good) {
		sink = hash_span(hash_span(1, record.service), record.id);
		sink = hash_span(sink, record.full);
		sink += strlen(topic_event_name(record.name));
	}
	if (good && record.kind != EVENT_RECORD_MARK && record.kind != EVENT_RECORD_CONTROL) {
		for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++) {
			struct iovec parts[4];
			unsigned count = event_record_frame(&record, mode, parts);
			for (unsigned i = 0; i < count; i++)
				sink = hash_bytes(sink, parts[i].iov_base, parts[i].iov_len);
		}
	}
	free(copy);
	return good;
}

enum { KINDS = 4 };

static void records_of_all_kinds(struct buffer ret[KINDS])
{
	struct event_segments segments;
	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	record_of(&ret[0], &segments);
	event_record_format_resync(&ret[1], &segments, "large", EPOCH);
	event_record_format_mark(&ret[2], SPAN(POSITION));
	event_record_format_control(&ret[3], SPAN("{\"type\":\"revoke\"}"));
}

Test(event_record, a_record_that_is_cut_or_too_long_is_refused)
{
	struct buffer records[KINDS] = {0};
	records_of_all_kinds(records);
	for (int kind = 0; kind < KINDS; kind++) {
		struct span record = buffer_span(&records[kind]);
		cr_assert(read_all(record));
		for (size_t len = 0; len < record.len; len++)
			cr_assert_not(read_all(span_of(record.at, len)), "%zu", len);
		buffer_append_char(&records[kind], 'x');
		cr_assert_not(read_all(buffer_span(&records[kind])));
		buffer_fini(&records[kind]);
	}
}

Test(event_record, no_value_of_any_head_byte_makes_a_reader_leave_the_record)
{
	struct buffer records[KINDS] = {0};
	records_of_all_kinds(records);
	for (int kind = 0; kind < KINDS; kind++) {
		for (size_t at = 0; at < HEAD_LEN; at++) {
			char kept = records[kind].at[at];
			for (unsigned value = 0; value < 256; value++) {
				records[kind].at[at] = (char)value;
				bool good = read_all(buffer_span(&records[kind]));
				cr_assert(good || (char)value != kept, "kind %d byte %zu", kind,
					  at);
			}
			records[kind].at[at] = kept;
		}
		buffer_fini(&records[kind]);
	}
}

Test(event_record, lengths_whose_sum_wraps_are_refused)
{
	struct buffer records[KINDS] = {0};
	records_of_all_kinds(records);
	for (int kind = 0; kind < KINDS; kind++) {
		/* Twice 2^31 is nothing in 32 bits, whichever two fields it is added to. */
		for (size_t a = 0; a < HEAD_LEN; a += 4) {
			for (size_t b = a + 4; b < HEAD_LEN; b += 4) {
				records[kind].at[a + 3] ^= (char)0x80;
				records[kind].at[b + 3] ^= (char)0x80;
				read_all(buffer_span(&records[kind]));
				records[kind].at[a + 3] ^= (char)0x80;
				records[kind].at[b + 3] ^= (char)0x80;
			}
		}
		cr_assert(read_all(buffer_span(&records[kind])));
		buffer_fini(&records[kind]);
	}
}

/* Every offset and length field of a head, and the four small lengths, set to values at which sums
 * wrap or just fit. */
Test(event_record, random_heads_never_make_a_reader_leave_the_record)
{
	static const uint32_t edges[] = {
		0, 1, 2, 63, 64, 65, 128, 200, 400, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
	struct buffer records[KINDS] = {0};
	records_of_all_kinds(records);
	uint64_t seed = random_seed("event_record"), state = seed;
	unsigned accepted = 0;
	for (unsigned round = 0; round < 60000; round++) {
		struct buffer *record = &records[random_next(&state) % 3];
		char kept[HEAD_LEN];
		memcpy(kept, record->at, HEAD_LEN);
		for (unsigned flips = 1 + random_next(&state) % 6; flips; flips--) {
			size_t word = random_next(&state) % (HEAD_LEN / 4);
			uint32_t value = edges[random_next(&state) % ARRAY_LEN(edges)];
			if (random_next(&state) % 2)
				memcpy(record->at + word * 4, &value, sizeof(value));
			else
				record->at[random_next(&state) % HEAD_LEN] ^=
					(char)(1 << random_next(&state) % 8);
		}
		accepted += read_all(buffer_span(record));
		memcpy(record->at, kept, HEAD_LEN);
	}
	/* Flips in the hashes, the revision and the time leave a good record: otherwise nothing was
	 * tested. */
	cr_assert_gt(accepted, 100, "seed %llu", (unsigned long long)seed);
	for (int kind = 0; kind < KINDS; kind++)
		buffer_fini(&records[kind]);
}

Test(event_record, that_stands_for_several_has_the_revision_before_them_behind_its_own)
{
	struct event_segments segments;
	struct event_record record;
	struct buffer bytes = {0}, frame = {0}, wanted = {0};
	const char *text =
		BEFORE ",\"position\":\"p-1\",\"payload\":{\"service\":\"session\",\"documentId\":"
		       "\"doc_1\","
		       "\"revision\":7,\"fromRevision\":18446744073709551615,\"by\":\"u\\\"1\","
		       "\"connectionId\":\"c1\"" DATA "}}";

	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	event_record_format(&bytes, &segments, SPAN("p-1"), 1);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(event_record_append_conflated(&frame, &record, UINT64_MAX), 0);
	ws_frame_append(&wanted, WS_TEXT, span_string(text));
	cr_assert(span_equals(buffer_span(&frame), buffer_span(&wanted)), "%.*s",
		  SPAN_ARGS(buffer_span(&frame)));
	buffer_fini(&bytes);
	buffer_fini(&frame);
	buffer_fini(&wanted);
}

Test(event_record, without_a_revision_where_it_must_be_cannot_stand_for_several)
{
	struct event_segments segments;
	struct event_record record;
	struct buffer bytes = {0}, frame = {0};

	cr_assert_eq(parse(SPAN(TEXT), &segments), 0);
	event_record_format(&bytes, &segments, SPAN("p-1"), 1);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	record.id.len--;
	cr_assert_eq(event_record_append_conflated(&frame, &record, 1), -EBADMSG);
	bytes.len = 0;
	event_record_format_resync(&bytes, &segments, "large", 1);
	cr_assert_eq(event_record_parse(buffer_span(&bytes), &record), 0);
	cr_assert_eq(event_record_append_conflated(&frame, &record, 1), -EBADMSG);
	cr_assert_eq(frame.len, 0);
	buffer_fini(&bytes);
}
