/* random_json.c — random documents for property tests. */
#include "random_json.h"
#include "random.h"
#include <time.h>
#include <unistd.h>

/* Each with another spelling of the same name. Order and number are part of what a seed means. */
static const char *const names[][2] = {
	{"\"a\"", "\"\\u0061\""},
	{"\"b\"", "\"\\u0062\""},
	{"\"c\"", "\"c\""},
	{"\"\"", "\"\""},
	{"\".\"", "\"\\u002e\""},
	{"\"a.b\"", "\"a\\u002Eb\""},
	{"\"\\\\\"", "\"\\u005c\""},
	{"\"a\\\\.b\"", "\"a\\u005C.b\""},
	{"\"..\"", "\".\\u002e\""},
	{"\"0\"", "\"\\u0030\""},
	{"\"1\"", "\"1\""},
	{"\"10\"", "\"10\""},
	{"\"-\"", "\"-\""},
	{"\"~/\"", "\"~\\/\""},
	{"\"~01\"", "\"\\u007e01\""},
	{"\"\xc3\xa9\"", "\"\\u00e9\""},
	{"\"\xf0\x9f\x98\x80\"", "\"\\ud83d\\ude00\""},
	{"\"\\n\\\"\"", "\"\\u000a\\u0022\""},
	{"\"__proto__\"", "\"__proto__\""},
	{"\"a long name that is no prefix of another\"",
	 "\"a long name that is no prefix of another\""},
};

static const char *const scalars[] = {
	"null",
	"true",
	"false",
	"0",
	"1",
	"1.0",
	"-1",
	"100",
	"1e2",
	"1E+2",
	"0.1",
	"1e21",
	"9007199254740992",
	"9007199254740993",
	"9007199254740992.0",
	"9223372036854775807",
	"-9223372036854775808",
	"9223372036854775808",
	"18446744073709551615",
	"1.7976931348623157e308",
	"5e-324",
	"\"\"",
	"\"a\"",
	"\"b\"",
	"\"1\"",
	"\"null\"",
	"\"a\\u0000b\"",
	"\"\\\\ \\\" \\/ \\n\"",
	"\"\xe2\x82\xac\"",
	"\"\xf0\x9f\x98\x80 and more text, so that there is something to copy\"",
};

uint64_t random_json_seed(void)
{
	const char *given = getenv("SYNCDOC_TEST_SEED");
	struct timespec now;

	if (given)
		return strtoull(given, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec + (uint64_t)getpid();
}

struct random_json random_json_create(uint64_t seed)
{
	return (struct random_json){.state = seed, .depth_max = 4, .width_max = 6};
}

uint64_t random_json_number(struct random_json *random)
{
	return random_split(&random->state);
}

unsigned random_json_below(struct random_json *random, unsigned limit)
{
	return (unsigned)(random_json_number(random) % limit);
}

static bool chance(struct random_json *random, unsigned percent)
{
	return random_json_below(random, 100) < percent;
}

static void append_space(struct random_json *random, struct buffer *ret)
{
	static const char *const spaces[] = {" ", "\n\t", "\r\n  "};

	if (!random->only_one_spelling && chance(random, 10))
		buffer_append_string(ret, spaces[random_json_below(random, ARRAY_LEN(spaces))]);
}

static void append_name(struct random_json *random, size_t index, struct buffer *ret)
{
	bool other = !random->only_one_spelling && chance(random, 20);

	if (index < ARRAY_LEN(names))
		buffer_append_string(ret, names[index][other]);
	else
		buffer_printf(ret, "\"n%zu\"", index);
}

void random_json_name(struct random_json *random, struct buffer *ret)
{
	append_name(random, random_json_below(random, ARRAY_LEN(names)), ret);
}

static void append_scalar(struct random_json *random, struct buffer *ret)
{
	if (!random->only_one_zero && chance(random, 4))
		buffer_append_string(ret, chance(random, 50) ? "-0" : "-0.0");
	else
		buffer_append_string(ret, scalars[random_json_below(random, ARRAY_LEN(scalars))]);
}

/* Now and then wider than what is read through without an index. */
static unsigned random_width(struct random_json *random)
{
	unsigned most = random->width_max;

	if (most > 64)
		most = 64;
	if (most >= 6 && chance(random, 4))
		return 20 + random_json_below(random, 30);
	return random_json_below(random, most + 1);
}

static void append_value(struct random_json *random, unsigned depth, struct buffer *ret);

static void append_object(struct random_json *random, unsigned depth, struct buffer *ret)
{
	uint64_t used[2] = {0};
	unsigned width = random_width(random);
	/* Some objects take their names from a few, so that documents collide. */
	unsigned choice = width > 8 ? 100 : chance(random, 50) ? 8 : ARRAY_LEN(names);
	bool any = false;

	buffer_append_char(ret, '{');
	for (unsigned i = 0; i < width; i++) {
		unsigned name = random_json_below(random, choice);
		if (used[name / 64] >> name % 64 & 1)
			continue;
		used[name / 64] |= UINT64_C(1) << name % 64;
		if (any)
			buffer_append_char(ret, ',');
		any = true;
		append_space(random, ret);
		append_name(random, name, ret);
		append_space(random, ret);
		buffer_append_char(ret, ':');
		append_value(random, depth, ret);
	}
	append_space(random, ret);
	buffer_append_char(ret, '}');
}

static void append_array(struct random_json *random, unsigned depth, struct buffer *ret)
{
	unsigned width = random_width(random);

	buffer_append_char(ret, '[');
	for (unsigned i = 0; i < width; i++) {
		if (i)
			buffer_append_char(ret, ',');
		append_space(random, ret);
		append_value(random, depth, ret);
	}
	buffer_append_char(ret, ']');
}

/* `depth`: levels that are left. */
static void append_value(struct random_json *random, unsigned depth, struct buffer *ret)
{
	unsigned kind = random_json_below(random, 10);

	append_space(random, ret);
	if (depth == 0 || kind < 5)
		append_scalar(random, ret);
	else if (kind < 8)
		append_object(random, depth - 1, ret);
	else
		append_array(random, depth - 1, ret);
}

void random_json_value(struct random_json *random, struct buffer *ret)
{
	append_value(random, random->depth_max, ret);
}

void random_json_object(struct random_json *random, struct buffer *ret)
{
	append_object(random, random->depth_max - 1, ret);
}

static void append_changed(struct random_json *random, const struct json *doc, uint32_t token,
			   unsigned depth, struct buffer *ret);

static void append_changed_array(struct random_json *random, const struct json *doc, uint32_t token,
				 unsigned depth, struct buffer *ret)
{
	uint32_t keep = doc->tokens[token].count;
	bool any = false;

	if (keep && chance(random, 30))
		keep = random_json_below(random, keep);
	buffer_append_char(ret, '[');
	for (uint32_t i = token + 1; i < doc->tokens[token].next && keep-- > 0;
	     i = doc->tokens[i].next) {
		if (any)
			buffer_append_char(ret, ',');
		any = true;
		append_changed(random, doc, i, depth, ret);
	}
	while (chance(random, 20)) {
		if (any)
			buffer_append_char(ret, ',');
		any = true;
		append_value(random, depth, ret);
	}
	buffer_append_char(ret, ']');
}

/* A member that is not in `object`; false: none found at the first try. */
static bool append_new_member(struct random_json *random, const struct json *doc, uint32_t object,
			      bool comma, unsigned depth, struct buffer *ret)
{
	struct buffer name = {0};
	struct buffer decoded = {0};

	random_json_name(random, &name);
	struct json parsed = random_json_parse(buffer_span(&name));
	json_string(&parsed, 0, &decoded);
	bool is_new = !json_member(doc, object, buffer_span(&decoded));
	if (is_new) {
		if (comma)
			buffer_append_char(ret, ',');
		buffer_append_span(ret, buffer_span(&name));
		buffer_append_char(ret, ':');
		append_value(random, depth, ret);
	}
	json_fini(&parsed);
	buffer_fini(&name);
	buffer_fini(&decoded);
	return is_new;
}

static void append_changed_object(struct random_json *random, const struct json *doc,
				  uint32_t token, unsigned depth, struct buffer *ret)
{
	/* The first member goes to the end. */
	bool rotated = doc->tokens[token].count && chance(random, 10);
	uint32_t first = token + 1;
	uint32_t count = doc->tokens[token].count;
	unsigned where = random_json_below(random, 8); /* a new member, one at most */
	bool any = false;

	buffer_append_char(ret, '{');
	if (where == 0)
		any = append_new_member(random, doc, token, false, depth, ret);
	for (uint32_t i = 0, name = first; i < count + rotated; i++) {
		if (i == count)
			name = first;
		if (!(rotated && i == 0) && !chance(random, 8)) {
			if (any)
				buffer_append_char(ret, ',');
			any = true;
			buffer_append_span(ret, json_raw(doc, name));
			append_space(random, ret);
			buffer_append_char(ret, ':');
			append_changed(random, doc, name + 1, depth, ret);
		}
		name = doc->tokens[name + 1].next;
	}
	if (where == 1)
		append_new_member(random, doc, token, any, depth, ret);
	buffer_append_char(ret, '}');
}

static void append_changed(struct random_json *random, const struct json *doc, uint32_t token,
			   unsigned depth, struct buffer *ret)
{
	uint8_t type = doc->tokens[token].type;

	append_space(random, ret);
	if (chance(random, 60))
		buffer_append_span(ret, json_raw(doc, token));
	else if (type == JSON_OBJECT && !chance(random, 10))
		append_changed_object(random, doc, token, depth ? depth - 1 : 0, ret);
	else if (type == JSON_ARRAY && !chance(random, 10))
		append_changed_array(random, doc, token, depth ? depth - 1 : 0, ret);
	else
		append_value(random, depth, ret);
}

void random_json_changed(struct random_json *random, const struct json *doc, struct buffer *ret)
{
	if (chance(random, 3))
		buffer_append_span(ret, json_raw(doc, 0));
	else
		append_changed_object(random, doc, 0, random->depth_max - 1, ret);
}

struct json random_json_parse(struct span text)
{
	struct json doc = {0};
	struct json_fault fault = {0};
	int error = json_parse(&doc, text, JSON_DEPTH_LIMIT, &fault);

	if (error) {
		fprintf(stderr, "test text refused at byte %zu: %s: %.*s\n", fault.offset,
			fault.reason, SPAN_ARGS(text));
		abort();
	}
	return doc;
}
