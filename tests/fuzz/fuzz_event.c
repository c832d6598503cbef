/* fuzz_event.c — any bytes as an event's text, through its record into frames and back; and as a
 * record. */
#include "event.h"

#include "hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define POSITION SPAN("0123abcd-42")

static struct json scratch; /* kept: reachable at exit */

static void frame_of(const struct event_record *record, enum event_mode mode, struct buffer *ret)
{
	struct iovec parts[4];
	unsigned count = event_record_frame(record, mode, parts);
	ret->len = 0;
	for (unsigned i = 0; i < count; i++)
		buffer_append(ret, parts[i].iov_base, parts[i].iov_len);
}

static struct span payload_of(const struct buffer *frame)
{
	size_t len7 = (unsigned char)frame->at[1];
	size_t header_len = len7 == 127 ? 10 : len7 == 126 ? 4 : 2;
	return span_of(frame->at + header_len, frame->len - header_len);
}

/* A frame is JSON, and without its position the segments that it is made of. */
static void check_frame(const struct event_record *record, enum event_mode mode,
			const struct event_segments *segments)
{
	CLEANUP(buffer_fini) struct buffer frame = {0};
	CLEANUP(buffer_fini) struct buffer wanted = {0};
	struct json_fault fault;
	buffer_append_span(&wanted, segments->before_position);
	buffer_append_string(&wanted, ",\"position\":\"");
	buffer_append_span(&wanted, POSITION);
	buffer_append_char(&wanted, '"');
	buffer_append_span(&wanted, segments->after_position);
	if (mode & EVENT_FULL)
		buffer_append_span(&wanted, segments->data);
	if (mode & EVENT_DIFF)
		buffer_append_span(&wanted, segments->diff);
	buffer_append_string(&wanted, "}}");
	frame_of(record, mode, &frame);
	MUST(span_equals(payload_of(&frame), buffer_span(&wanted)));
	MUST(json_parse(&scratch, payload_of(&frame), JSON_DEPTH_LIMIT, &fault) == 0);
}

static void try_text(struct span text)
{
	struct event_segments segments;
	if (event_parse(text, &scratch, &segments))
		return;
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct event_record record;
	event_record_format(&bytes, &segments, POSITION, 7);
	MUST(event_record_parse(buffer_span(&bytes), &record) == 0);
	MUST(span_equals(record.service, segments.service) && span_equals(record.id, segments.id));
	MUST(record.document_hash == hash_span(hash_span(7, segments.service), segments.id));
	for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++)
		check_frame(&record, mode, &segments);

	bytes.len = 0;
	event_record_format_resync(&bytes, &segments, "large", 7);
	MUST(event_record_parse(buffer_span(&bytes), &record) == 0 && record.part_count == 0);
}

static void try_record(struct span bytes)
{
	CLEANUP(buffer_fini) struct buffer frame = {0};
	struct event_record record;
	if (event_record_parse(bytes, &record))
		return;
	buffer_append_span(&frame, record.service);
	buffer_append_span(&frame, record.id);
	buffer_append_span(&frame, record.full);
	buffer_append_string(&frame, topic_event_name(record.name));
	for (enum event_mode mode = EVENT_FULL; mode <= EVENT_BOTH; mode++)
		if (record.kind != EVENT_RECORD_MARK)
			frame_of(&record, mode, &frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span input = span_of((const char *)bytes, len);
	try_text(input);
	try_record(input);
	return 0;
}
