/* event_record.c — the record of an event in the ring: what the supervisor writes and every worker
 * reads. */
#include "event.h"

#include "hash.h"
#include "ws_frame.h"

#define SUFFIX SPAN("}}")
#define PART_COUNT 4
#define POSITION_MAX 64 /* 8 hex digits, a dash and a 64-bit number are 29 */

/* First bytes of every record, in the byte order of the host: its writer and readers run on one
 * machine. A whole number of 64-bit words, as the ring copies them. Behind it lie
 * [full header][prefix][data][suffix][diff][diff header][both header]; a part that a record has no
 * use for has length 0. Another process has written it: nothing in it is believed before it is
 * checked against the bytes there are. */
struct record_head {
	uint64_t topic_hash;     /* hash_span(hash_span(epoch, service), event name); mark: 0 */
	uint64_t document_hash;  /* hash_span(hash_span(epoch, service), id); mark: 0 */
	uint64_t revision;       /* of the document; mark: 0 */
	int64_t timestamp_ms;    /* updatedAt of that revision; mark: 0 */
	uint64_t received_ns;    /* CLOCK_MONOTONIC when it came to this host; 0: not known */
	uint32_t service_at;     /* where its name stands, counted from the end of the head */
	uint32_t id_at;          /* the same for the document's id */
	uint32_t prefix_len;     /* event: all before data; resync: the text; mark: the position */
	uint32_t data_len;       /* `,"data":{…}` */
	uint32_t suffix_len;     /* `}}` */
	uint32_t diff_len;       /* `,"diff":{…}` */
	uint8_t kind;            /* enum event_record_kind */
	uint8_t name;            /* enum topic_event; TOPIC_ANY only in a resync; mark: 0 */
	uint8_t service_len;     /* 1…64; mark, resync for all: 0 */
	uint8_t id_len;          /* 1…128; mark, resync for all: 0 */
	uint8_t full_header_len; /* of the three frame headers; at most WS_HEADER_MAX */
	uint8_t diff_header_len;
	uint8_t both_header_len;
	uint8_t part_count; /* as in struct event_record: 4 or 0 */
};

_Static_assert(sizeof(struct record_head) == 72, "no padding: it would carry stray bytes");

/* Offsets are 32 bits wide. event_parse() takes no text that could come near, so this is about our
 * own callers. */
static uint32_t length32(size_t len)
{
	MUST(len <= UINT32_MAX / 2);
	return (uint32_t)len;
}

/* All that records of events and of notices about them have in common. */
static struct record_head head_of(const struct event_segments *segments, uint64_t epoch)
{
	MUST(segments->service.len <= UINT8_MAX && segments->id.len <= UINT8_MAX);
	uint64_t service_hash = hash_span(epoch, segments->service);
	struct span name = span_string(topic_event_name(segments->name));
	return (struct record_head){
		.topic_hash = hash_span(service_hash, name),
		.document_hash = hash_span(service_hash, segments->id),
		.revision = segments->revision,
		.timestamp_ms = segments->timestamp_ms,
		.received_ns = segments->received_ns,
		.name = segments->name,
		.service_len = segments->service.len,
		.id_len = segments->id.len,
	};
}

static char *put(char *at, const void *bytes, size_t len)
{
	if (len)
		memcpy(at, bytes, len);
	return at + len;
}

static char *put_span(char *at, struct span span)
{
	return put(at, span.at, span.len);
}

/* Where `part` will stand in the record, given that its text `whole` begins at `whole_at`. */
static uint32_t offset_of(struct span part, struct span whole, size_t whole_at)
{
	MUST(part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
	return length32(whole_at + (part.at - whole.at));
}

void event_record_format(struct buffer *ret, const struct event_segments *segments,
			 struct span position, uint64_t epoch)
{
	MUST(position.len <= POSITION_MAX);
	const struct span position_name = SPAN(",\"position\":\""), quote = SPAN("\"");
	size_t position_len = position_name.len + position.len + quote.len;
	struct span before = segments->before_position, after = segments->after_position;
	size_t prefix_len = before.len + position_len + after.len;
	size_t full_len = prefix_len + segments->data.len + SUFFIX.len;
	size_t diff_len = prefix_len + segments->diff.len + SUFFIX.len;
	size_t both_len = full_len + segments->diff.len;

	unsigned char full_header[WS_HEADER_MAX], diff_header[WS_HEADER_MAX],
		both_header[WS_HEADER_MAX];
	struct record_head head = head_of(segments, epoch);
	head.kind = EVENT_RECORD_EVENT;
	head.full_header_len = ws_frame_header(full_header, WS_TEXT, full_len);
	if (segments->name != TOPIC_PRESENCE) { /* presence is the same in every mode */
		head.part_count = PART_COUNT;
		head.diff_header_len = ws_frame_header(diff_header, WS_TEXT, diff_len);
		head.both_header_len = ws_frame_header(both_header, WS_TEXT, both_len);
	}
	head.prefix_len = length32(prefix_len);
	head.data_len = length32(segments->data.len);
	head.suffix_len = length32(SUFFIX.len);
	head.diff_len = length32(segments->diff.len);
	size_t after_at = head.full_header_len + before.len + position_len;
	head.service_at = offset_of(segments->service, after, after_at);
	head.id_at = offset_of(segments->id, after, after_at);

	char *start = buffer_reserve(ret, sizeof(head) + both_len + 3 * WS_HEADER_MAX);
	char *at = put(start, &head, sizeof(head));
	at = put(at, full_header, head.full_header_len);
	at = put_span(at, before);
	at = put_span(at, position_name);
	at = put_span(at, position);
	at = put_span(at, quote);
	at = put_span(at, after);
	at = put_span(at, segments->data);
	at = put_span(at, SUFFIX);
	at = put_span(at, segments->diff);
	at = put(at, diff_header, head.diff_header_len);
	at = put(at, both_header, head.both_header_len);
	ret->len += at - start;
}

void event_record_format_resync(struct buffer *ret, const struct event_segments *segments,
				const char *reason, uint64_t epoch)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_string(&text, "{\"type\":\"resync\",\"topic\":\"sync.");
	size_t service_at = text.len;
	buffer_append_span(&text, segments->service);
	buffer_append_char(&text, '.');
	buffer_append_string(&text, topic_event_name(segments->name));
	buffer_append_string(&text, "\",\"service\":\"");
	buffer_append_span(&text, segments->service);
	buffer_append_string(&text, "\",\"documentId\":\"");
	size_t id_at = text.len;
	buffer_append_span(&text, segments->id);
	buffer_append_string(&text, "\",\"reason\":");
	buffer_append_json(&text, span_string(reason));
	buffer_append_char(&text, '}');

	unsigned char header[WS_HEADER_MAX];
	struct record_head head = head_of(segments, epoch);
	head.kind = EVENT_RECORD_RESYNC;
	head.full_header_len = ws_frame_header(header, WS_TEXT, text.len);
	head.prefix_len = length32(text.len);
	head.service_at = length32(head.full_header_len + service_at);
	head.id_at = length32(head.full_header_len + id_at);
	buffer_append(ret, &head, sizeof(head));
	buffer_append(ret, header, head.full_header_len);
	buffer_append_span(ret, buffer_span(&text));
}

static void format_resync_wide(struct buffer *ret, const char *topic, enum topic_event name,
			       const char *reason)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	buffer_append_string(&text, "{\"type\":\"resync\",\"topic\":\"");
	buffer_append_string(&text, topic);
	buffer_append_string(&text, "\",\"reason\":");
	buffer_append_json(&text, span_string(reason));
	buffer_append_char(&text, '}');

	unsigned char header[WS_HEADER_MAX];
	struct record_head head = {
		.kind = EVENT_RECORD_RESYNC, .name = name, .prefix_len = length32(text.len)};
	head.full_header_len = ws_frame_header(header, WS_TEXT, text.len);
	buffer_append(ret, &head, sizeof(head));
	buffer_append(ret, header, head.full_header_len);
	buffer_append_span(ret, buffer_span(&text));
}

void event_record_format_resync_all(struct buffer *ret, const char *reason)
{
	format_resync_wide(ret, "sync.*.*", 0, reason);
}

void event_record_format_resync_presence(struct buffer *ret, const char *reason)
{
	format_resync_wide(ret, "sync.*.presence", TOPIC_PRESENCE, reason);
}

void event_record_format_mark(struct buffer *ret, struct span position)
{
	MUST(position.len <= POSITION_MAX);
	struct record_head head = {.kind = EVENT_RECORD_MARK, .prefix_len = length32(position.len)};
	buffer_append(ret, &head, sizeof(head));
	buffer_append_span(ret, position);
}

void event_record_format_control(struct buffer *ret, struct span message)
{
	MUST(message.len <= EVENT_CONTROL_MAX);
	struct record_head head = {.kind = EVENT_RECORD_CONTROL,
				   .prefix_len = length32(message.len)};
	buffer_append(ret, &head, sizeof(head));
	buffer_append_span(ret, message);
}

/* Sums are made in 64 bits: at most seven 32-bit lengths, so they cannot wrap. */
static uint64_t full_len_of(const struct record_head *head)
{
	return (uint64_t)head->full_header_len + head->prefix_len + head->data_len +
	       head->suffix_len;
}

static bool names_lie_within(const struct record_head *head, uint64_t full_len)
{
	return (uint64_t)head->service_at + head->service_len <= full_len &&
	       (uint64_t)head->id_at + head->id_len <= full_len;
}

/* The values make sense and the lengths are together exactly the `len` bytes behind the head. */
static bool head_fits(const struct record_head *head, size_t len)
{
	bool named = head->kind == EVENT_RECORD_EVENT || head->kind == EVENT_RECORD_RESYNC;
	if (!named && head->kind != EVENT_RECORD_MARK && head->kind != EVENT_RECORD_CONTROL)
		return false;
	bool to_all = head->kind == EVENT_RECORD_RESYNC && head->service_len == 0;
	named = named && !to_all;
	/* TOPIC_ANY: a resync of a document, for whichever event was missed. */
	bool any = head->name == TOPIC_ANY && head->kind == EVENT_RECORD_RESYNC && !to_all;
	if ((head->name >= TOPIC_ANY && !any) || named != (head->service_len > 0) ||
	    named != (head->id_len > 0))
		return false;
	if (head->full_header_len > WS_HEADER_MAX || head->diff_header_len > WS_HEADER_MAX ||
	    head->both_header_len > WS_HEADER_MAX)
		return false;
	bool parted = head->part_count == PART_COUNT;
	if ((!parted && head->part_count != 0) || (parted && head->kind != EVENT_RECORD_EVENT))
		return false;
	uint64_t full_len = full_len_of(head);
	return full_len + head->diff_len + head->diff_header_len + head->both_header_len == len &&
	       names_lie_within(head, full_len);
}

/* The parts that the full run has not got in its order; `at` is the byte behind the head. */
static void parts_from(const struct record_head *head, const char *at, struct event_record *ret)
{
	const char *prefix = at + head->full_header_len;
	const char *suffix = prefix + head->prefix_len + head->data_len;
	const char *diff_at = suffix + head->suffix_len;
	const char *diff_header = diff_at + head->diff_len;
	const char *both_header = diff_header + head->diff_header_len;
	struct span diff = span_of(diff_at, head->diff_len);

	ret->part_count = PART_COUNT;
	ret->diff_parts[0] = span_of(diff_header, head->diff_header_len);
	ret->diff_parts[1] = span_of(prefix, head->prefix_len);
	ret->both_parts[0] = span_of(both_header, head->both_header_len);
	ret->both_parts[1] = span_of(prefix, (size_t)head->prefix_len + head->data_len);
	ret->diff_parts[2] = ret->both_parts[2] = diff;
	ret->diff_parts[3] = ret->both_parts[3] = span_of(suffix, head->suffix_len);
}

int event_record_parse(struct span record, struct event_record *ret)
{
	struct record_head head;
	if (record.len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, record.at, sizeof(head)); /* it may lie at any address */
	if (!head_fits(&head, record.len - sizeof(head)))
		return -EBADMSG;

	const char *at = record.at + sizeof(head);
	*ret = (struct event_record){
		.kind = head.kind,
		.name = head.name,
		.topic_hash = head.topic_hash,
		.document_hash = head.document_hash,
		.service = span_of(at + head.service_at, head.service_len),
		.id = span_of(at + head.id_at, head.id_len),
		.revision = head.revision,
		.timestamp_ms = head.timestamp_ms,
		.received_ns = head.received_ns,
		.full = span_of(at, full_len_of(&head)),
	};
	if (head.part_count)
		parts_from(&head, at, ret);
	return 0;
}

/* Where the number behind `"revision":` ends in the full run; NULL: not found where it must be. */
static const char *revision_end(const struct event_record *record)
{
	const struct span name = SPAN("\",\"revision\":");
	const char *end = record->full.at + record->full.len;
	const char *at = record->id.at + record->id.len;

	if (record->kind != EVENT_RECORD_EVENT || !record->part_count ||
	    !span_starts_with(span_of(at, (size_t)(end - at)), name))
		return NULL;
	for (at += name.len; at < end && *at >= '0' && *at <= '9';)
		at++;
	return at;
}

int event_record_append_conflated(struct buffer *ret, const struct event_record *record,
				  uint64_t from_revision)
{
	const char *payload = record->both_parts[1].at, *place = revision_end(record);
	char member[40];

	if (!place || place < payload)
		return -EBADMSG;
	size_t before = (size_t)(place - payload);
	size_t behind = (size_t)(record->full.at + record->full.len - place);
	size_t len = (size_t)snprintf(member, sizeof(member), ",\"fromRevision\":%llu",
				      (unsigned long long)from_revision);
	unsigned char header[WS_HEADER_MAX];

	buffer_append(ret, header, ws_frame_header(header, WS_TEXT, before + len + behind));
	buffer_append(ret, payload, before);
	buffer_append(ret, member, len);
	buffer_append(ret, place, behind);
	return 0;
}

unsigned event_record_frame(const struct event_record *record, enum event_mode mode,
			    struct iovec ret[4])
{
	MUST(record->kind != EVENT_RECORD_MARK && record->kind != EVENT_RECORD_CONTROL);
	if (mode == EVENT_FULL || record->part_count == 0) {
		ret[0] = (struct iovec){(char *)record->full.at, record->full.len};
		return 1;
	}
	const struct span *parts = mode == EVENT_DIFF ? record->diff_parts : record->both_parts;
	for (unsigned i = 0; i < record->part_count; i++)
		ret[i] = (struct iovec){(char *)parts[i].at, parts[i].len};
	return record->part_count;
}
