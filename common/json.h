/* json.h — strict JSON (RFC 8259) as a flat array of tokens over the caller's text. Pure.
 *
 * Nothing is copied or decoded while parsing: numbers and strings stay what the client wrote, so
 * what is stored is what was sent. Everything that json-c lets through silently (NaN, single
 * quotes, raw control characters, `1.`, 1e400, lone surrogates, 64-bit overflow, NUL in names,
 * duplicate members, bad UTF-8) is refused here, with its byte offset.
 *
 * A container's children follow it directly; `next` skips a whole subtree:
 *     for (i = object + 1; i < doc->tokens[object].next; i = doc->tokens[i + 1].next)   name i,
 * value i + 1 for (i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next) element i
 */
#ifndef SYNCDOC_JSON_H
#define SYNCDOC_JSON_H

#include "base.h"
#include "buffer.h"

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_INTEGER, /* neither fraction nor exponent; fits int64 or uint64 */
	JSON_DOUBLE,  /* anything else; finite as binary64 */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_token {
	uint32_t at;     /* offset of its first byte in the text */
	uint32_t len;    /* bytes, with quotes or brackets */
	uint32_t next;   /* index of the first token behind it and all that is in it */
	uint32_t count;  /* array: elements; object: members; else 0 */
	uint8_t type;    /* enum json_type */
	uint8_t escaped; /* string: has a backslash */
};

/* All zero is a valid empty one; may be parsed into again and again, keeps its memory. */
struct json {
	struct span
		text; /* borrowed: from the caller of json_parse, must outlive all use of tokens */
	struct json_token *tokens; /* owned; [0] is the root */
	uint32_t count;
	uint32_t cap;
};

struct json_fault {
	size_t offset;      /* byte in the text */
	const char *reason; /* static, for humans: "duplicate member name" */
};

#define JSON_DEPTH_LIMIT 1024 /* json_parse never goes deeper, whatever depth_max says */

/* Depth of `{}` is 1, of `{"a":[]}` 2; a scalar root is 0. Text of 4 GiB or more is -EBADMSG.
 * 0, or  -EBADMSG  not JSON (also bad UTF-8, trailing bytes, empty text)
 *        -ERANGE   JSON that could not be kept unaltered: NaN/Infinity words, duplicate members,
 * lone surrogates, NUL in names, integers beyond 64 bits, doubles that overflow -E2BIG    deeper
 * than depth_max The first fault met is the one reported: at the first wrong byte or, where the
 * text ends too early, at text.len; bad UTF-8 at the character's first byte; what is -ERANGE at the
 * first byte of the number or word, the backslash of the escape, the quote of the second equal
 * name; -E2BIG at the bracket. Equal names are met at their object's closing bracket, after faults
 * inside it. On error *ret_fault is set and doc has no tokens. Iterative: no stack per level. */
int json_parse(struct json *doc, struct span text, unsigned depth_max,
	       struct json_fault *ret_fault);
void json_fini(struct json *doc);

/* Bytes of a token as they stand in the text. */
struct span json_raw(const struct json *doc, uint32_t token);
/* Value token of the member `name` (decoded UTF-8) of an object; 0 if there is none or `object` is
 * no object. */
uint32_t json_member(const struct json *doc, uint32_t object, struct span name);
/* Decoded string appended to `ret`. 0, or -EINVAL if the token is no string. */
int json_string(const struct json *doc, uint32_t token, struct buffer *ret);
/* Decoded string equals `utf8`; false if it is no string. */
bool json_string_equals(const struct json *doc, uint32_t token, struct span utf8);
/* 0, or -EINVAL if it is no integer, -ERANGE if outside int64. */
int json_int64(const struct json *doc, uint32_t token, int64_t *ret);
/* Deep, by DESIGN.md section 5: integers compare exactly, other numbers as binary64 (1 equals 1.0),
 * members in any order, strings by their decoded value. */
bool json_equals(const struct json *a, uint32_t a_token, const struct json *b, uint32_t b_token);
/* Deepest nesting below and including `token`: 0 for a scalar. */
unsigned json_depth(const struct json *doc, uint32_t token);

#endif
