/* diff_helpers.h — what the tests of diff and diff_apply have in common. */
#ifndef SYNCDOC_TESTS_DIFF_HELPERS_H
#define SYNCDOC_TESTS_DIFF_HELPERS_H

#include "diff.h"
#include "random_json.h"
#include <criterion/criterion.h>

struct forms {
	struct buffer diff;
	struct buffer reversible;
};

static inline void forms_fini(struct forms *forms)
{
	buffer_fini(&forms->diff);
	buffer_fini(&forms->reversible);
}

static inline struct forms differ(struct span old, struct span new)
{
	struct json CLEANUP(json_fini) old_doc = random_json_parse(old);
	struct json CLEANUP(json_fini) new_doc = random_json_parse(new);
	struct forms ret = {0};

	diff_format(&old_doc, &new_doc, &ret.diff, &ret.reversible);
	return ret;
}

static inline int run(int (*function)(const struct json *, const struct json *, struct buffer *),
		      struct span data, struct span diff, struct buffer *ret)
{
	struct json CLEANUP(json_fini) data_doc = random_json_parse(data);
	struct json CLEANUP(json_fini) diff_doc = random_json_parse(diff);

	return function(&data_doc, &diff_doc, ret);
}

static inline bool texts_equal(struct span a, struct span b)
{
	struct json CLEANUP(json_fini) a_doc = random_json_parse(a);
	struct json CLEANUP(json_fini) b_doc = random_json_parse(b);

	return json_equals(&a_doc, 0, &b_doc, 0);
}

static inline bool runs_to(int (*function)(const struct json *, const struct json *,
					   struct buffer *),
			   struct span data, struct span diff, struct span expected)
{
	struct buffer CLEANUP(buffer_fini) result = {0};

	return run(function, data, diff, &result) == 0 &&
	       texts_equal(buffer_span(&result), expected);
}

#define NOTHING "{\"added\":{},\"removed\":[],\"changed\":{}}"
#define NOTHING_REVERSIBLE "{\"added\":{},\"removed\":{},\"changed\":{}}"

#endif
