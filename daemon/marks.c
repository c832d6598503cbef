/* marks.c — see marks.h. */
#include "marks.h"

#include "log.h"

#define SEQUENCE_DIGITS_MAX 19 /* Redis counts in int64 */

void marks_init(struct marks *marks, struct publisher *publisher)
{
	*marks = (struct marks){.publisher = publisher};
}

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

int marks_parse_run_id(struct span info, char ret[9])
{
	struct span name = SPAN("run_id:");
	for (size_t i = 0; i + name.len + 8 <= info.len; i++) {
		bool line_start = i == 0 || info.at[i - 1] == '\n';
		if (!line_start || memcmp(info.at + i, name.at, name.len) != 0)
			continue;
		char found[9];
		memcpy(found, info.at + i + name.len, 8);
		found[8] = '\0';
		if (!is_hex(found, 8))
			return -EBADMSG;
		memcpy(ret, found, sizeof(found));
		return 0;
	}
	return -EBADMSG;
}

void marks_set_run_id(struct marks *marks, const char run_id[9])
{
	memcpy(marks->run_id, run_id, sizeof(marks->run_id));
}

void marks_confirm(struct marks *marks, int64_t now_ms)
{
	marks->confirmed = true;
	marks->confirmed_ms = now_ms;
	marks->answers = 0;
}

void marks_lose(struct marks *marks)
{
	marks->confirmed = false;
	publisher_set_active(marks->publisher, false);
}

static bool is_sequence(struct span text)
{
	if (text.len == 0 || text.len > SEQUENCE_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	return true;
}

static uint64_t sequence_of(struct span text)
{
	uint64_t sequence = 0;
	for (size_t i = 0; i < text.len; i++)
		sequence = sequence * 10 + (uint64_t)(text.at[i] - '0');
	return sequence;
}

static void keep_sequence(struct marks *marks, uint64_t sequence)
{
	marks->sequence = sequence;
	marks->expects_leap = false;
	marks->past[marks->past_count++ % MARKS_PAST] = sequence;
}

void marks_hear(struct marks *marks, int64_t now_ms)
{
	if (!marks->confirmed)
		return;
	marks->mark_ms = now_ms;
	marks->answers = 0;
}

bool marks_is_behind(const struct marks *marks, struct span text)
{
	return is_sequence(text) && sequence_of(text) < marks->sequence;
}

bool marks_is_leap(const struct marks *marks, struct span text)
{
	return is_sequence(text) && !marks->expects_leap &&
	       sequence_of(text) > marks->sequence + MARKS_LEAP;
}

void marks_expect_leap(struct marks *marks)
{
	marks->expects_leap = true;
}

bool marks_expects_leap(const struct marks *marks)
{
	return marks->expects_leap;
}

static void publish_mark(struct marks *marks, int64_t now_ms)
{
	CLEANUP(buffer_fini) struct buffer record = {0};
	event_record_format_mark(&record, marks_position(marks));
	int error = publisher_publish(marks->publisher, EVENT_RECORD_MARK, buffer_span(&record));
	MUST(!error);
	marks->published_ms = now_ms;
}

void marks_receive(struct marks *marks, struct span text, int64_t now_ms)
{
	/* A mark of the connection before, still on its way when the primary changed, must not get
	 * the new primary's name. */
	if (!marks->confirmed || !marks->run_id[0])
		return;
	if (!is_sequence(text)) {
		static struct log_limit limit;
		marks->malformed++;
		if (log_allow(&limit))
			log_warning("marks: a message on our mark channel is no number, ignored; "
				    "does another program use it?");
		return;
	}
	char position[MARKS_POSITION_MAX];
	snprintf(position, sizeof(position), "%s-%.*s", marks->run_id, SPAN_ARGS(text));
	marks_hear(marks, now_ms);
	keep_sequence(marks, sequence_of(text));
	bool changed = strcmp(position, marks->position) != 0;
	if (changed)
		memcpy(marks->position, position, sizeof(position));
	bool active = publisher_is_active(marks->publisher);
	if (changed || !active || now_ms - marks->published_ms >= MARKS_REPEAT_MS)
		publish_mark(marks, now_ms);
	if (active)
		return;
	/* After the record: who sees it active finds the mark in the ring. */
	publisher_set_active(marks->publisher, true);
	log_info("marks: events flow, position %s", marks->position);
}

void marks_answered(struct marks *marks)
{
	marks->answers++;
}

bool marks_tick(struct marks *marks, int64_t now_ms)
{
	if (!marks->confirmed)
		return false;
	int64_t since_ms =
		marks->mark_ms > marks->confirmed_ms ? marks->mark_ms : marks->confirmed_ms;
	if (now_ms - since_ms < MARKS_SILENCE_MS)
		return false;
	if (publisher_is_active(marks->publisher))
		log_warning(
			"marks: none came through for %d ms, nobody can subscribe until one does",
			MARKS_SILENCE_MS);
	publisher_set_active(marks->publisher, false);
	/* Redis itself may have hung: then the answer to the script and the mark come together, and
	 * one answer proves nothing yet. */
	return marks->answers >= MARKS_DEAF_ANSWERS;
}

bool marks_was_told(const struct marks *marks)
{
	return marks->position[0] != '\0';
}

bool marks_primary_changed(const struct marks *marks)
{
	return strncmp(marks->position, marks->run_id, strlen(marks->run_id)) != 0;
}

uint64_t marks_oldest(const struct marks *marks)
{
	return marks->past_count > MARKS_PAST ? marks->past[marks->past_count % MARKS_PAST]
					      : marks->past[0];
}

struct span marks_position(const struct marks *marks)
{
	return span_string(marks->position);
}
