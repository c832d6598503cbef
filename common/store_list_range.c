/* store_list_range.c — see store_list_range.h. */
#include "store_list_range.h"

static const struct rights_pattern *pattern_under_way(const struct list_ranges *ranges)
{
	return ranges->patterns && ranges->at < ranges->count ? &ranges->patterns[ranges->at]
							      : NULL;
}

static bool overlaps(const struct rights_pattern *pattern, struct span prefix)
{
	return span_starts_with(pattern->text, prefix) ||
	       (pattern->is_prefix && span_starts_with(prefix, pattern->text));
}

/* The range lies whole before the cursor, or is the one id at it. */
static bool is_behind(const struct rights_pattern *pattern, struct span cursor)
{
	struct span text = pattern->text;
	size_t least = cursor.len < text.len ? cursor.len : text.len;

	if (span_starts_with(cursor, text))
		return !pattern->is_prefix;
	return memcmp(text.at, cursor.at, least) < 0;
}

bool list_ranges_find(struct list_ranges *ranges, struct span cursor)
{
	const struct rights_pattern *pattern;

	if (!ranges->patterns)
		return ranges->at == 0;
	for (; (pattern = pattern_under_way(ranges)); ranges->at++)
		if (overlaps(pattern, ranges->prefix) &&
		    !(cursor.len && is_behind(pattern, cursor)))
			return true;
	return false;
}

bool list_ranges_next(struct list_ranges *ranges, struct span cursor)
{
	ranges->at++;
	return list_ranges_find(ranges, cursor);
}

/* The longer of the query's prefix and the pattern's; they have been found to overlap. */
struct span list_ranges_prefix(const struct list_ranges *ranges)
{
	const struct rights_pattern *pattern = pattern_under_way(ranges);

	return pattern && pattern->text.len > ranges->prefix.len ? pattern->text : ranges->prefix;
}

struct span list_ranges_only(const struct list_ranges *ranges)
{
	const struct rights_pattern *pattern = pattern_under_way(ranges);

	return pattern && !pattern->is_prefix ? pattern->text : SPAN_NONE;
}
