/* json_value.c — looking into tokens: members, decoded strings, equality. */
#include "json_lookup.h"
#include <float.h>

struct span json_raw(const struct json *doc, uint32_t token)
{
	return span_of(doc->text.at + doc->tokens[token].at, doc->tokens[token].len);
}

static unsigned hex4(const char *at)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)at[i];
		unit = unit << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

static size_t utf8_encode(unsigned code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = len - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	out[0] = (char)(lead[len] | code);
	return len;
}

/* Decodes the escape at *at, which the scanner has found sound, and steps over it. Returns the
 * bytes written. */
static size_t escape_decode(const char **at, char out[4])
{
	char letter = (*at)[1];

	if (letter == 'u') {
		unsigned code = hex4(*at + 2);
		*at += 6;
		if (code >= 0xd800 && code <= 0xdbff) {
			code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
			*at += 6;
		}
		return utf8_encode(code, out);
	}
	*at += 2;
	switch (letter) {
	case 'b':
		letter = '\b';
		break;
	case 'f':
		letter = '\f';
		break;
	case 'n':
		letter = '\n';
		break;
	case 'r':
		letter = '\r';
		break;
	case 't':
		letter = '\t';
		break;
	}
	out[0] = letter;
	return 1;
}

int json_string(const struct json *doc, uint32_t token, struct buffer *ret)
{
	if (doc->tokens[token].type != JSON_STRING)
		return -EINVAL;
	struct span inner = json_inner(doc, token);
	if (!doc->tokens[token].escaped) {
		buffer_append_span(ret, inner);
		return 0;
	}
	char *out =
		buffer_reserve(ret, inner.len); /* no escape is shorter than what it stands for */
	char *first = out;
	for (const char *at = inner.at, *end = inner.at + inner.len; at != end;) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t run = (size_t)((escape ? escape : end) - at);
		memcpy(out, at, run);
		out += run;
		at += run;
		if (escape)
			out += escape_decode(&at, out);
	}
	ret->len += (size_t)(out - first);
	return 0;
}

static bool escaped_equals(struct span inner, struct span utf8)
{
	const char *end = inner.at + inner.len;

	for (const char *at = inner.at; at != end;) {
		char bytes[4];
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		struct span part = {at, (size_t)((escape ? escape : end) - at)};
		if (!span_starts_with(utf8, part))
			return false;
		if (part.len) /* an empty span may have no place at all */
			utf8 = span_of(utf8.at + part.len, utf8.len - part.len);
		at += part.len;
		if (!escape)
			break;
		part = span_of(bytes, escape_decode(&at, bytes));
		if (!span_starts_with(utf8, part))
			return false;
		utf8 = span_of(utf8.at + part.len, utf8.len - part.len);
	}
	return utf8.len == 0;
}

bool json_string_equals(const struct json *doc, uint32_t token, struct span utf8)
{
	if (doc->tokens[token].type != JSON_STRING)
		return false;
	struct span inner = json_inner(doc, token);
	return doc->tokens[token].escaped ? escaped_equals(inner, utf8) : span_equals(inner, utf8);
}

uint32_t json_member(const struct json *doc, uint32_t object, struct span name)
{
	const struct json_token *tokens = doc->tokens;

	if (tokens[object].type != JSON_OBJECT)
		return 0;
	for (uint32_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		if (tokens[i].len - 2 == name.len || tokens[i].escaped) {
			if (json_string_equals(doc, i, name))
				return i + 1;
		}
	}
	return 0;
}

unsigned json_depth(const struct json *doc, uint32_t token)
{
	uint32_t ends[JSON_DEPTH_LIMIT];
	unsigned depth = 0, deepest = 0;

	for (uint32_t i = token; i < doc->tokens[token].next; i++) {
		while (depth > 0 && i >= ends[depth - 1])
			depth--;
		if (doc->tokens[i].type < JSON_ARRAY)
			continue;
		ends[depth++] = doc->tokens[i].next;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

/* An integer's distance from zero; -0 is 0. */
static uint64_t integer_magnitude(struct span raw, bool *ret_negative)
{
	uint64_t magnitude = 0;

	for (size_t i = raw.at[0] == '-'; i < raw.len; i++)
		magnitude = magnitude * 10 + (uint64_t)(raw.at[i] - '0');
	*ret_negative = raw.at[0] == '-' && magnitude != 0;
	return magnitude;
}

int json_int64(const struct json *doc, uint32_t token, int64_t *ret)
{
	bool negative;

	if (doc->tokens[token].type != JSON_INTEGER)
		return -EINVAL;
	uint64_t magnitude = integer_magnitude(json_raw(doc, token), &negative);
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	/* Down by one first: -INT64_MIN is no int64. */
	*ret = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
	return 0;
}

/* Any number by strtod. Its point is dropped and counted in the exponent instead, because which
 * point strtod understands depends on the locale. */
static double double_by_strtod(struct span raw, size_t digits_end, int64_t fraction_digits,
			       int64_t exponent)
{
	struct buffer text CLEANUP(buffer_fini) = {0};

	for (size_t i = 0; i < digits_end; i++) {
		if (raw.at[i] != '.')
			buffer_append_char(&text, raw.at[i]);
	}
	buffer_append_char(&text, 'e');
	buffer_append_i64(&text, exponent - fraction_digits);
	buffer_append_char(&text, '\0');
	return strtod(text.at, NULL);
}

/* Held where no digits of a text below 4 GiB could bring it back to a small one. */
static int64_t read_exponent(struct span raw, size_t at)
{
	const int64_t limit = INT64_C(1) << 40;
	int64_t value = 0;

	if (at >= raw.len)
		return 0;
	bool negative = raw.at[at + 1] == '-';
	for (at += raw.at[at + 1] == '-' || raw.at[at + 1] == '+' ? 2 : 1; at < raw.len; at++) {
		value = value * 10 + (raw.at[at] - '0');
		if (value > limit)
			value = limit;
	}
	return negative ? -value : value;
}

static double number_double(struct span raw)
{
	static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	uint64_t mantissa = 0;
	int64_t fraction_digits = 0;
	bool negative = raw.at[0] == '-', in_fraction = false;
	size_t i = negative;

	for (; i < raw.len && raw.at[i] != 'e' && raw.at[i] != 'E'; i++) {
		if (raw.at[i] == '.') {
			in_fraction = true;
			continue;
		}
		fraction_digits += in_fraction;
		if (mantissa < UINT64_C(1) << 56)
			mantissa = mantissa * 10 + (uint64_t)(raw.at[i] - '0');
	}
	int64_t exponent = read_exponent(raw, i);
	int64_t scale = exponent - fraction_digits;
	/* Both are exact in binary64, so one operation rounds once. Not with the extended precision
	 * of the x87. */
	if (FLT_EVAL_METHOD != 0 || mantissa > UINT64_C(1) << 53 || scale < -22 || scale > 22)
		return double_by_strtod(raw, i, fraction_digits, exponent);
	double value = (double)mantissa;
	value = scale < 0 ? value / tens[-scale] : value * tens[scale];
	return negative ? -value : value;
}

static bool numbers_equal(const struct json *a, uint32_t a_token, const struct json *b,
			  uint32_t b_token)
{
	struct span a_raw = json_raw(a, a_token), b_raw = json_raw(b, b_token);

	if (span_equals(a_raw, b_raw))
		return true;
	if (a->tokens[a_token].type == JSON_INTEGER && b->tokens[b_token].type == JSON_INTEGER) {
		bool a_negative, b_negative;
		uint64_t a_magnitude = integer_magnitude(a_raw, &a_negative);
		uint64_t b_magnitude = integer_magnitude(b_raw, &b_negative);
		return a_magnitude == b_magnitude && a_negative == b_negative;
	}
	return number_double(a_raw) == number_double(b_raw);
}

static bool strings_equal(const struct json *a, uint32_t a_token, const struct json *b,
			  uint32_t b_token)
{
	struct span a_inner = json_inner(a, a_token), b_inner = json_inner(b, b_token);

	if (span_equals(a_inner, b_inner))
		return true;
	if (!a->tokens[a_token].escaped)
		return b->tokens[b_token].escaped && escaped_equals(b_inner, a_inner);
	struct buffer decoded CLEANUP(buffer_fini) = {0};
	json_string(a, a_token, &decoded);
	return json_string_equals(b, b_token, buffer_span(&decoded));
}

static bool values_equal(const struct json *a, uint32_t a_token, const struct json *b,
			 uint32_t b_token);

/* Names are unique in each and the counts are equal: if every name of `a` is in `b`, they have the
 * same names. */
static bool objects_equal(const struct json *a, uint32_t a_token, const struct json *b,
			  uint32_t b_token)
{
	struct json_lookup CLEANUP(json_lookup_fini) lookup;

	json_lookup_init(&lookup, b, b_token);
	for (uint32_t name = a_token + 1; name < a->tokens[a_token].next;
	     name = a->tokens[name + 1].next) {
		uint32_t b_value = json_lookup_find(&lookup, a, name);
		if (!b_value || !values_equal(a, name + 1, b, b_value))
			return false;
	}
	return true;
}

static bool arrays_equal(const struct json *a, uint32_t a_token, const struct json *b,
			 uint32_t b_token)
{
	uint32_t a_item = a_token + 1, b_item = b_token + 1;

	for (uint32_t i = 0; i < a->tokens[a_token].count; i++) {
		if (!values_equal(a, a_item, b, b_item))
			return false;
		a_item = a->tokens[a_item].next;
		b_item = b->tokens[b_item].next;
	}
	return true;
}

static bool is_number(uint8_t type)
{
	return type == JSON_INTEGER || type == JSON_DOUBLE;
}

/* Recursive: at most JSON_DEPTH_LIMIT frames, see json_parse(). */
static bool values_equal(const struct json *a, uint32_t a_token, const struct json *b,
			 uint32_t b_token)
{
	const struct json_token *left = &a->tokens[a_token], *right = &b->tokens[b_token];

	if (is_number(left->type) && is_number(right->type))
		return numbers_equal(a, a_token, b, b_token);
	if (left->type != right->type || left->count != right->count)
		return false;
	switch (left->type) {
	case JSON_STRING:
		return strings_equal(a, a_token, b, b_token);
	case JSON_ARRAY:
		return arrays_equal(a, a_token, b, b_token);
	case JSON_OBJECT:
		return objects_equal(a, a_token, b, b_token);
	default:
		return true;
	}
}

bool json_equals(const struct json *a, uint32_t a_token, const struct json *b, uint32_t b_token)
{
	/* The same text is the same value. Asked once: at every level it would cost depth times
	 * size. */
	if (span_equals(json_raw(a, a_token), json_raw(b, b_token)))
		return true;
	return values_equal(a, a_token, b, b_token);
}
