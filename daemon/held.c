/* held.c — see held.h. */
#include "held.h"

void held_init(struct held *held)
{
	STAILQ_INIT(&held->items);
	held->bytes = 0;
}

void held_clear(struct held *held)
{
	struct held_item *item;
	while ((item = held_shift(held)))
		free(item);
}

int held_push(struct held *held, enum held_kind kind, struct span text, size_t bytes_max)
{
	size_t size = sizeof(struct held_item) + text.len;
	if (size > bytes_max || held->bytes > bytes_max - size)
		return -ENOBUFS;
	struct held_item *item = malloc(size);
	MUST(item);
	item->kind = kind;
	item->len = text.len;
	if (text.len)
		memcpy(item->text, text.at, text.len);
	STAILQ_INSERT_TAIL(&held->items, item, link);
	held->bytes += size;
	return 0;
}

struct held_item *held_shift(struct held *held)
{
	struct held_item *item = STAILQ_FIRST(&held->items);
	if (!item)
		return NULL;
	STAILQ_REMOVE_HEAD(&held->items, link);
	held->bytes -= sizeof(*item) + item->len;
	return item;
}
