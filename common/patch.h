/* patch.h — JSON Patch (RFC 6902) with JSON Pointer (RFC 6901). Pure. All operations or none. */
#ifndef SYNCDOC_PATCH_H
#define SYNCDOC_PATCH_H

#include "json.h"

enum patch_fault_kind {
	PATCH_INVALID,      /* malformed operation, bad pointer syntax, move into itself */
	PATCH_TEST_FAILED,  /* a `test` that does not hold */
	PATCH_PATH_MISSING, /* no such place; also index out of range, parent not a container */
};

struct patch_fault {
	enum patch_fault_kind kind;
	uint32_t operation; /* index in the array of operations */
	char detail[200];   /* for humans, valid UTF-8, NUL-terminated: `no member "b" at "/a/b"` */
};

/* Appends the patched document to `ret`. `operations` must be an array (else PATCH_INVALID,
 * operation 0). 0, or -EINVAL (kind INVALID), -ENOENT (PATH_MISSING), -EILSEQ (TEST_FAILED); then
 * ret is unchanged and *ret_fault set. -E2BIG: the result would exceed size_max bytes (copy bombs
 * stop early); *ret_fault is set with kind INVALID. Also -E2BIG: what the operations copy meanwhile
 * is out of proportion to the document. -EINVAL: what would get deeper than
 * JSON_DEPTH_LIMIT. Numbers keep their text; `test` compares as json_equals(). The whole document
 * may be replaced by any value, but not removed (INVALID). In an array anything but `-` or digits
 * without leading zeros is an index that is not there (PATH_MISSING); so is `-` where something
 * must be there. */
int patch_apply(const struct json *target, const struct json *operations, size_t size_max,
		struct buffer *ret, struct patch_fault *ret_fault);

/* True: what an operation does, or whether it fails, depends on what is in the document, so who
 * patches must be allowed to read it; *ret_operation is the first one's index. All do but `add` of
 * a member of the document itself, and `add` and `replace` of the whole: also `remove` tells
 * whether there was something. `array` is a token of any type. What is no operation looks at
 * nothing. */
bool patch_reads(const struct json *doc, uint32_t array, uint32_t *ret_operation);

#endif
