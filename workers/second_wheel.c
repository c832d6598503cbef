/* second_wheel.c — see second_wheel.h. */
#include "second_wheel.h"

void second_wheel_init(struct second_wheel *wheel, int64_t now_ms,
		       void (*look)(struct second_watch *watch))
{
	*wheel = (struct second_wheel){.looked_at_s = now_ms / 1000, .look = look};
}

void second_wheel_watch(struct second_wheel *wheel, struct second_watch *watch, int64_t at_ms,
			int64_t now_ms)
{
	int64_t second = at_ms / 1000, now_s = now_ms / 1000;

	second_wheel_stop(watch);
	/* The clock has been set back since the last turn: seconds up to that one come again. */
	if (wheel->looked_at_s > now_s)
		wheel->looked_at_s = now_s;
	if (second < wheel->looked_at_s)
		second = wheel->looked_at_s;
	LIST_INSERT_HEAD(&wheel->slots[second % SECOND_WHEEL_SLOTS], watch, link);
}

void second_wheel_stop(struct second_watch *watch)
{
	if (watch->link.le_prev)
		LIST_REMOVE(watch, link);
	*watch = (struct second_watch){0};
}

/* Taken off first: what is looked at may come back, to this list too. */
static void look_at_slot(struct second_wheel *wheel, struct second_watch_list *slot)
{
	struct second_watch_list left = LIST_HEAD_INITIALIZER(left);
	struct second_watch *watch;

	LIST_SWAP(&left, slot, second_watch, link);
	while ((watch = LIST_FIRST(&left))) {
		LIST_REMOVE(watch, link);
		LIST_INSERT_HEAD(slot, watch, link);
		wheel->look(watch);
	}
}

void second_wheel_turn(struct second_wheel *wheel, int64_t now_ms)
{
	int64_t now_s = now_ms / 1000, second = wheel->looked_at_s;

	if (second > now_s)
		second = now_s;
	if (second <= now_s - SECOND_WHEEL_SLOTS) /* all of them, once */
		second = now_s - SECOND_WHEEL_SLOTS + 1;
	wheel->looked_at_s = now_s;
	for (; second <= now_s; second++)
		look_at_slot(wheel, &wheel->slots[second % SECOND_WHEEL_SLOTS]);
}
