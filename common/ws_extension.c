/* ws_extension.c — the grammar of RFC 6455 section 9.1, and the parameters of RFC 7692 section 7.1.
 */
#include "ws_extension.h"

#define WINDOW_MIN 8
#define WINDOW_MAX 15

struct scan {
	const char *at;
	const char *end;
};

/* Bits of what an offer has said so far. */
enum parameter {
	SERVER_NO_TAKEOVER = 1,
	CLIENT_NO_TAKEOVER = 2,
	SERVER_WINDOW = 4,
	CLIENT_WINDOW = 8,
};

static bool is_token(unsigned char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
		scan->at++;
}

/* The character after blanks, taken if it is this one. */
static bool take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* False: there is none. */
static bool take_token(struct scan *scan, struct span *ret)
{
	skip_blanks(scan);
	const char *begin = scan->at;
	while (scan->at < scan->end && is_token((unsigned char)*scan->at))
		scan->at++;
	*ret = span_of(begin, (size_t)(scan->at - begin));
	return ret->len > 0;
}

/* Behind the opening quote. What is quoted must be a token once the backslashes are off: one that
 * has a backslash is right, but none of the values that mean something is written so. */
static bool take_quoted(struct scan *scan, struct span *ret)
{
	const char *begin = scan->at;
	while (scan->at < scan->end && *scan->at != '"') {
		if (*scan->at == '\\' && ++scan->at == scan->end)
			return false;
		if (!is_token((unsigned char)*scan->at))
			return false;
		scan->at++;
	}
	*ret = span_of(begin, (size_t)(scan->at - begin));
	return ret->len > 0 && take(scan, '"');
}

/* 0: not a number of window bits. */
static unsigned window_of(struct span value)
{
	unsigned bits = 0;
	if (value.len == 0 || value.len > 2 || value.at[0] == '0')
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return 0;
		bits = bits * 10 + (unsigned)(value.at[i] - '0');
	}
	return bits >= WINDOW_MIN && bits <= WINDOW_MAX ? bits : 0;
}

/* The parameter's bit; 0: it is unknown, or has a value that cannot be met. `value.at` NULL: none.
 */
static unsigned parameter_judge(struct span name, struct span value)
{
	if (span_equals(name, SPAN("server_no_context_takeover")))
		return value.at ? 0 : SERVER_NO_TAKEOVER;
	if (span_equals(name, SPAN("client_no_context_takeover")))
		return value.at ? 0 : CLIENT_NO_TAKEOVER;
	if (span_equals(name, SPAN("server_max_window_bits")))
		return window_of(value) == WINDOW_MAX ? SERVER_WINDOW : 0;
	if (span_equals(name, SPAN("client_max_window_bits")))
		return !value.at || window_of(value) ? CLIENT_WINDOW : 0;
	return 0;
}

/* Reads one extension with its parameters. False: malformed. */
static bool take_offer(struct scan *scan, enum ws_deflate_answer *ret)
{
	struct span extension, name;
	unsigned seen = 0;
	bool met;

	if (!take_token(scan, &extension))
		return false;
	met = span_equals(extension, SPAN("permessage-deflate"));
	while (take(scan, ';')) {
		struct span value = SPAN_NONE;
		if (!take_token(scan, &name))
			return false;
		if (take(scan, '=') &&
		    !(take(scan, '"') ? take_quoted(scan, &value) : take_token(scan, &value)))
			return false;
		unsigned bit = parameter_judge(name, value);
		met = met && bit && !(seen & bit);
		seen |= bit;
	}
	*ret = !met                   ? WS_DEFLATE_NONE
	       : seen & SERVER_WINDOW ? WS_DEFLATE_WITH_WINDOW
				      : WS_DEFLATE_PLAIN;
	return true;
}

enum ws_deflate_answer ws_extension_choose(struct span offers)
{
	if (!offers.len)
		return WS_DEFLATE_NONE;
	struct scan scan = {offers.at, offers.at + offers.len};
	enum ws_deflate_answer chosen = WS_DEFLATE_NONE, offer;

	/* To the end, also behind an offer that can be met: a header is right or wrong as a whole.
	 * A list may have empty places (RFC 7230 section 7). */
	for (;;) {
		while (take(&scan, ','))
			;
		if (scan.at == scan.end)
			return chosen;
		if (!take_offer(&scan, &offer))
			return WS_DEFLATE_NONE;
		if (chosen == WS_DEFLATE_NONE)
			chosen = offer;
		if (!take(&scan, ',') && scan.at < scan.end)
			return WS_DEFLATE_NONE;
	}
}

const char *ws_extension_answer(enum ws_deflate_answer answer)
{
	static const char *const texts[] = {
		[WS_DEFLATE_PLAIN] = "permessage-deflate; server_no_context_takeover; "
				     "client_no_context_takeover",
		[WS_DEFLATE_WITH_WINDOW] = "permessage-deflate; server_no_context_takeover; "
					   "client_no_context_takeover; server_max_window_bits=15",
	};
	return texts[answer];
}
