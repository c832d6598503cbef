/* buffer.c — growing bytes, and shared immutable bytes. */
#include "buffer.h"
#include <stdarg.h>

#define BUFFER_FIRST_CAP 64

void buffer_fini(struct buffer *buffer)
{
	free(buffer->at);
	*buffer = (struct buffer){0};
}

static void buffer_grow(struct buffer *buffer, size_t more)
{
	/* Half the address space: doubling below cannot wrap. */
	MUST(more <= SIZE_MAX / 4 && buffer->len <= SIZE_MAX / 4);
	size_t cap = buffer->cap ? buffer->cap * 2 : BUFFER_FIRST_CAP;
	if (cap < buffer->len + more)
		cap = buffer->len + more;
	buffer->at = realloc(buffer->at, cap);
	MUST(buffer->at);
	buffer->cap = cap;
}

char *buffer_reserve(struct buffer *buffer, size_t more)
{
	/* Also an empty reservation gets a place, so that callers may pass the result to memcpy. */
	if (more > buffer->cap - buffer->len || !buffer->at)
		buffer_grow(buffer, more);
	return buffer->at + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(buffer_reserve(buffer, len), bytes, len);
	buffer->len += len;
}

void buffer_append_span(struct buffer *buffer, struct span span)
{
	buffer_append(buffer, span.at, span.len);
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void buffer_append_char(struct buffer *buffer, char c)
{
	*buffer_reserve(buffer, 1) = c;
	buffer->len++;
}

void buffer_append_u64(struct buffer *buffer, uint64_t number)
{
	char digits[20];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buffer_append(buffer, digits + first, sizeof(digits) - first);
}

void buffer_append_i64(struct buffer *buffer, int64_t number)
{
	if (number >= 0) {
		buffer_append_u64(buffer, (uint64_t)number);
		return;
	}
	buffer_append_char(buffer, '-');
	/* Negated as unsigned: INT64_MIN has no positive int64. */
	buffer_append_u64(buffer, 0 - (uint64_t)number);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	size_t room = 128; /* most lines fit at the first try */

	for (;;) {
		va_list args;
		va_start(args, format);
		int len = vsnprintf(buffer_reserve(buffer, room), room, format, args);
		va_end(args);
		MUST(len >= 0);
		if ((size_t)len < room) {
			buffer->len += (size_t)len;
			return;
		}
		room = (size_t)len + 1; /* vsnprintf wants a place for its NUL */
	}
}

/* What follows the backslash: 0 = the byte stands for itself, 'u' = \u00XX. */
static const char escape_letters[256] = {
	[0x00 ... 0x07] = 'u', ['\b'] = 'b', ['\t'] = 't',          ['\n'] = 'n', [0x0b] = 'u',
	['\f'] = 'f',          ['\r'] = 'r', [0x0e ... 0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static void append_escape(struct buffer *buffer, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	char letter = escape_letters[byte];

	if (letter == 'u') {
		char escape[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
		buffer_append(buffer, escape, sizeof(escape));
		return;
	}
	char escape[] = {'\\', letter};
	buffer_append(buffer, escape, sizeof(escape));
}

void buffer_append_json(struct buffer *buffer, struct span utf8)
{
	buffer_reserve(buffer, utf8.len + 2); /* enough when nothing needs an escape */
	buffer_append_char(buffer, '"');
	size_t done = 0;
	for (size_t i = 0; i < utf8.len; i++) {
		if (!escape_letters[(unsigned char)utf8.at[i]])
			continue;
		buffer_append(buffer, utf8.at + done, i - done);
		append_escape(buffer, (unsigned char)utf8.at[i]);
		done = i + 1;
	}
	if (utf8.len)
		buffer_append(buffer, utf8.at + done, utf8.len - done);
	buffer_append_char(buffer, '"');
}

void buffer_consume(struct buffer *buffer, size_t len)
{
	MUST(len <= buffer->len);
	if (len == 0)
		return;
	buffer->len -= len;
	memmove(buffer->at, buffer->at + len, buffer->len);
}

struct text *text_reserve(size_t room)
{
	MUST(room <= SIZE_MAX - sizeof(struct text));
	struct text *text = malloc(sizeof(struct text) + room);
	MUST(text);
	text->references = 1;
	text->len = 0;
	return text;
}

struct text *text_create(struct span bytes)
{
	struct text *text = text_reserve(bytes.len);
	text->len = bytes.len;
	if (bytes.len)
		memcpy(text->at, bytes.at, bytes.len);
	return text;
}

struct text *text_get(struct text *text)
{
	if (text) {
		MUST(text->references < UINT32_MAX);
		text->references++;
	}
	return text;
}

void text_put(struct text *text)
{
	if (!text)
		return;
	MUST(text->references > 0);
	if (--text->references == 0)
		free(text);
}
