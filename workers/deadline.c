#include "deadline.h"

static int64_t due(const struct deadline_list *list, const struct deadline *deadline)
{
	return deadline && list->limit_ms ? deadline->since_ms + list->limit_ms : DEADLINE_NEVER;
}

int64_t deadline_start(struct deadline_list *list, struct deadline *deadline, int64_t now_ms)
{
	MUST(!deadline->list && (!list->last || list->last->since_ms <= now_ms));
	*deadline = (struct deadline){.earlier = list->last, .list = list, .since_ms = now_ms};
	if (deadline->earlier)
		deadline->earlier->later = deadline;
	else
		list->first = deadline;
	list->last = deadline;
	return due(list, deadline);
}

void deadline_stop(struct deadline *deadline)
{
	struct deadline_list *list = deadline->list;

	if (!list)
		return;
	if (deadline->earlier)
		deadline->earlier->later = deadline->later;
	else
		list->first = deadline->later;
	if (deadline->later)
		deadline->later->earlier = deadline->earlier;
	else
		list->last = deadline->earlier;
	*deadline = (struct deadline){0};
}

int64_t deadline_meet_late(struct deadline_list *list, int64_t now_ms)
{
	while (due(list, list->first) <= now_ms) {
		struct deadline *late = list->first;
		deadline_stop(late);
		list->meet(late);
	}
	return due(list, list->first);
}
