/* expire.c — see expire.h. */
#include "expire.h"

#include "diff.h"
#include "event.h"

struct document expire_document(const struct document *base, int64_t now_ms)
{
	struct document tombstone = *base;
	tombstone.revision++;
	tombstone.updated_at_ms = document_next_time(base->updated_at_ms, now_ms);
	tombstone.deleted = true;
	return tombstone;
}

void expire_format_event(struct buffer *ret, const struct document *tombstone)
{
	const struct event event = {
		.name = TOPIC_EXPIRED,
		.service = tombstone->service,
		.id = tombstone->id,
		.revision = tombstone->revision,
		.timestamp_ms = tombstone->updated_at_ms,
		.deleted = true,
		.data = tombstone->data,
		.diff = SPAN(DIFF_EMPTY),
	};
	event_format(ret, &event);
}
