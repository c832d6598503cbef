#include "history_op.h"

bool history_op_is_tombstone(struct span op)
{
	return span_equals(op, SPAN("delete")) || span_equals(op, SPAN("expire"));
}

int history_op_event(struct span op, enum history_before before, enum topic_event *ret)
{
	bool restores = span_equals(op, SPAN("restore"));

	if (restores && before == HISTORY_BEFORE_UNKNOWN)
		return -ENODATA;
	if (span_equals(op, SPAN("create")) || (restores && before == HISTORY_BEFORE_TOMBSTONE))
		*ret = TOPIC_CREATED;
	else if (span_equals(op, SPAN("delete")))
		*ret = TOPIC_DELETED;
	else if (span_equals(op, SPAN("expire")))
		*ret = TOPIC_EXPIRED;
	else
		*ret = TOPIC_UPDATED;
	return 0;
}
