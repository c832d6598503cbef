/* config_scan.c — which keys stand where in a file. Why a scanner in front of libconfuse 3.3 (seen
 * with Debian 12's and 13's):
 *   - it counts a line with a comment more than once, so its error lines are wrong: comments go
 *     before it sees them;
 *   - a section or comment that is never closed is taken in silence; a key set twice too, the last
 *     one wins;
 *   - an unquoted `*` or `+` vanishes: cors_origins = {*} becomes an empty list; "a\0b" becomes
 *     "a";
 *   - "" where a key should stand is refused without a word about it;
 *   - ${NAME} is replaced by the environment;
 *   - it does not tell where a key stood, and faults of range or meaning are found long after it
 *     has gone.
 * The scanner refuses these and reports the keys; values, and all faults of grammar, stay with
 * libconfuse. */
#define _GNU_SOURCE
#include "config_table.h"

struct scan {
	char *text;
	size_t len;
	size_t at;
	unsigned line;
	struct span word; /* the last one, if it may name a key or a section; else empty */
	unsigned word_line;
	struct span section; /* the one that is open, or empty */
	unsigned section_line;
	bool want_value; /* behind `=` */
	bool in_list;
	config_scan_fn fn;
	void *arg;
	const char *reason; /* set: stop with -EINVAL */
};

static int fault(struct scan *scan, unsigned line, const char *reason)
{
	scan->line = line;
	scan->reason = reason;
	return -EINVAL;
}

static char peek(const struct scan *scan, size_t ahead)
{
	return scan->at + ahead < scan->len ? scan->text[scan->at + ahead] : '\0';
}

static void blank_line_comment(struct scan *scan)
{
	while (scan->at < scan->len && scan->text[scan->at] != '\n')
		scan->text[scan->at++] = ' ';
}

static int blank_block_comment(struct scan *scan)
{
	unsigned start = scan->line;
	char *end = memmem(scan->text + scan->at + 2, scan->len - scan->at - 2, "*/", 2);

	if (!end)
		return fault(scan, start, "the comment that begins here is never closed");
	for (; scan->text + scan->at < end + 2; scan->at++) {
		if (scan->text[scan->at] == '\n')
			scan->line++;
		else
			scan->text[scan->at] = ' ';
	}
	return 0;
}

static int quoted_escape(struct scan *scan, char quote)
{
	char next = peek(scan, 1);

	if (next == '\\' || next == quote || (next == '$' && quote == '"')) {
		scan->at += 2;
		return 0;
	}
	return fault(
		scan, scan->line,
		quote == '"'
			? "in double quotes only \\\", \\\\ and \\$ may stand behind a backslash"
			: "in single quotes only \\' and \\\\ may stand behind a backslash");
}

static int quoted(struct scan *scan)
{
	char quote = scan->text[scan->at++];

	if (!scan->want_value && !scan->in_list)
		return fault(scan, scan->line, "a text in quotes where a key should stand");
	scan->want_value = false;
	for (;;) {
		unsigned char c = (unsigned char)peek(scan, 0);
		if (scan->at >= scan->len || c == '\n')
			return fault(scan, scan->line,
				     "the text in quotes does not end on this line");
		if (c < 0x20 || c == 0x7f)
			return fault(scan, scan->line,
				     "there is a control character in the text in quotes");
		if (c == '$' && quote == '"' && peek(scan, 1) == '{')
			return fault(scan, scan->line,
				     "${…} is not expanded; for these very characters write \\${");
		if (c == '\\') {
			if (quoted_escape(scan, quote) < 0)
				return -EINVAL;
			continue;
		}
		scan->at++;
		if (c == (unsigned char)quote)
			return 0;
	}
}

/* libconfuse's idea of an unquoted string, less what cannot be meant. */
static int word(struct scan *scan)
{
	size_t start = scan->at;

	for (; scan->at < scan->len; scan->at++) {
		unsigned char c = (unsigned char)scan->text[scan->at];
		if (strchr(" \t\r\n\"'={}(),+*#", c) && c != '\0')
			break;
		if (c < 0x20 || c >= 0x7f)
			return fault(scan, scan->line,
				     "outside of quotes only printable ASCII may stand");
	}
	if (peek(scan, 0) == '#' || peek(scan, 0) == '*')
		return fault(scan, scan->line,
			     "`#` or `*` in an unquoted text: put the text in quotes");
	if (scan->text[scan->at - 1] == '$' && peek(scan, 0) == '{')
		return fault(scan, scan->line,
			     "${…} is not expanded; for these very characters use quotes and \\${");
	scan->word = SPAN_NONE;
	if (!scan->want_value && !scan->in_list) {
		scan->word = span_of(scan->text + start, scan->at - start);
		scan->word_line = scan->line;
	}
	scan->want_value = false;
	return 0;
}

static int equals_sign(struct scan *scan)
{
	int error;

	scan->at++;
	if (scan->word.len == 0)
		return fault(
			scan, scan->line,
			"`=` without a key before it; a text with `=` in it must be in quotes");
	error = scan->fn(CONFIG_SCAN_KEY, scan->section, scan->word, scan->word_line, scan->arg);
	scan->word = SPAN_NONE;
	scan->want_value = true;
	return error;
}

static int opening_brace(struct scan *scan)
{
	int error;

	scan->at++;
	if (scan->want_value) {
		scan->want_value = false;
		scan->in_list = true;
		return 0;
	}
	if (scan->word.len == 0)
		return fault(scan, scan->line, "`{` without a section's name before it");
	error = scan->fn(CONFIG_SCAN_SECTION, scan->section, scan->word, scan->word_line,
			 scan->arg);
	scan->section = scan->word;
	scan->section_line = scan->word_line;
	scan->word = SPAN_NONE;
	return error;
}

static int closing_brace(struct scan *scan)
{
	scan->at++;
	scan->word = SPAN_NONE;
	if (scan->in_list)
		scan->in_list = false;
	else if (scan->section.len)
		scan->section = SPAN_NONE;
	else
		return fault(scan, scan->line, "`}` without a `{` before it");
	return 0;
}

static int step(struct scan *scan)
{
	char c = scan->text[scan->at];
	char next = peek(scan, 1);

	switch (c) {
	case '\n':
		scan->line++;
		scan->at++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case ',':
		scan->at++;
		return 0;
	case '=':
		return equals_sign(scan);
	case '{':
		return opening_brace(scan);
	case '}':
		return closing_brace(scan);
	case '"':
	case '\'':
		return quoted(scan);
	case '(':
	case ')':
		return fault(scan, scan->line, "functions, such as include(), are not supported");
	case '+':
	case '*':
		return fault(scan, scan->line, "`+` or `*` outside of quotes");
	}
	if (c == '#' || (c == '/' && next == '/')) {
		blank_line_comment(scan);
		return 0;
	}
	return c == '/' && next == '*' ? blank_block_comment(scan) : word(scan);
}

int config_scan(char *text, size_t len, config_scan_fn fn, void *arg, unsigned *ret_line,
		const char **ret_reason)
{
	struct scan scan = {.text = text, .len = len, .line = 1, .fn = fn, .arg = arg};
	int error = 0;

	while (error == 0 && scan.at < scan.len)
		error = step(&scan);
	if (error == 0 && scan.in_list)
		error = fault(&scan, scan.line, "the list is never closed");
	if (error == 0 && scan.section.len)
		error = fault(&scan, scan.section_line,
			      "the section that begins here is never closed");
	if (scan.reason) {
		*ret_line = scan.line;
		*ret_reason = scan.reason;
	}
	return error;
}
