/* random_tokens.h — random texts of JSON, together with the tokens that a scanner must find in
 * them. Unlike those of random_json.h they have all that may stand between and inside of values. */
#ifndef SYNCDOC_TESTS_RANDOM_TOKENS_H
#define SYNCDOC_TESTS_RANDOM_TOKENS_H

#include "json.h"

#define RANDOM_TOKENS_DEPTH 16
#define RANDOM_TOKENS_MAX 400

/* All zero before the first use; text is to be buffer_fini()ed. */
struct random_tokens {
	uint64_t state;
	uint64_t seed;
	struct buffer text;
	struct json_token tokens[RANDOM_TOKENS_MAX]; /* what json_parse() must find */
	uint32_t count;
};

/* A random document whose root is a container. */
void random_tokens_generate(struct random_tokens *g, uint64_t seed);
uint64_t random_tokens_word(struct random_tokens *g);
uint32_t random_tokens_below(struct random_tokens *g, uint32_t limit);

#endif
