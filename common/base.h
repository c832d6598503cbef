/* base.h — what every file may use: assertions, cleanup, byte spans. No state, no I/O but the last
 * words of a process. */
#ifndef SYNCDOC_BASE_H
#define SYNCDOC_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For our own bugs only; kept in release builds. Input from outside is checked and refused instead.
 */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			must_fail(__FILE__, __LINE__, #condition);                                 \
	} while (0)
/* Says it on stderr, and to whom must_tell names, and aborts. */
_Noreturn void must_fail(const char *file, int line, const char *condition);
/* Of this process; NULL at first. A daemon has no stderr: log.c sets it where it logs elsewhere. */
typedef void (*must_tell_fn)(const char *file, int line, const char *condition);
extern must_tell_fn must_tell;

#define CLEANUP(function) __attribute__((cleanup(function)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Bytes that belong to somebody else. `at` may be NULL when len is 0. Never NUL-terminated. */
struct span {
	const char *at;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_NONE ((struct span){NULL, 0})

static inline struct span span_of(const char *at, size_t len)
{
	return (struct span){at, len};
}

static inline struct span span_string(const char *string)
{
	return (struct span){string, string ? strlen(string) : 0};
}

static inline bool span_equals(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_starts_with(struct span text, struct span prefix)
{
	return text.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(text.at, prefix.at, prefix.len) == 0);
}

/* printf("%.*s", SPAN_ARGS(s)) */
#define SPAN_ARGS(span) (int)(span).len, (span).at

#endif
