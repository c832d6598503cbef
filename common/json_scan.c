/* json_scan.c — strings and numbers of the strict scanner.
 *
 * Faults are reported where the first wrong byte is, or at the end of the text if that came too
 * early. What is JSON but cannot be kept (-ERANGE) is reported at its first byte: the number's, or
 * the escape's backslash. */
#include "json_scan.h"
#ifdef __SSE2__
#include <emmintrin.h>
#else
#include <endian.h>
#endif

__attribute__((cold, noinline)) const char *json_scan_fail(struct json_scan *scan, int error,
							   const char *at, const char *reason)
{
	scan->error = error;
	scan->fault = (struct json_fault){(size_t)(at - scan->start), reason};
	return NULL;
}

static const char *fail_end(struct json_scan *scan, const char *reason)
{
	return json_scan_fail(scan, -EBADMSG, scan->end, reason);
}

/* The character behind the one at `at`, or NULL if that is no UTF-8 (RFC 3629). */
static const char *utf8_skip(const char *at, const char *end)
{
	const unsigned char *bytes = (const unsigned char *)at;
	size_t left = (size_t)(end - at);
	unsigned char lead = bytes[0];

	if (lead < 0x80)
		return at + 1;
	if (lead < 0xc2 || lead > 0xf4 || left < 2)
		return NULL;
	/* Narrower for the second byte of some: no overlong forms, no surrogates, nothing above
	 * U+10FFFF. */
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (bytes[1] < low || bytes[1] > high)
		return NULL;
	size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < len)
		return NULL;
	for (size_t i = 2; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return NULL;
	}
	return at + len;
}

/* Bytes of a string that stand for themselves and are ASCII. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true,
	[0x23 ... 0x5b] = true,
	[0x5d ... 0x7f] = true,
};

/* Where among the next STRIDE bytes the first one is that is a quote, a backslash, a control
 * character or not ASCII; STRIDE: nowhere. */
#ifdef __SSE2__
#define STRIDE 16

static inline size_t find_special(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)at);
	__m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* Signed: what is not ASCII is negative, and so below a space too. */
	__m128i below = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
	int stop = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), below));
	return (size_t)__builtin_ctz((unsigned)stop | 1u << STRIDE);
}
#else
#define STRIDE 8
#define ONES UINT64_C(0x0101010101010101)

static inline uint64_t load64(const char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* The top bit of a byte in `stop` is set where it is one. Borrows of the subtractions spoil only
 * bytes behind the first such one. */
static inline size_t find_special(const char *at)
{
	uint64_t word = load64(at);
	uint64_t quote = (word ^ ONES * '"') - ONES;
	uint64_t backslash = (word ^ ONES * '\\') - ONES;
	uint64_t control = word - ONES * 0x20;
	uint64_t stop = (quote | backslash | control | word) & ONES * 0x80;
	return stop ? (size_t)(__builtin_ctzll(stop) >> 3) : STRIDE;
}
#endif

static inline const char *skip_plain(const char *at, const char *end)
{
	while (end - at >= STRIDE) {
		size_t special = find_special(at);
		at += special;
		if (special != STRIDE)
			return at;
	}
	while (at != end && plain[(unsigned char)*at])
		at++;
	return at;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits of \uXXXX. */
static const char *scan_hex(struct json_scan *scan, const char *at, unsigned *ret_unit)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++, at++) {
		if (at == scan->end)
			return fail_end(scan, "text ends inside a string");
		int digit = hex_digit(*at);
		if (digit < 0)
			return json_scan_fail(scan, -EBADMSG, at, "bad \\u escape");
		unit = unit << 4 | (unsigned)digit;
	}
	*ret_unit = unit;
	return at;
}

/* `at` is behind the first half of a surrogate pair, whose backslash is at `first`. */
static const char *scan_low_surrogate(struct json_scan *scan, const char *first, const char *at)
{
	static const char lone[] = "lone surrogate";
	unsigned unit = 0;

	for (int i = 0; i < 2; i++, at++) {
		if (at == scan->end)
			return fail_end(scan, "text ends inside a string");
		if (*at != "\\u"[i])
			return json_scan_fail(scan, -ERANGE, first, lone);
	}
	at = scan_hex(scan, at, &unit);
	if (at && (unit < 0xdc00 || unit > 0xdfff))
		return json_scan_fail(scan, -ERANGE, first, lone);
	return at;
}

static const char *scan_unicode_escape(struct json_scan *scan, const char *first, bool is_name)
{
	unsigned unit = 0;
	const char *at = scan_hex(scan, first + 2, &unit);

	if (!at)
		return NULL;
	if (unit >= 0xd800 && unit <= 0xdbff)
		return scan_low_surrogate(scan, first, at);
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return json_scan_fail(scan, -ERANGE, first, "lone surrogate");
	if (unit == 0 && is_name)
		return json_scan_fail(scan, -ERANGE, first, "NUL in a member name");
	return at;
}

static const char *scan_escape(struct json_scan *scan, const char *at, bool is_name)
{
	if (scan->end - at < 2)
		return fail_end(scan, "text ends inside a string");
	switch (at[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 2;
	case 'u':
		return scan_unicode_escape(scan, at, is_name);
	default:
		return json_scan_fail(scan, -EBADMSG, at + 1, "unknown escape");
	}
}

/* A run of characters that are not ASCII: text in most scripts comes in runs. */
static const char *scan_utf8(struct json_scan *scan, const char *at)
{
	while (at != scan->end && (unsigned char)*at >= 0x80) {
		const char *next = utf8_skip(at, scan->end);
		if (!next)
			return json_scan_fail(scan, -EBADMSG, at, "invalid UTF-8");
		at = next;
	}
	return at;
}

const char *json_scan_string(struct json_scan *scan, const char *at, bool is_name,
			     uint8_t *ret_escaped)
{
	uint8_t escaped = 0;

	at++;
	for (;;) {
		at = skip_plain(at, scan->end);
		if (at == scan->end)
			return fail_end(scan, "text ends inside a string");
		if (*at == '"') {
			*ret_escaped = escaped;
			return at + 1;
		}
		if (*at == '\\') {
			escaped = 1;
			at = scan_escape(scan, at, is_name);
		} else if ((unsigned char)*at >= 0x80) {
			at = scan_utf8(scan, at);
		} else {
			return json_scan_fail(scan, -EBADMSG, at, "control character in a string");
		}
		if (!at)
			return NULL;
	}
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

static const char *skip_digits(const char *at, const char *end)
{
	while (at != end && is_digit(*at))
		at++;
	return at;
}

static const char *scan_digits(struct json_scan *scan, const char *at)
{
	if (at == scan->end)
		return fail_end(scan, "text ends inside a number");
	if (!is_digit(*at))
		return json_scan_fail(scan, -EBADMSG, at, "digit expected");
	return skip_digits(at + 1, scan->end);
}

static bool integer_fits(struct span digits, bool negative)
{
	struct span limit = negative ? SPAN("9223372036854775808") : SPAN("18446744073709551615");

	if (digits.len != limit.len)
		return digits.len < limit.len;
	return memcmp(digits.at, limit.at, limit.len) <= 0;
}

/* The exponent behind `e`, held where no text below 4 GiB of digits could bring it back to a small
 * one. */
static int64_t exponent_value(const char *at, const char *end)
{
	const int64_t limit = INT64_C(1) << 40;
	bool negative = *at == '-';
	int64_t value = 0;

	for (at += *at == '-' || *at == '+'; at != end; at++) {
		value = value * 10 + (*at - '0');
		if (value > limit)
			value = limit;
	}
	return negative ? -value : value;
}

/* 2^1024 - 2^970: the least number that binary64 rounds to infinity. 309 digits. */
static const char double_limit[] = "179769313486231580793728971405303415079934132710037826936173778"
				   "980444968292764750946649017977587207"
				   "096330286416692887910946555547851940402630657488671505820681908"
				   "902000708383676273854845817711531764"
				   "475730270069855571366959622842914819860834936475292719074168444"
				   "365510704342711559699508093042880177"
				   "904174497792";

/* Exact and without strtod, whose decimal point depends on the locale. [at, end) is a number
 * without its sign. */
static bool double_overflows(const char *at, const char *end)
{
	const int64_t limit_len = sizeof(double_limit) - 1;
	const char *mantissa_end = at;
	const char *point = NULL;

	while (mantissa_end != end && (is_digit(*mantissa_end) || *mantissa_end == '.')) {
		if (*mantissa_end == '.')
			point = mantissa_end;
		mantissa_end++;
	}
	while (at != mantissa_end && (*at == '0' || *at == '.'))
		at++;
	if (at == mantissa_end)
		return false; /* zero, whatever the exponent */
	/* The number is 0.ddd… times ten to this. */
	int64_t scale = (point ? point : mantissa_end) - at;
	if (point && point < at)
		scale++; /* the point itself was counted */
	if (mantissa_end != end)
		scale += exponent_value(mantissa_end + 1, end);
	if (scale != limit_len)
		return scale > limit_len;
	for (const char *limit = double_limit; *limit; at++) {
		if (at == mantissa_end)
			return false;
		if (*at == '.')
			continue;
		if (*at != *limit)
			return *at > *limit;
		limit++;
	}
	return true;
}

static const char *scan_fraction(struct json_scan *scan, const char *at)
{
	if (*at == '.') {
		at = scan_digits(scan, at + 1);
		if (!at || at == scan->end)
			return at;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		if (at != scan->end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits(scan, at);
	}
	return at;
}

static const char *scan_double(struct json_scan *scan, const char *start, const char *digits,
			       const char *at)
{
	at = scan_fraction(scan, at);
	if (at && double_overflows(digits, at))
		return json_scan_fail(scan, -ERANGE, start, "number beyond binary64");
	return at;
}

const char *json_scan_number(struct json_scan *scan, const char *at, uint8_t *ret_type)
{
	const char *start = at;
	const char *digits = at + (*at == '-');

	if (scan->end - digits >= 8 && digits != start && memcmp(digits, "Infinity", 8) == 0)
		return json_scan_fail(scan, -ERANGE, start, "infinity is no JSON number");
	at = scan_digits(scan, digits);
	if (!at)
		return NULL;
	if (*digits == '0' && at - digits > 1)
		return json_scan_fail(scan, -EBADMSG, digits + 1, "leading zero");
	if (at != scan->end && (*at == '.' || *at == 'e' || *at == 'E')) {
		*ret_type = JSON_DOUBLE;
		return scan_double(scan, start, digits, at);
	}
	*ret_type = JSON_INTEGER;
	if (at - digits > 18 &&
	    !integer_fits(span_of(digits, (size_t)(at - digits)), digits != start))
		return json_scan_fail(scan, -ERANGE, start, "integer beyond 64 bits");
	return at;
}
