/* deadline.h — who must be done by when. All of one list have the same limit, so the first that
 * came is the first to be late, and one timer serves any number of them. Pure: the clock is fed in.
 */
#ifndef SYNCDOC_DEADLINE_H
#define SYNCDOC_DEADLINE_H

#include "base.h"

#define DEADLINE_NEVER INT64_MAX

/* Embedded in whoever has the deadline. */
struct deadline {
	struct deadline *earlier, *later;
	struct deadline_list *list; /* borrowed; NULL: nothing is awaited */
	int64_t since_ms;
};

struct deadline_list {
	struct deadline *first, *last;
	int64_t limit_ms; /* 0: never late */
	/* Called once, when the deadline is off the list; may destroy its owner and stop any other.
	 */
	void (*meet)(struct deadline *deadline);
};

/* It must be stopped. `now_ms` never goes backwards. Returns when it will be late. */
int64_t deadline_start(struct deadline_list *list, struct deadline *deadline, int64_t now_ms);
/* Fine if it is stopped already. */
void deadline_stop(struct deadline *deadline);
/* Meets all that are late. Returns when the next one will be, or DEADLINE_NEVER. */
int64_t deadline_meet_late(struct deadline_list *list, int64_t now_ms);

#endif
