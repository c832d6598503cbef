/* output.c — see output.h. Tables are in output_table.c. */
#define _GNU_SOURCE
#include "output.h"

#include "utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- where it goes ---- */

static bool stderr_is_json;

void output_use_json(void)
{
	stderr_is_json = true;
}

void output_open(struct output *output, bool json)
{
	struct winsize size;
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	*output = (struct output){.json = json, .terminal = isatty(STDOUT_FILENO)};
	output->colour = output->terminal && !json && !(no_colour && *no_colour) && term &&
			 strcmp(term, "dumb") != 0;
	if (output->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		output->width = size.ws_col;
}

int output_write(struct span text)
{
	if (!text.len)
		return 0;
	if (fwrite(text.at, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
		return 0;
	return errno ? -errno : -EIO;
}

/* A script that reads stderr line by line shall find nothing but JSON there. */
static void tell(const char *member, const char *prefix, const char *format, va_list args)
{
	CLEANUP(buffer_fini) struct buffer line = {0};
	char *text;
	MUST(vasprintf(&text, format, args) >= 0);
	if (stderr_is_json) {
		CLEANUP(buffer_fini) struct buffer safe = {0}; /* arguments need not be UTF-8 */
		output_append_safe(&safe, span_string(text));
		buffer_printf(&line, "{\"%s\":", member);
		buffer_append_json(&line, buffer_span(&safe));
		buffer_append_char(&line, '}');
	} else {
		buffer_printf(&line, "%s%s", prefix, text);
	}
	fprintf(stderr, "%.*s\n", SPAN_ARGS(buffer_span(&line)));
	free(text);
}

void output_complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tell("detail", "syncdocctl: ", format, args);
	va_end(args);
}

void output_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tell("note", "", format, args);
	va_end(args);
}

void output_colour(const struct output *output, struct buffer *ret, enum colour colour)
{
	static const char *const codes[] = {
		[COLOUR_NONE] = "\033[0m",   [COLOUR_RED] = "\033[31m",
		[COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
		[COLOUR_BLUE] = "\033[34m",  [COLOUR_DIM] = "\033[2m",
		[COLOUR_BOLD] = "\033[1m"};
	if (output->colour)
		buffer_append_string(ret, codes[colour]);
}

/* ---- text ---- */

/* Length of the character at the front, and its number. 0: no UTF-8. */
static size_t decode(struct span text, uint32_t *ret)
{
	const unsigned char *at = (const unsigned char *)text.at;
	size_t len = utf8_char_len(text);
	if (!len)
		return 0;
	uint32_t number = len == 1 ? at[0] : at[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
		number = number << 6 | (at[i] & 0x3f);
	*ret = number;
	return len;
}

/* Those that steer a terminal, and those that show text in another order than it stands. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void output_append_safe(struct buffer *ret, struct span text)
{
	while (text.len) {
		uint32_t number = 0;
		size_t len = decode(text, &number);
		if (!len)
			buffer_append_char(ret, '?');
		else if (is_unsafe(number))
			buffer_printf(ret, "\\u%04" PRIx32, number);
		else
			buffer_append(ret, text.at, len);
		len = len ? len : 1;
		text = span_of(text.at + len, text.len - len);
	}
}

/* ---- JSON ---- */

static void append_line(struct buffer *ret, unsigned level)
{
	buffer_append_char(ret, '\n');
	for (unsigned i = 0; i < level; i++)
		buffer_append_string(ret, "  ");
}

/* Recursion follows the depth, which json_parse() limits. */
static void append_children(struct buffer *ret, const struct json *json, uint32_t token,
			    unsigned level)
{
	bool object = json->tokens[token].type == JSON_OBJECT;
	for (uint32_t i = token + 1; i < json->tokens[token].next;) {
		uint32_t value = object ? i + 1 : i;
		append_line(ret, level + 1);
		if (object) {
			output_append_safe(ret, json_raw(json, i));
			buffer_append_string(ret, ": ");
		}
		output_append_pretty(ret, json, value, level + 1);
		i = json->tokens[value].next;
		if (i < json->tokens[token].next)
			buffer_append_char(ret, ',');
	}
	append_line(ret, level);
}

void output_append_pretty(struct buffer *ret, const struct json *json, uint32_t token,
			  unsigned level)
{
	const struct json_token *at = &json->tokens[token];
	bool object = at->type == JSON_OBJECT;
	if (!object && at->type != JSON_ARRAY) {
		output_append_safe(ret, json_raw(json, token));
		return;
	}
	buffer_append_char(ret, object ? '{' : '[');
	if (at->count)
		append_children(ret, json, token, level);
	buffer_append_char(ret, object ? '}' : ']');
}

void output_append_short(struct buffer *ret, struct span json_text, size_t max)
{
	CLEANUP(buffer_fini) struct buffer safe = {0};
	size_t cut = json_text.len;
	if (max && cut > max * 4)
		cut = max * 4; /* bytes of the longest characters: no need to look at more */
	while (cut < json_text.len && cut > 0 && ((unsigned char)json_text.at[cut] & 0xc0) == 0x80)
		cut--;
	output_append_safe(&safe, span_of(json_text.at, cut));
	size_t characters = 0, at = 0, fits = 0;
	for (; at < safe.len; at++) {
		if (((unsigned char)safe.at[at] & 0xc0) == 0x80)
			continue;
		if (max && ++characters == max)
			fits = at;
		if (max && characters > max)
			break;
	}
	if (at == safe.len && cut == json_text.len) {
		buffer_append_span(ret, buffer_span(&safe));
		return;
	}
	buffer_append(ret, safe.at, fits);
	buffer_append_string(ret, "…");
}

/* ---- numbers and times ---- */

void output_append_count(struct buffer *ret, double count)
{
	static const char *const units[] = {"", " k", " M", " G", " T"};
	unsigned unit = 0;
	while (count >= 9999.5 && unit + 1 < ARRAY_LEN(units)) {
		count /= 1000.;
		unit++;
	}
	buffer_printf(ret, "%.*f%s", unit && count < 99.95 ? 1 : 0, count, units[unit]);
}

void output_append_bytes(struct buffer *ret, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes;
	unsigned unit = 0;
	while (size >= 1023.5 && unit + 1 < ARRAY_LEN(units)) {
		size /= 1024.;
		unit++;
	}
	buffer_printf(ret, "%.*f %s", unit && size < 99.95 ? 1 : 0, size, units[unit]);
}

void output_append_duration(struct buffer *ret, int64_t ms)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	int64_t seconds = ms / 1000;
	if (ms < 1000) {
		buffer_printf(ret, "%" PRId64 " ms", ms);
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		if (seconds < units[i].seconds)
			continue;
		buffer_printf(ret, "%" PRId64 " %s", seconds / units[i].seconds, units[i].name);
		int64_t rest = seconds % units[i].seconds;
		if (i + 1 < ARRAY_LEN(units) && rest / units[i + 1].seconds)
			buffer_printf(ret, " %" PRId64 " %s", rest / units[i + 1].seconds,
				      units[i + 1].name);
		return;
	}
}

void output_append_time(struct buffer *ret, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm local;
	char text[32];
	if (!localtime_r(&seconds, &local) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local)) {
		buffer_append_i64(ret, unix_ms);
		return;
	}
	buffer_append_string(ret, text);
}
