/* test_store_list_range.c — which ids a list goes through. */
#include "store_list_range.h"

#include <criterion/criterion.h>

/* As rights_patterns() gives them: sorted, none of which matches what another matches. */
static const struct rights_pattern patterns[] = {
	{{"a", 1}, false},
	{{"b-", 2}, true},
	{{"d", 1}, true},
};

static void assert_under_way(const struct list_ranges *ranges, const char *prefix, const char *only)
{
	cr_assert(span_equals(list_ranges_prefix(ranges), span_string(prefix)), "prefix %s",
		  prefix);
	cr_assert(span_equals(list_ranges_only(ranges), span_string(only)), "only %s", only);
}

Test(store_list_range, without_patterns_the_prefix_is_the_one_range)
{
	struct list_ranges ranges = {.prefix = SPAN("u-")};
	cr_assert(list_ranges_find(&ranges, SPAN("u-7")));
	assert_under_way(&ranges, "u-", "");
	cr_assert_not(list_ranges_next(&ranges, SPAN("u-7")));
}

Test(store_list_range, each_pattern_is_a_range_in_its_turn)
{
	struct list_ranges ranges = {.patterns = patterns, .count = 2};
	cr_assert(list_ranges_find(&ranges, SPAN_NONE));
	assert_under_way(&ranges, "a", "a");
	cr_assert(list_ranges_next(&ranges, SPAN("a")));
	assert_under_way(&ranges, "b-", "");
	cr_assert_not(list_ranges_next(&ranges, SPAN("b-9")));
	assert_under_way(&ranges, "", "");
}

Test(store_list_range, a_cursor_passes_over_what_lies_before_it_but_not_what_it_stands_in)
{
	struct list_ranges inside = {.patterns = patterns, .count = ARRAY_LEN(patterns)};
	struct list_ranges behind = inside;
	cr_assert(list_ranges_find(&inside, SPAN("b-5")));
	assert_under_way(&inside, "b-", "");
	cr_assert(list_ranges_find(&behind, SPAN("c")));
	assert_under_way(&behind, "d", "");
}

Test(store_list_range, the_longer_of_two_prefixes_that_overlap_counts)
{
	struct list_ranges wide = {
		.prefix = SPAN("b"), .patterns = patterns, .count = ARRAY_LEN(patterns)};
	struct list_ranges narrow = {
		.prefix = SPAN("b-42"), .patterns = patterns, .count = ARRAY_LEN(patterns)};
	struct list_ranges neither = {
		.prefix = SPAN("x"), .patterns = patterns, .count = ARRAY_LEN(patterns)};
	cr_assert(list_ranges_find(&wide, SPAN_NONE));
	assert_under_way(&wide, "b-", "");
	cr_assert(list_ranges_find(&narrow, SPAN_NONE));
	assert_under_way(&narrow, "b-42", "");
	cr_assert_not(list_ranges_find(&neither, SPAN_NONE));
}

Test(store_list_range, who_may_read_no_document_has_no_range)
{
	struct list_ranges ranges = {.patterns = patterns, .count = 0};
	cr_assert_not(list_ranges_find(&ranges, SPAN_NONE));
}
