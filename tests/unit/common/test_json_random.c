/* test_json_random.c — the strict scanner against random documents: the tokens it must find,
 * json-c's opinion, every truncation, and thousands of damaged texts. SYNCDOC_TEST_SEED repeats a
 * run; the seed is in every failure message. */
#include "random_json.h"
#include "random_tokens.h"
#include <criterion/criterion.h>
/* json-c calls its own enum by the same name. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

TestSuite(json_random, .timeout = 100);

static void expect_tokens(const struct random_tokens *g, const struct json *doc)
{
	cr_assert_eq(doc->count, g->count, "seed %lu", g->seed);
	for (uint32_t i = 0; i < g->count; i++) {
		const struct json_token *got = &doc->tokens[i], *want = &g->tokens[i];
		bool same = got->at == want->at && got->len == want->len &&
			    got->next == want->next && got->count == want->count &&
			    got->type == want->type && got->escaped == want->escaped;
		cr_assert(same, "seed %lu, token %u", g->seed, i);
	}
}

Test(json_random, tokens_are_those_the_text_was_made_of)
{
	struct random_tokens g = {0};
	struct json doc = {0};
	uint64_t seed = random_json_seed();

	for (unsigned i = 0; i < 2000; i++) {
		struct json_fault fault = {0};
		random_tokens_generate(&g, seed + i);
		int error = json_parse(&doc, buffer_span(&g.text), RANDOM_TOKENS_DEPTH, &fault);
		cr_assert_eq(error, 0, "seed %lu: %s at %zu", g.seed, fault.reason, fault.offset);
		expect_tokens(&g, &doc);
		cr_assert(json_equals(&doc, 0, &doc, 0));
	}
	json_fini(&doc);
	buffer_fini(&g.text);
}

/* A document equals itself with all white space gone and the members of every object turned round.
 */
static void turn_round(const struct json *doc, uint32_t token, struct buffer *ret)
{
	const struct json_token *tokens = doc->tokens;
	uint32_t children[RANDOM_TOKENS_MAX];
	uint32_t count = 0;

	if (tokens[token].type < JSON_ARRAY) {
		buffer_append_span(ret, json_raw(doc, token));
		return;
	}
	bool is_object = tokens[token].type == JSON_OBJECT;
	for (uint32_t i = token + 1; i < tokens[token].next; i = tokens[i + is_object].next)
		children[count++] = i;
	buffer_append_char(ret, is_object ? '{' : '[');
	for (uint32_t i = 0; i < count; i++) {
		uint32_t child = children[is_object ? count - 1 - i : i];
		if (i > 0)
			buffer_append_char(ret, ',');
		if (is_object) {
			buffer_append_span(ret, json_raw(doc, child));
			buffer_append_char(ret, ':');
		}
		turn_round(doc, child + is_object, ret);
	}
	buffer_append_char(ret, is_object ? '}' : ']');
}

Test(json_random, order_of_members_and_white_space_do_not_count_in_equality)
{
	struct random_tokens g = {0};
	struct json doc = {0}, turned = {0};
	struct buffer text = {0};
	uint64_t seed = random_json_seed();

	for (unsigned i = 0; i < 1000; i++) {
		struct json_fault fault;
		random_tokens_generate(&g, seed + i);
		cr_assert_eq(json_parse(&doc, buffer_span(&g.text), RANDOM_TOKENS_DEPTH, &fault),
			     0);
		text.len = 0;
		turn_round(&doc, 0, &text);
		cr_assert_eq(json_parse(&turned, buffer_span(&text), RANDOM_TOKENS_DEPTH, &fault),
			     0);
		cr_assert(json_equals(&doc, 0, &turned, 0), "seed %lu", g.seed);
		cr_assert(json_equals(&turned, 0, &doc, 0), "seed %lu", g.seed);
	}
	json_fini(&doc);
	json_fini(&turned);
	buffer_fini(&text);
	buffer_fini(&g.text);
}

/* json-c takes an escaped U+1D800, and all others whose low 16 bits look like a surrogate, for one,
 * and puts U+FFFD. */
static bool json_c_breaks_on(const struct json *doc)
{
	struct buffer decoded CLEANUP(buffer_fini) = {0};
	bool breaks = false;

	for (uint32_t token = 0; token < doc->count; token++) {
		if (doc->tokens[token].escaped)
			json_string(doc, token, &decoded);
	}
	for (size_t i = 0; i + 2 < decoded.len; i++) {
		const unsigned char *bytes = (const unsigned char *)decoded.at + i;
		breaks |= bytes[0] >= 0xf0 && (bytes[1] & 0x0f) == 0x0d && (bytes[2] & 0x20);
	}
	return breaks;
}

static json_object *parse_with_json_c(struct span text)
{
	json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_LIMIT);

	/* Its strict mode is of no use here: 0.18 refuses every byte from 0x80 on in a string. */
	json_object *root = json_tokener_parse_ex(tokener, text.at, (int)text.len);
	/* A number at the end of the text waits for more until it is told that there is none. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		root = json_tokener_parse_ex(tokener, "", 1);
	cr_assert_eq(json_tokener_get_error(tokener), json_tokener_success, "%.*s: json-c: %s",
		     SPAN_ARGS(text), json_tokener_error_desc(json_tokener_get_error(tokener)));
	json_tokener_free(tokener);
	return root;
}

static bool integer_agrees(const struct json *doc, uint32_t token, json_object *value)
{
	int64_t number;

	if (!json_object_is_type(value, json_type_int))
		return false;
	if (json_int64(doc, token, &number) == 0)
		return json_object_get_int64(value) == number;
	char text[32];
	snprintf(text, sizeof(text), "%lu", json_object_get_uint64(value));
	return span_equals(json_raw(doc, token), span_string(text));
}

static bool string_agrees(const struct json *doc, uint32_t token, json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       json_string_equals(doc, token,
				  span_of(json_object_get_string(value),
					  (size_t)json_object_get_string_len(value)));
}

static bool value_agrees(const struct json *doc, uint32_t token, json_object *value);

static bool array_agrees(const struct json *doc, uint32_t token, json_object *value)
{
	size_t at = 0;

	if (!json_object_is_type(value, json_type_array) ||
	    json_object_array_length(value) != doc->tokens[token].count)
		return false;
	for (uint32_t i = token + 1; i < doc->tokens[token].next; i = doc->tokens[i].next) {
		if (!value_agrees(doc, i, json_object_array_get_idx(value, at++)))
			return false;
	}
	return true;
}

static bool object_agrees(const struct json *doc, uint32_t token, json_object *value)
{
	if (!json_object_is_type(value, json_type_object) ||
	    (uint32_t)json_object_object_length(value) != doc->tokens[token].count)
		return false;
	json_object_object_foreach(value, name, member)
	{
		uint32_t found = json_member(doc, token, span_string(name));
		if (!found || !value_agrees(doc, found, member))
			return false;
	}
	return true;
}

static bool value_agrees(const struct json *doc, uint32_t token, json_object *value)
{
	switch ((enum json_type)doc->tokens[token].type) {
	case JSON_NULL:
		return value == NULL;
	case JSON_FALSE:
	case JSON_TRUE:
		return json_object_is_type(value, json_type_boolean) &&
		       json_object_get_boolean(value) == (doc->tokens[token].type == JSON_TRUE);
	case JSON_INTEGER:
		return integer_agrees(doc, token, value);
	case JSON_DOUBLE: {
		char text[128];
		snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(json_raw(doc, token)));
		return json_object_is_type(value, json_type_double) &&
		       json_object_get_double(value) == strtod(text, NULL);
	}
	case JSON_STRING:
		return string_agrees(doc, token, value);
	case JSON_ARRAY:
		return array_agrees(doc, token, value);
	case JSON_OBJECT:
		return object_agrees(doc, token, value);
	}
	return false;
}

Test(json_random, json_c_reads_the_same_values)
{
	struct random_tokens g = {0};
	struct json doc = {0};
	uint64_t seed = random_json_seed();

	for (unsigned i = 0; i < 1000; i++) {
		struct json_fault fault;
		random_tokens_generate(&g, seed + i);
		cr_assert_eq(json_parse(&doc, buffer_span(&g.text), RANDOM_TOKENS_DEPTH, &fault),
			     0);
		json_object *root = parse_with_json_c(buffer_span(&g.text));
		cr_assert(value_agrees(&doc, 0, root), "seed %lu: %.*s", g.seed,
			  SPAN_ARGS(buffer_span(&g.text)));
		json_object_put(root);
	}
	json_fini(&doc);
	buffer_fini(&g.text);
}

/* In memory of exactly its size, so that ASan sees a read beyond its end. *ret_copy holds the text
 * of `doc`. */
static int parse_copy(struct json *doc, struct span text, struct json_fault *fault, char **ret_copy)
{
	char *copy = malloc(text.len ? text.len : 1);

	cr_assert_not_null(copy);
	memcpy(copy, text.at, text.len);
	*ret_copy = copy;
	return json_parse(doc, span_of(copy, text.len), RANDOM_TOKENS_DEPTH, fault);
}

Test(json_random, a_container_cut_anywhere_is_malformed_at_the_cut)
{
	struct random_tokens g = {0};
	struct json doc = {0};
	uint64_t seed = random_json_seed();

	for (unsigned i = 0; i < 60; i++) {
		random_tokens_generate(&g, seed + i);
		for (size_t len = 0; len < g.text.len; len++) {
			struct json_fault fault;
			char *copy;
			int error = parse_copy(&doc, span_of(g.text.at, len), &fault, &copy);
			free(copy);
			cr_assert_eq(error, -EBADMSG, "seed %lu cut at %zu: %d", g.seed, len,
				     error);
			/* A cut character is reported where it begins. */
			size_t first = fault.offset;
			while (first < len && first + 4 > len && (g.text.at[fault.offset] & 0x80))
				first++;
			cr_assert_eq(first, len, "seed %lu cut at %zu: offset %zu", g.seed, len,
				     fault.offset);
			cr_assert_eq(doc.count, 0);
		}
	}
	json_fini(&doc);
	buffer_fini(&g.text);
}

Test(json_random, a_scalar_is_valid_where_its_beginning_is_one)
{
	static const struct {
		const char *text;
		const char *valid; /* 1: the prefix of that length is JSON */
	} rows[] = {
		{"1234", "01111"},   {"-10.25e-3", "0011011001"}, {"true", "00001"},
		{"null", "00001"},   {"\"ab\\n\"", "0000001"},    {"0.0", "0101"},
		{"  7  ", "000111"}, {"\"é\"", "00001"},          {"1E+2", "01001"},
	};
	struct json doc = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t len = 0; len <= strlen(rows[i].text); len++) {
			struct json_fault fault;
			char *copy;
			int error = parse_copy(&doc, span_of(rows[i].text, len), &fault, &copy);
			free(copy);
			cr_expect_eq(error, rows[i].valid[len] == '1' ? 0 : -EBADMSG, "%.*s",
				     (int)len, rows[i].text);
		}
	}
	json_fini(&doc);
}

/* What must hold of tokens whatever the text was. */
static bool tokens_are_sound(const struct json *doc)
{
	for (uint32_t i = 0; i < doc->count; i++) {
		const struct json_token *token = &doc->tokens[i];
		uint32_t children = 0, at = i + 1;
		if (token->len == 0 || token->at + (uint64_t)token->len > doc->text.len ||
		    token->next <= i || token->next > doc->count)
			return false;
		bool is_object = token->type == JSON_OBJECT;
		for (; at < token->next; children++) {
			if (is_object && doc->tokens[at].type != JSON_STRING)
				return false;
			at = doc->tokens[at + is_object].next;
		}
		if (at != token->next || children != token->count)
			return false;
	}
	return doc->count > 0 && doc->tokens[0].next == doc->count;
}

static void damage(struct random_tokens *g)
{
	static const char bytes[] = "\"\\{}[],:0123456789.eE+-tfnu \n\x80\xc3\xed\xff";
	uint32_t at = random_tokens_below(g, (uint32_t)g->text.len);
	uint32_t len = random_tokens_below(g, 8) % (uint32_t)(g->text.len - at);

	switch (random_tokens_below(g, 4)) {
	case 0:
		g->text.at[at] = (char)random_tokens_word(g);
		break;
	case 1:
		g->text.at[at] = bytes[random_tokens_below(g, sizeof(bytes))];
		break;
	case 2: /* takes some out */
		memmove(g->text.at + at, g->text.at + at + len, g->text.len - at - len);
		g->text.len -= len;
		break;
	case 3: /* puts some in twice */
		buffer_reserve(&g->text, len);
		memmove(g->text.at + at + len, g->text.at + at, g->text.len - at);
		g->text.len += len;
		break;
	}
}

static void expect_fault(const struct random_tokens *g, const struct json *doc, int error,
			 const struct json_fault *fault)
{
	cr_assert(error == -EBADMSG || error == -ERANGE || error == -E2BIG, "seed %lu: %d", g->seed,
		  error);
	cr_assert_leq(fault->offset, g->text.len, "seed %lu", g->seed);
	cr_assert_not_null(fault->reason);
	cr_assert_eq(doc->count, 0);
}

Test(json_random, damaged_texts_are_refused_or_sound)
{
	struct random_tokens g = {0};
	struct json doc = {0};
	uint64_t seed = random_json_seed();
	unsigned accepted = 0, refused = 0;

	for (unsigned i = 0; i < 6000; i++) {
		struct json_fault fault = {0};
		char *copy;
		random_tokens_generate(&g, seed + i);
		for (uint32_t j = 0; j <= random_tokens_below(&g, 3); j++)
			damage(&g);
		int error = parse_copy(&doc, buffer_span(&g.text), &fault, &copy);
		if (error) {
			expect_fault(&g, &doc, error, &fault);
			refused++;
		} else {
			cr_assert(tokens_are_sound(&doc), "seed %lu", g.seed);
			json_object *root = parse_with_json_c(buffer_span(&g.text));
			cr_assert(json_c_breaks_on(&doc) || value_agrees(&doc, 0, root), "seed %lu",
				  g.seed);
			json_object_put(root);
			accepted++;
		}
		free(copy);
	}
	/* Both ways are taken often, or this tests nothing. */
	cr_expect_gt(accepted, 300);
	cr_expect_gt(refused, 1000);
	json_fini(&doc);
	buffer_fini(&g.text);
}
