/* parse_exactly.h — for tests of the scanner. */
#ifndef SYNCDOC_TESTS_PARSE_EXACTLY_H
#define SYNCDOC_TESTS_PARSE_EXACTLY_H

#include "json.h"

#include <criterion/criterion.h>

/* The text in memory of exactly its size, so that ASan sees a read beyond its end. */
static inline int parse_exactly(struct json *doc, struct span text, unsigned depth_max,
				struct json_fault *fault)
{
	char *copy = malloc(text.len ? text.len : 1);
	cr_assert_not_null(copy);
	if (text.len)
		memcpy(copy, text.at, text.len);
	int error =
		json_parse(doc, span_of(text.len ? copy : copy + 1, text.len), depth_max, fault);
	free(copy);
	return error;
}

#endif
