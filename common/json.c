/* json.c — the strict scanner: structure, depth, duplicate names. One pass, no stack: while a
 * container is open, its token's `next` holds the index of the container around it.
 *
 * The first fault met is the one reported. A duplicate name is met at the closing bracket of its
 * object, so malformed text inside that object goes before it. */
#include "json_scan.h"
#include "json_index.h"
#include <endian.h>

#define NO_PARENT UINT32_MAX
#define TOKENS_FIRST_CAP 64

/* Objects up to this many members are searched for duplicates in place. At the limit, names chosen
 * to look alike cost 2,016 comparisons: 31 for each member. */
#define SMALL_OBJECT_MAX 64

struct parser {
	struct json_scan scan;
	struct json *doc;
	uint32_t open; /* innermost open container */
	unsigned depth;
	unsigned depth_max;
};

static __attribute__((cold, noinline)) void grow_tokens(struct json *doc)
{
	uint64_t cap = doc->cap ? (uint64_t)doc->cap * 2 : TOKENS_FIRST_CAP;

	if (cap > UINT32_MAX)
		cap = UINT32_MAX;
	MUST(cap > doc->cap);
	doc->tokens = realloc(doc->tokens, cap * sizeof(*doc->tokens));
	MUST(doc->tokens);
	doc->cap = (uint32_t)cap;
}

static inline struct json_token *add_token(struct parser *parser, const char *at,
					   enum json_type type)
{
	struct json *doc = parser->doc;

	if (doc->count == doc->cap)
		grow_tokens(doc);
	struct json_token *token = &doc->tokens[doc->count++];
	*token = (struct json_token){
		.at = (uint32_t)(at - parser->scan.start),
		.next = doc->count,
		.type = (uint8_t)type,
	};
	return token;
}

static inline const char *skip_space(const struct parser *parser, const char *at)
{
	while (at != parser->scan.end && (unsigned char)*at <= ' ' &&
	       (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

static const char *fail(struct parser *parser, int error, const char *at, const char *reason)
{
	if (at == parser->scan.end)
		reason = "text ends too early";
	return json_scan_fail(&parser->scan, error, at, reason);
}

static bool names_equal(const struct json *doc, uint32_t a, uint32_t b)
{
	const struct json_token *left = &doc->tokens[a], *right = &doc->tokens[b];

	return left->len == right->len &&
	       memcmp(doc->text.at + left->at, doc->text.at + right->at, left->len) == 0;
}

/* Length, first and last bytes of a name: equal names have equal keys, different ones seldom. */
static inline uint64_t name_key(struct span text, const struct json_token *name)
{
	const char *at = text.at + name->at + 1;
	size_t len = name->len - 2;
	uint64_t first = 0, last = 0;

	if (len >= 8) {
		memcpy(&first, at, 8);
		memcpy(&last, at + len - 8, 8);
	} else if (text.len - name->at > 8 && len > 0) {
		/* Read past a short name and masked: cheaper than a copy of variable length. */
		memcpy(&first, at, 8);
		first = le64toh(first) & UINT64_MAX >> (64 - 8 * len);
	} else {
		memcpy(&first, at, len);
		first = le64toh(first);
	}
	return ((first + len) ^ (last << 29 | last >> 35)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t duplicate_by_index(const struct json *doc, uint32_t object)
{
	struct json_index index;

	json_index_init(&index, doc, object);
	uint32_t duplicate = json_index_duplicate(&index);
	json_index_fini(&index);
	return duplicate;
}

static uint32_t find_equal(const struct json *doc, uint32_t name, uint64_t key,
			   const uint64_t *keys, const uint32_t *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (keys[i] == key && names_equal(doc, names[i], name))
			return name;
	}
	return 0;
}

/* Name token of the first member whose name stood before in this object; 0 if all differ. */
static uint32_t duplicate_in_object(const struct json *doc, uint32_t object)
{
	uint32_t end = doc->tokens[object].next;
	uint64_t seen[8] = {0}; /* one bit for some keys each: most names need no search at all */
	uint64_t keys[SMALL_OBJECT_MAX];
	uint32_t names[SMALL_OBJECT_MAX];
	uint32_t count = 0;

	if (doc->tokens[object].count > SMALL_OBJECT_MAX)
		return duplicate_by_index(doc, object);
	for (uint32_t name = object + 1; name < end; name = doc->tokens[name + 1].next, count++) {
		if (doc->tokens[name].escaped)
			return duplicate_by_index(doc, object);
		uint64_t key = name_key(doc->text, &doc->tokens[name]);
		uint64_t *word = &seen[key >> 61];
		uint64_t bit = UINT64_C(1) << (key >> 55 & 63);
		if (*word & bit && find_equal(doc, name, key, keys, names, count))
			return name;
		*word |= bit;
		keys[count] = key;
		names[count] = name;
	}
	return 0;
}

/* Returns the place of the first child or of the closing bracket. */
static inline const char *open_container(struct parser *parser, const char *at, enum json_type type)
{
	if (parser->depth == parser->depth_max)
		return fail(parser, -E2BIG, at, "nested too deeply");
	parser->depth++;
	struct json_token *token = add_token(parser, at, type);
	token->next = parser->open;
	parser->open = parser->doc->count - 1;
	at = skip_space(parser, at + 1);
	return at != parser->scan.end ? at : fail(parser, -EBADMSG, at, NULL);
}

/* `at` is where the innermost container must end. */
static const char *close_container(struct parser *parser, const char *at)
{
	struct json *doc = parser->doc;
	uint32_t index = parser->open;
	struct json_token *token = &doc->tokens[index];

	if (token->type == JSON_OBJECT ? *at != '}' : *at != ']')
		return fail(parser, -EBADMSG, at, "comma or closing bracket expected");
	parser->open = token->next;
	parser->depth--;
	token->next = doc->count;
	token->len = (uint32_t)(at + 1 - parser->scan.start) - token->at;
	if (token->type == JSON_OBJECT && token->count > 1) {
		uint32_t duplicate = duplicate_in_object(doc, index);
		if (duplicate)
			return fail(parser, -ERANGE, doc->text.at + doc->tokens[duplicate].at,
				    "duplicate member name");
	}
	return at + 1;
}

static inline const char *parse_string(struct parser *parser, const char *at, bool is_name)
{
	struct json_token *token = add_token(parser, at, JSON_STRING);
	const char *end = json_scan_string(&parser->scan, at, is_name, &token->escaped);

	if (end)
		token->len = (uint32_t)(end - at);
	return end;
}

/* Name and colon; returns the place where the value begins. */
static const char *parse_name(struct parser *parser, const char *at)
{
	at = skip_space(parser, at);
	if (at == parser->scan.end || *at != '"')
		return fail(parser, -EBADMSG, at, "member name expected");
	at = parse_string(parser, at, true);
	if (!at)
		return NULL;
	at = skip_space(parser, at);
	if (at == parser->scan.end || *at != ':')
		return fail(parser, -EBADMSG, at, "colon expected");
	return at + 1;
}

static const char *parse_literal(struct parser *parser, const char *at, const char *word,
				 enum json_type type)
{
	struct json_token *token = add_token(parser, at, type);

	for (; *word; word++, at++, token->len++) {
		if (at == parser->scan.end || *at != *word)
			return fail(parser, -EBADMSG, at, "unknown word");
	}
	return at;
}

static const char *parse_number(struct parser *parser, const char *at)
{
	struct json_token *token = add_token(parser, at, JSON_INTEGER);
	const char *end = json_scan_number(&parser->scan, at, &token->type);

	if (end)
		token->len = (uint32_t)(end - at);
	return end;
}

static const char *fail_value(struct parser *parser, const char *at)
{
	struct span rest = {at, (size_t)(parser->scan.end - at)};

	if (span_starts_with(rest, SPAN("NaN")))
		return fail(parser, -ERANGE, at, "not-a-number is no JSON number");
	if (span_starts_with(rest, SPAN("Infinity")))
		return fail(parser, -ERANGE, at, "infinity is no JSON number");
	if (at == parser->scan.start && span_starts_with(rest, SPAN("\xef\xbb\xbf")))
		return fail(parser, -EBADMSG, at, "byte order mark");
	return fail(parser, -EBADMSG, at, "value expected");
}

static inline const char *parse_scalar(struct parser *parser, const char *at)
{
	switch (*at) {
	case '"':
		return parse_string(parser, at, false);
	case '-':
	case '0' ... '9':
		return parse_number(parser, at);
	case 't':
		return parse_literal(parser, at, "true", JSON_TRUE);
	case 'f':
		return parse_literal(parser, at, "false", JSON_FALSE);
	case 'n':
		return parse_literal(parser, at, "null", JSON_NULL);
	default:
		return fail_value(parser, at);
	}
}

/* Reads a scalar or an empty container, going down to the first of them. */
static const char *parse_value(struct parser *parser, const char *at)
{
	for (;;) {
		at = skip_space(parser, at);
		if (at == parser->scan.end)
			return fail(parser, -EBADMSG, at, NULL);
		if (*at != '{' && *at != '[')
			return parse_scalar(parser, at);
		enum json_type type = *at == '{' ? JSON_OBJECT : JSON_ARRAY;
		at = open_container(parser, at, type);
		if (!at || *at == '}' || *at == ']')
			return at ? close_container(parser, at) : NULL;
		parser->doc->tokens[parser->open].count = 1;
		if (type == JSON_OBJECT)
			at = parse_name(parser, at);
		if (!at)
			return NULL;
	}
}

/* `at` is behind a comma. */
static inline const char *parse_sibling(struct parser *parser, const char *at)
{
	struct json_token *container = &parser->doc->tokens[parser->open];

	container->count++;
	if (container->type == JSON_OBJECT) {
		at = parse_name(parser, at);
		if (!at)
			return NULL;
	}
	return parse_value(parser, at);
}

static const char *parse_text(struct parser *parser, const char *at)
{
	at = parse_value(parser, at);
	while (at && parser->depth > 0) {
		at = skip_space(parser, at);
		if (at == parser->scan.end)
			return fail(parser, -EBADMSG, at, NULL);
		at = *at == ',' ? parse_sibling(parser, at + 1) : close_container(parser, at);
	}
	if (!at)
		return NULL;
	at = skip_space(parser, at);
	if (at != parser->scan.end)
		return fail(parser, -EBADMSG, at, "trailing bytes");
	return at;
}

int json_parse(struct json *doc, struct span text, unsigned depth_max, struct json_fault *ret_fault)
{
	const char *start = text.len ? text.at : "";
	struct parser parser = {
		.scan = {.start = start, .end = start + text.len},
		.doc = doc,
		.open = NO_PARENT,
		.depth_max = depth_max < JSON_DEPTH_LIMIT ? depth_max : JSON_DEPTH_LIMIT,
	};

	doc->text = text;
	doc->count = 0;
	if (text.len > UINT32_MAX)
		json_scan_fail(&parser.scan, -EBADMSG, start, "text of 4 GiB or more");
	else if (parse_text(&parser, start))
		return 0;
	doc->count = 0;
	*ret_fault = parser.scan.fault;
	return parser.scan.error;
}

void json_fini(struct json *doc)
{
	free(doc->tokens);
	*doc = (struct json){0};
}
