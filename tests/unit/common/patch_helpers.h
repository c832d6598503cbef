/* patch_helpers.h — what the tests of patch have in common. */
#ifndef SYNCDOC_TESTS_PATCH_HELPERS_H
#define SYNCDOC_TESTS_PATCH_HELPERS_H

#include "patch.h"
#include "random_json.h"
#include "utf8.h"
#include <criterion/criterion.h>

#define SIZE_ANY ((size_t)1 << 20)

static inline int apply(struct span document, struct span operations, size_t size_max,
			struct buffer *ret, struct patch_fault *ret_fault)
{
	struct json CLEANUP(json_fini) document_doc = random_json_parse(document);
	struct json CLEANUP(json_fini) operations_doc = random_json_parse(operations);

	return patch_apply(&document_doc, &operations_doc, size_max, ret, ret_fault);
}

static inline enum patch_fault_kind kind_of(int error)
{
	return error == -ENOENT   ? PATCH_PATH_MISSING
	       : error == -EILSEQ ? PATCH_TEST_FAILED
				  : PATCH_INVALID;
}

static inline bool fault_is_sound(const struct patch_fault *fault)
{
	size_t len = strnlen(fault->detail, sizeof(fault->detail));

	return len > 0 && len < sizeof(fault->detail) && utf8_is_valid(span_of(fault->detail, len));
}

#endif
