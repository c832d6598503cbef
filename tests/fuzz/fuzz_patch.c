/* fuzz_patch.c — libFuzzer: a document, a newline, operations.
 *
 * Whatever the operations are: all or nothing, the result is strict JSON within its size and depth,
 * and the fault tells what and where. Built with -fsanitize=fuzzer, patch.c checks its own books
 * too. */
#include "fuzz_pair.h"
#include "patch.h"
#include "utf8.h"

#define FUZZ_SIZE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(int error, const struct patch_fault *fault, const struct json *operations)
{
	enum patch_fault_kind kind = error == -ENOENT   ? PATCH_PATH_MISSING
				     : error == -EILSEQ ? PATCH_TEST_FAILED
							: PATCH_INVALID;
	size_t len = strnlen(fault->detail, sizeof(fault->detail));

	MUST(error == -ENOENT || error == -EILSEQ || error == -EINVAL || error == -E2BIG);
	MUST(fault->kind == kind);
	MUST(len > 0 && len < sizeof(fault->detail));
	MUST(utf8_is_valid(span_of(fault->detail, len)));
	MUST(fault->operation == 0 || fault->operation < operations->tokens[0].count);
}

static void check_result(struct span result)
{
	struct json CLEANUP(json_fini) doc = {0};
	struct json_fault fault;

	MUST(result.len <= FUZZ_SIZE_MAX);
	MUST(json_parse(&doc, result, JSON_DEPTH_LIMIT, &fault) == 0);
}

static void run(const struct json *document, const struct json *operations)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault = {0};
	int error = patch_apply(document, operations, FUZZ_SIZE_MAX, &result, &fault);

	if (error) {
		MUST(result.len == 0);
		check_fault(error, &fault, operations);
	} else {
		check_result(buffer_span(&result));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json CLEANUP(json_fini) document = {0}, CLEANUP(json_fini) operations = {0};

	if (fuzz_pair_parse(data, size, JSON_DEPTH_LIMIT, &document, &operations))
		run(&document, &operations);
	return 0;
}
