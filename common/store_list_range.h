/* store_list_range.h — which ids a list is about: those with the query's prefix or, where the asker
 * may read some documents only, the ranges of ids that his patterns leave of that, one after the
 * other. What lies between two of them is not for his eyes, and neither may a page token name it.
 * Pure. */
#ifndef SYNCDOC_STORE_LIST_RANGE_H
#define SYNCDOC_STORE_LIST_RANGE_H

#include "rights.h"

struct list_ranges {
	struct span prefix;                    /* borrowed: the query's; may be empty */
	const struct rights_pattern *patterns; /* borrowed, sorted; NULL: one range, the prefix's */
	size_t count;
	size_t at; /* the one under way; `count`, or without patterns 1: none any more */
};

/* On to the first range, from `at` on, that has something of the query behind `cursor` (an id; may
 * be empty). False: there is none. */
bool list_ranges_find(struct list_ranges *ranges, struct span cursor);
/* The same behind the range under way. */
bool list_ranges_next(struct list_ranges *ranges, struct span cursor);
/* What all ids of the range under way begin with; may be empty. */
struct span list_ranges_prefix(const struct list_ranges *ranges);
/* The id that alone makes up the range under way; len 0: it is none of that kind. */
struct span list_ranges_only(const struct list_ranges *ranges);

#endif
