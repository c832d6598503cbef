/* fuzz_diff.c — libFuzzer: two documents with a newline between them.
 *
 * The law of diff.h for both forms and both ways. Then the second document is taken for a diff of
 * the first, and for a merge patch: neither may do harm, and merging twice is merging once. */
#include "diff.h"
#include "fuzz_pair.h"
#include "merge.h"

/* What diff_format() writes is three levels deeper than the documents. */
#define FUZZ_DEPTH_MAX (JSON_DEPTH_LIMIT - 3)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int (*diff_function)(const struct json *data, const struct json *diff, struct buffer *ret);

static void parse(struct json *ret, struct span text)
{
	struct json_fault fault;

	MUST(json_parse(ret, text, JSON_DEPTH_LIMIT, &fault) == 0);
}

static void check_runs_to(diff_function function, const struct json *data, const struct json *diff,
			  const struct json *expected)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct json CLEANUP(json_fini) doc = {0};

	MUST(function(data, diff, &result) == 0);
	parse(&doc, buffer_span(&result));
	MUST(json_equals(&doc, 0, expected, 0));
}

static bool is_empty(const struct json *diff)
{
	return diff->tokens[json_member(diff, 0, SPAN("added"))].count == 0 &&
	       diff->tokens[json_member(diff, 0, SPAN("removed"))].count == 0 &&
	       diff->tokens[json_member(diff, 0, SPAN("changed"))].count == 0;
}

static void check_law(const struct json *old, const struct json *new)
{
	struct buffer CLEANUP(buffer_fini) diff_text = {0},
					   CLEANUP(buffer_fini) reversible_text = {0};
	struct json CLEANUP(json_fini) diff = {0}, CLEANUP(json_fini) reversible = {0};

	diff_format(old, new, &diff_text, &reversible_text);
	parse(&diff, buffer_span(&diff_text));
	parse(&reversible, buffer_span(&reversible_text));
	MUST(is_empty(&diff) == json_equals(old, 0, new, 0));
	MUST(is_empty(&reversible) == is_empty(&diff));
	check_runs_to(diff_apply, old, &diff, new);
	check_runs_to(diff_apply, old, &reversible, new);
	check_runs_to(diff_revert, new, &reversible, old);
}

static void check_hostile(diff_function function, const struct json *data, const struct json *diff)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct json CLEANUP(json_fini) doc = {0};

	if (function(data, diff, &result))
		MUST(result.len == 0);
	else
		parse(&doc, buffer_span(&result));
}

static void check_merge(const struct json *target, const struct json *patch)
{
	struct buffer CLEANUP(buffer_fini) once_text = {0}, CLEANUP(buffer_fini) twice_text = {0};
	struct json CLEANUP(json_fini) once = {0}, CLEANUP(json_fini) twice = {0};

	merge_apply(target, patch, &once_text);
	parse(&once, buffer_span(&once_text));
	merge_apply(&once, patch, &twice_text);
	parse(&twice, buffer_span(&twice_text));
	MUST(json_equals(&once, 0, &twice, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json CLEANUP(json_fini) old = {0}, CLEANUP(json_fini) new = {0};

	if (!fuzz_pair_parse(data, size, FUZZ_DEPTH_MAX, &old, &new))
		return 0;
	if (old.tokens[0].type == JSON_OBJECT && new.tokens[0].type == JSON_OBJECT)
		check_law(&old, &new);
	check_hostile(diff_apply, &old, &new);
	check_hostile(diff_revert, &old, &new);
	check_merge(&old, &new);
	return 0;
}
