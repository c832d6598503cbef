/* buffer.h — growing bytes, and shared immutable bytes. Pure. Out of memory ends the process
 * (MUST): a worker is respawned, and no caller could do better. */
#ifndef SYNCDOC_BUFFER_H
#define SYNCDOC_BUFFER_H

#include "base.h"

/* All zero is a valid empty buffer. `at` is owned, not NUL-terminated. */
struct buffer {
	char *at;
	size_t len;
	size_t cap;
};

void buffer_fini(struct buffer *buffer); /* frees; leaves it empty and usable */
/* Makes room for `more` bytes behind len and returns where they go; the caller adds to len. */
char *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_span(struct buffer *buffer, struct span span);
void buffer_append_string(struct buffer *buffer, const char *string);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_u64(struct buffer *buffer, uint64_t number);
void buffer_append_i64(struct buffer *buffer, int64_t number);
void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A JSON string, quotes included. `utf8` must be valid UTF-8; control characters, `"` and `\` are
 * escaped. */
void buffer_append_json(struct buffer *buffer, struct span utf8);
/* Takes `len` bytes off the front. */
void buffer_consume(struct buffer *buffer, size_t len);

static inline struct span buffer_span(const struct buffer *buffer)
{
	return (struct span){buffer->at, buffer->len};
}

/* Immutable bytes with a count of owners; one process, one thread. */
struct text {
	uint32_t references;
	size_t len;
	char at[];
};

struct text *text_create(struct span bytes); /* one reference, owned by the caller */
/* The same with len 0 and room for `room` bytes, for the caller to fill before it is shared. */
struct text *text_reserve(size_t room);
struct text *text_get(struct text *text); /* one more; NULL is fine */
void text_put(struct text *text);         /* one less; the last frees; NULL is fine */

static inline struct span text_span(const struct text *text)
{
	return text ? (struct span){text->at, text->len} : SPAN_NONE;
}

#endif
