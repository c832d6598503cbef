/* random_json.h — random documents for property tests, the same ones for the same seed on every
 * machine.
 *
 * Few names and values, so that two documents often meet in a place; and the ones that hurt: empty
 * names, dots, backslashes, `~` and `/`, two spellings of one name, integers at the borders of 64
 * bits, 1 and 1.0. */
#ifndef SYNCDOC_TESTS_RANDOM_JSON_H
#define SYNCDOC_TESTS_RANDOM_JSON_H

#include "json.h"

struct random_json {
	uint64_t state;
	unsigned depth_max;     /* as json_parse() counts */
	unsigned width_max;     /* members or elements, at most 64 */
	bool only_one_zero;     /* no -0: JavaScript tells it from 0 */
	bool only_one_spelling; /* no white space, no needless escapes */
};

/* SYNCDOC_TEST_SEED from the environment, else one that differs from run to run. Print it when a
 * test fails. */
uint64_t random_json_seed(void);
/* Depth 4, width 6. */
struct random_json random_json_create(uint64_t seed);
uint64_t random_json_number(struct random_json *random);
unsigned random_json_below(struct random_json *random, unsigned limit);

void random_json_value(struct random_json *random, struct buffer *ret);
void random_json_object(struct random_json *random, struct buffer *ret);
/* An object that is `doc`, also an object, after a few changes. Sometimes equal to it, sometimes
 * only spelled otherwise. */
void random_json_changed(struct random_json *random, const struct json *doc, struct buffer *ret);
/* A member name, as JSON with its quotes. */
void random_json_name(struct random_json *random, struct buffer *ret);

/* For tests: parses or aborts. The text must outlive the result; json_fini() it. */
struct json random_json_parse(struct span text);

#endif
