/* history_op.h — what an entry of a document's history says happened: `create`, `replace`, `merge`,
 * `patch`, `delete`, `restore`, `expire`. Pure. */
#ifndef SYNCDOC_HISTORY_OP_H
#define SYNCDOC_HISTORY_OP_H

#include "topic.h"

/* What stood before an entry. */
enum history_before { HISTORY_BEFORE_UNKNOWN, HISTORY_BEFORE_LIVING, HISTORY_BEFORE_TOMBSTONE };

/* The entry's revision is a tombstone. */
bool history_op_is_tombstone(struct span op);
/* The event that subscribers got. A restore is one change more, or makes a tombstone live again:
 * only what stood before tells. -ENODATA: that would have to be known, and is not. */
int history_op_event(struct span op, enum history_before before, enum topic_event *ret);

#endif
