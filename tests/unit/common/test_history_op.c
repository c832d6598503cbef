/* test_history_op.c — the event of a history entry. */
#include "history_op.h"

#include <criterion/criterion.h>

TestSuite(history_op, .timeout = 100);

static int event_of(struct span op, enum history_before before)
{
	enum topic_event event = TOPIC_ANY;
	int error = history_op_event(op, before, &event);

	cr_assert_eq(error != 0, event == TOPIC_ANY, "written only on success");
	return error ? error : (int)event;
}

Test(history_op, most_operations_tell_their_event_by_themselves)
{
	for (int before = HISTORY_BEFORE_UNKNOWN; before <= HISTORY_BEFORE_TOMBSTONE; before++) {
		cr_assert_eq(event_of(SPAN("create"), before), TOPIC_CREATED);
		cr_assert_eq(event_of(SPAN("replace"), before), TOPIC_UPDATED);
		cr_assert_eq(event_of(SPAN("merge"), before), TOPIC_UPDATED);
		cr_assert_eq(event_of(SPAN("patch"), before), TOPIC_UPDATED);
		cr_assert_eq(event_of(SPAN("delete"), before), TOPIC_DELETED);
		cr_assert_eq(event_of(SPAN("expire"), before), TOPIC_EXPIRED);
	}
}

Test(history_op, a_restore_creates_on_a_tombstone_only)
{
	cr_assert_eq(event_of(SPAN("restore"), HISTORY_BEFORE_LIVING), TOPIC_UPDATED);
	cr_assert_eq(event_of(SPAN("restore"), HISTORY_BEFORE_TOMBSTONE), TOPIC_CREATED);
	cr_assert_eq(event_of(SPAN("restore"), HISTORY_BEFORE_UNKNOWN), -ENODATA);
}

Test(history_op, tombstones_are_what_delete_and_expire_leave)
{
	cr_assert(history_op_is_tombstone(SPAN("delete")));
	cr_assert(history_op_is_tombstone(SPAN("expire")));
	cr_assert_not(history_op_is_tombstone(SPAN("restore")));
	cr_assert_not(history_op_is_tombstone(SPAN("")));
}
