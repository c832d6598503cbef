/* fuzz_pair.h — an input of two texts of JSON with a newline between them. */
#ifndef SYNCDOC_FUZZ_PAIR_H
#define SYNCDOC_FUZZ_PAIR_H

#include "json.h"

/* Both are to be json_fini()ed in any case, and borrow the input. False: it is no such pair. */
static inline bool fuzz_pair_parse(const uint8_t *data, size_t size, unsigned depth_max,
				   struct json *ret_first, struct json *ret_second)
{
	const char *text = (const char *)data;
	const char *newline = size ? memchr(text, '\n', size) : NULL;
	struct json_fault fault;

	if (!newline)
		return false;
	struct span first = span_of(text, (size_t)(newline - text));
	struct span second = span_of(newline + 1, size - first.len - 1);
	return json_parse(ret_first, first, depth_max, &fault) == 0 &&
	       json_parse(ret_second, second, depth_max, &fault) == 0;
}

#endif
