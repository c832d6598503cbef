/* test_patch.c — JSON Patch: the RFC's examples, the hard cases, limits, and properties of random
 * patches. */
#include "patch_helpers.h"

TestSuite(patch, .timeout = 100);

struct row {
	const char *document;
	const char *operations;
	const char *result; /* NULL: fails */
	int error;
	uint32_t operation; /* the one to be blamed */
};

#define HOLDS(document, operations, result)                                                        \
	{                                                                                          \
		document, operations, result, 0, 0                                                 \
	}
#define INVALID(document, operations, operation)                                                   \
	{                                                                                          \
		document, operations, NULL, -EINVAL, operation                                     \
	}
#define MISSING(document, operations, operation)                                                   \
	{                                                                                          \
		document, operations, NULL, -ENOENT, operation                                     \
	}
#define UNEQUAL(document, operations, operation)                                                   \
	{                                                                                          \
		document, operations, NULL, -EILSEQ, operation                                     \
	}

static void expect_row(const struct row *row)
{
	struct patch_fault fault = {.operation = UINT32_MAX};
	struct buffer CLEANUP(buffer_fini) result = {0};
	int error = apply(span_string(row->document), span_string(row->operations), SIZE_ANY,
			  &result, &fault);

	cr_expect_eq(error, row->error, "%s with %s: %d (%s)", row->document, row->operations,
		     error, error ? fault.detail : "");
	if (row->result) {
		cr_expect(span_equals(buffer_span(&result), span_string(row->result)),
			  "%s with %s: %.*s, not %s", row->document, row->operations,
			  SPAN_ARGS(result), row->result);
		return;
	}
	cr_expect_eq(result.len, 0, "%s with %s: not all or nothing", row->document,
		     row->operations);
	cr_expect_eq(fault.operation, row->operation, "%s with %s: operation %u blamed",
		     row->document, row->operations, fault.operation);
	cr_expect_eq(fault.kind, kind_of(row->error), "%s with %s", row->document, row->operations);
	cr_expect(fault_is_sound(&fault), "%s with %s", row->document, row->operations);
}

static void expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_row(&rows[i]);
}

/* A.1 to A.16; A.13 is an operation with two members "op", which the scanner refuses. */
Test(patch, the_examples_of_rfc_6902_hold)
{
	static const struct row rows[] = {
		HOLDS("{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
		      "{\"foo\":\"bar\",\"baz\":\"qux\"}"),
		HOLDS("{\"foo\":[\"bar\",\"baz\"]}",
		      "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
		      "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"),
		HOLDS("{\"baz\":\"qux\",\"foo\":\"bar\"}",
		      "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}"),
		HOLDS("{\"foo\":[\"bar\",\"qux\",\"baz\"]}",
		      "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]", "{\"foo\":[\"bar\",\"baz\"]}"),
		HOLDS("{\"baz\":\"qux\",\"foo\":\"bar\"}",
		      "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
		      "{\"baz\":\"boo\",\"foo\":\"bar\"}"),
		HOLDS("{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}"
		      "}",
		      "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
		      "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}"
		      "}"),
		HOLDS("{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
		      "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
		      "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"),
		HOLDS("{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
		      "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
		      "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
		      "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"),
		UNEQUAL("{\"baz\":\"qux\"}",
			"[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", 0),
		HOLDS("{\"foo\":\"bar\"}",
		      "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
		      "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"),
		HOLDS("{\"foo\":\"bar\"}",
		      "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
		      "{\"foo\":\"bar\",\"baz\":\"qux\"}"),
		MISSING("{\"foo\":\"bar\"}",
			"[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", 0),
		HOLDS("{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
		      "{\"/\":9,\"~1\":10}"),
		UNEQUAL("{\"/\":9,\"~1\":10}",
			"[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", 0),
		HOLDS("{\"foo\":[\"bar\"]}",
		      "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
		      "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, pointers_of_rfc_6901_lead_to_their_places)
{
#define POINTER_DOCUMENT                                                                           \
	"{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"  \
	"\"k\\\"l\":6,\" \":7,\"m~n\":8}"
#define TEST_AT(pointer, value)                                                                    \
	HOLDS(POINTER_DOCUMENT,                                                                    \
	      "[{\"op\":\"test\",\"path\":\"" pointer "\",\"value\":" value "}]",                  \
	      POINTER_DOCUMENT)
	static const struct row rows[] = {
		TEST_AT("", POINTER_DOCUMENT),
		TEST_AT("/foo", "[\"bar\",\"baz\"]"),
		TEST_AT("/foo/0", "\"bar\""),
		TEST_AT("/", "0"),
		TEST_AT("/a~1b", "1"),
		TEST_AT("/c%d", "2"),
		TEST_AT("/e^f", "3"),
		TEST_AT("/g|h", "4"),
		TEST_AT("/i\\\\j", "5"),
		TEST_AT("/k\\\"l", "6"),
		TEST_AT("/ ", "7"),
		TEST_AT("/m~0n", "8"),
		TEST_AT("/\\u0066oo/1", "\"baz\""),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, add_puts_a_value_anywhere)
{
	static const struct row rows[] = {
		HOLDS("{}", "[]", "{}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]",
		      "{\"a\":null}"),
		HOLDS("{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]",
		      "{\"a\":1}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":{\"b\":2}}]",
		      "{\"b\":2}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":[1,2]}]", "[1,2]"),
		HOLDS("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/\",\"value\":2}]",
		      "{\"a\":1,\"\":2}"),
		HOLDS("{\"\":{}}", "[{\"op\":\"add\",\"path\":\"//\",\"value\":2}]",
		      "{\"\":{\"\":2}}"),
		HOLDS("{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":1}]",
		      "{\"a\":[1]}"),
		HOLDS("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]",
		      "{\"a\":[1,2]}"),
		HOLDS("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":null}]",
		      "{\"a\":[null,1]}"),
		HOLDS("[1]", "[{\"op\":\"add\",\"path\":\"/-\",\"value\":2}]", "[1,2]"),
		HOLDS("{\"0\":1}", "[{\"op\":\"add\",\"path\":\"/01\",\"value\":2}]",
		      "{\"0\":1,\"01\":2}"),
		HOLDS("{}", "[{\"op\":\"add\",\"path\":\"/-\",\"value\":2}]", "{\"-\":2}"),
		HOLDS("{\"a\":{}}", "[{\"value\":1,\"path\":\"/a/b\",\"op\":\"add\"}]",
		      "{\"a\":{\"b\":1}}"),
		HOLDS("{}", "[{\"\\u006fp\":\"a\\u0064d\",\"path\":\"\\/a\",\"value\":1}]",
		      "{\"a\":1}"),
		HOLDS("{}",
		      "[{\"op\":\"add\",\"path\":\"/a\",\"value\":[]},{\"op\":\"add\",\"path\":\"/"
		      "a/-\",\"value\":{}},"
		      "{\"op\":\"add\",\"path\":\"/a/0/b~1c~0d\",\"value\":1}]",
		      "{\"a\":[{\"b/c~d\":1}]}"),
		HOLDS("{\"x\":1}", "[{\"op\":\"add\",\"path\":\"/x\",\"value\":2,\"from\":5}]",
		      "{\"x\":2}"),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/+0\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-1\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1e0\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/ 1\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}",
			"[{\"op\":\"add\",\"path\":\"/a/18446744073709551616\",\"value\":2}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/4294967296\",\"value\":2}]",
			0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":2}]", 0),
		MISSING("{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":2}]", 0),
		MISSING("{\"a\":\"text\"}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":2}]", 0),
		MISSING("{}", "[{\"op\":\"add\",\"path\":\"/a/b/c\",\"value\":2}]", 0),
		MISSING("1", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":2}]", 0),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, remove_and_replace_want_something_there)
{
	static const struct row rows[] = {
		HOLDS("{\"a\":null,\"b\":1}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{\"b\":1}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\",\"value\":7}]", "{}"),
		HOLDS("[1,[2,3]]",
		      "[{\"op\":\"remove\",\"path\":\"/1/0\"},{\"op\":\"remove\",\"path\":\"/0\"}]",
		      "[[3]]"),
		HOLDS("{\"a\":{\"b\":[{\"c\":1}]}}",
		      "[{\"op\":\"replace\",\"path\":\"/a/b/0/c\",\"value\":[1.50,-0]}]",
		      "{\"a\":{\"b\":[{\"c\":[1.50,-0]}]}}"),
		HOLDS("{\"a\":1,\"b\":2}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]",
		      "{\"a\":null,\"b\":2}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":null}]", "null"),
		HOLDS("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]", "{}"),
		HOLDS("[1,2]", "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":{\"a\":1}}]",
		      "[1,{\"a\":1}]"),
		INVALID("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/1\"}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/00\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a/b\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", 0),
		MISSING("{\"a\":[]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":1}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/-\",\"value\":1}]", 0),
		MISSING("{\"a\":{}}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":1}]", 0),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, move_is_remove_and_then_add)
{
	static const struct row rows[] = {
		HOLDS("{\"a\":1,\"b\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]",
		      "{\"b\":1}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
		      "{\"a\":1}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"\"}]", "{\"a\":1}"),
		HOLDS("{\"a\":{\"b\":{\"c\":1}}}",
		      "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/a\"}]", "{\"a\":{\"c\":1}}"),
		HOLDS("{\"a\":{\"b\":{\"c\":1}}}",
		      "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"\"}]", "{\"c\":1}"),
		HOLDS("{\"a\":null}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]",
		      "{\"b\":null}"),
		HOLDS("[1,2,3]", "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/-\"}]", "[2,3,1]"),
		HOLDS("[1,2,3]", "[{\"op\":\"move\",\"from\":\"/2\",\"path\":\"/0\"}]", "[3,1,2]"),
		HOLDS("[1,2,3]", "[{\"op\":\"move\",\"from\":\"/1\",\"path\":\"/1\"}]", "[1,2,3]"),
		INVALID("[1,{}]", "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/0/a\"}]", 0),
		HOLDS("{\"a\":{},\"ab\":{}}",
		      "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab/x\"}]",
		      "{\"ab\":{\"x\":{}}}"),
		INVALID("{\"a\":{\"b\":{}}}",
			"[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b/c\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/a\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/c\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/b\"}]", 0),
		MISSING("[1]", "[{\"op\":\"move\",\"from\":\"/-\",\"path\":\"/0\"}]", 0),
		/* Behind the removal there are two elements left. */
		MISSING("[1,2,3]", "[{\"op\":\"move\",\"from\":\"/0\",\"path\":\"/3\"}]", 0),
		MISSING("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/c\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"move\",\"path\":\"/b\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"move\",\"from\":null,\"path\":\"/b\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"a\",\"path\":\"/b\"}]", 0),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, copies_have_a_life_of_their_own)
{
	static const struct row rows[] = {
		HOLDS("{\"a\":{\"b\":[1]}}",
		      "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},"
		      "{\"op\":\"add\",\"path\":\"/c/b/"
		      "-\",\"value\":2},{\"op\":\"remove\",\"path\":\"/a/b/0\"}]",
		      "{\"a\":{\"b\":[]},\"c\":{\"b\":[1,2]}}"),
		HOLDS("{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
		      "{\"a\":1,\"b\":{\"a\":1}}"),
		HOLDS("{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/b\"}]",
		      "{\"a\":{\"b\":{\"b\":1}}}"),
		HOLDS("{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"\"}]",
		      "{\"b\":1}"),
		HOLDS("[null,1.0]",
		      "[{\"op\":\"copy\",\"from\":\"/0\",\"path\":\"/"
		      "-\"},{\"op\":\"copy\",\"from\":\"/1\",\"path\":\"/0\"}]",
		      "[1.0,null,1.0,null]"),
		HOLDS("{\"a\":[18446744073709551615,-9223372036854775808,-0,1E5,"
		      "\"x\\u0000y\\u001f\",true,\"\"]}",
		      "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/"
		      "b\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
		      "{\"b\":[18446744073709551615,-9223372036854775808,-0,1E5,"
		      "\"x\\u0000y\\u001f\",true,\"\"]}"),
		MISSING("{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/b\",\"path\":\"/c\"}]", 0),
		MISSING("[1]", "[{\"op\":\"copy\",\"from\":\"/0\",\"path\":\"/2\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"copy\",\"path\":\"/b\"}]", 0),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, test_compares_values_and_not_spellings)
{
	static const struct row rows[] = {
		HOLDS("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0}]",
		      "{\"a\":1}"),
		HOLDS("{\"a\":1e2}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":100}]",
		      "{\"a\":1e2}"),
		HOLDS("{\"a\":-0}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":0}]",
		      "{\"a\":-0}"),
		HOLDS("{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]",
		      "{\"a\":null}"),
		HOLDS("{\"a\":{\"x\":1,\"y\":[2]}}",
		      "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":[2.0],\"\\u0078\":1}}]",
		      "{\"a\":{\"x\":1,\"y\":[2]}}"),
		HOLDS("{\"a\":\"\\u00e9\"}",
		      "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"\xc3\xa9\"}]",
		      "{\"a\":\"\\u00e9\"}"),
		HOLDS("{\"a\":18446744073709551615}",
		      "[{\"op\":\"test\",\"path\":\"/a\",\"value\":18446744073709551615}]",
		      "{\"a\":18446744073709551615}"),
		UNEQUAL("{\"a\":18446744073709551615}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":18446744073709551614}]", 0),
		UNEQUAL("{\"a\":9007199254740993}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":9007199254740992}]", 0),
		UNEQUAL("{\"a\":-1}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":18446744073709551615}]", 0),
		UNEQUAL("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"1\"}]", 0),
		UNEQUAL("{\"a\":true}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]", 0),
		UNEQUAL("{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":false}]", 0),
		UNEQUAL("{\"a\":[]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{}}]", 0),
		UNEQUAL("{\"a\":[1,2]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[2,1]}]", 0),
		UNEQUAL("{\"a\":{\"b\":1}}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"b\":1,\"c\":1}}]", 0),
		UNEQUAL("{\"a\":{\"b\":1}}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"c\":1}}]", 0),
		UNEQUAL("{\"a\":\"x\\u0000y\"}",
			"[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"x\"}]", 0),
		UNEQUAL("{}", "[{\"op\":\"test\",\"path\":\"\",\"value\":[]}]", 0),
		MISSING("{}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", 0),
		MISSING("{\"a\":[1]}", "[{\"op\":\"test\",\"path\":\"/a/-\",\"value\":1}]", 0),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, malformed_operations_are_refused)
{
	static const struct row rows[] = {
		INVALID("{}", "{}", 0),
		INVALID("{}", "null", 0),
		INVALID("{}", "\"text\"", 0),
		INVALID("{}", "[null]", 0),
		INVALID("{}", "[[]]", 0),
		INVALID("{}", "[{}]", 0),
		INVALID("{}", "[{\"op\":1,\"path\":\"\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"Add\",\"path\":\"/a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"spam\",\"path\":\"/a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"\",\"path\":\"/a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\\u0000\",\"path\":\"/a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":null,\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":[\"a\"],\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", 0),
		INVALID("{}", "[{\"op\":\"replace\",\"path\":\"\"}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\"}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"#/a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\" /a\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"/~\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"/a~/b\",\"value\":1}]", 0),
		INVALID("{}", "[{\"op\":\"add\",\"path\":\"/a\\u0000b\",\"value\":1}]", 0),
		INVALID("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a\\u0000\"}]", 0),
		INVALID("{}",
			"[{\"op\":\"add\",\"path\":\"/"
			"a\",\"value\":1},{\"op\":\"nothing\",\"path\":\"/a\"}]",
			1),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, the_failing_operation_is_named_and_nothing_is_done)
{
	static const struct row rows[] = {
		UNEQUAL("{\"a\":1}",
			"[{\"op\":\"replace\",\"path\":\"/"
			"a\",\"value\":2},{\"op\":\"add\",\"path\":\"/b\",\"value\":3},"
			"{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]",
			2),
		MISSING("{\"a\":1}",
			"[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
			1),
		HOLDS("{\"a\":1}",
		      "[{\"op\":\"test\",\"path\":\"/"
		      "a\",\"value\":1},{\"op\":\"replace\",\"path\":\"/a\",\"value\":2},"
		      "{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
		      "{\"a\":2}"),
	};

	expect_rows(rows, ARRAY_LEN(rows));
}

Test(patch, details_tell_what_is_wrong_and_are_cut_at_characters)
{
	struct buffer CLEANUP(buffer_fini) operations = {0}, CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault = {0};

	cr_assert_eq(apply(SPAN("{\"a\":{}}"), SPAN("[{\"op\":\"remove\",\"path\":\"/a/b\"}]"),
			   SIZE_ANY, &result, &fault),
		     -ENOENT);
	cr_expect_str_eq(fault.detail, "no member \"b\" at \"/a/b\"");
	for (unsigned shift = 0; shift < 4; shift++) {
		operations.len = 0;
		buffer_append_string(&operations, "[{\"op\":\"remove\",\"path\":\"/");
		buffer_append(&operations, "aaa", shift);
		for (unsigned i = 0; i < 100; i++)
			buffer_append_string(&operations, "\xf0\x9f\x98\x80");
		buffer_append_string(&operations, "\"}]");
		cr_expect_eq(apply(SPAN("{}"), buffer_span(&operations), SIZE_ANY, &result, &fault),
			     -ENOENT);
		cr_expect(fault_is_sound(&fault), "%s", fault.detail);
	}
}

Test(patch, what_looks_at_the_document_is_known_before_it_is_done)
{
	static const struct {
		const char *operations;
		int first; /* -1: none */
	} rows[] = {
		{"[]", -1},
		{"{\"op\":\"test\"}", -1},
		{"[1,{},{\"op\":7},{\"op\":\"Test\"}]", -1},
		{"[{\"path\":\"/a\",\"op\":\"te\\u0073t\"}]", 0},
		{"[{\"op\":\"add\",\"path\":\"/a\"},{\"op\":\"copy\",\"path\":\"/b\"}]", 1},
		{"[null,{\"op\":\"add\",\"path\":\"\"},{\"op\":\"move\",\"path\":\"/a\"}]", 2},
		/* Whether there is such a place. */
		{"[{\"op\":\"remove\",\"path\":\"/a\"}]", 0},
		{"[{\"op\":\"replace\",\"path\":\"/a\"}]", 0},
		{"[{\"op\":\"add\",\"path\":\"/a/b\"}]", 0},
		{"[{\"op\":\"add\",\"path\":\"\\u002fa\\/-\"}]", 0},
		{"[{\"op\":\"add\",\"path\":\"/a~1b\"},{\"op\":\"add\",\"path\":\"/\"}]", -1},
		{"[{\"op\":\"replace\",\"path\":\"\"}]", -1},
		/* Invalid, whatever there is. */
		{"[{\"op\":\"remove\"},{\"op\":\"add\",\"path\":7},{\"op\":\"add\",\"path\":\"a\"}"
		 "]",
		 -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json CLEANUP(json_fini) doc =
			random_json_parse(span_string(rows[i].operations));
		uint32_t first = 99;
		cr_expect_eq(patch_reads(&doc, 0, &first), rows[i].first >= 0, "%s",
			     rows[i].operations);
		cr_expect_eq(first, rows[i].first >= 0 ? (uint32_t)rows[i].first : 99);
	}
}

Test(patch, the_result_is_appended)
{
	struct buffer CLEANUP(buffer_fini) result = {0};
	struct patch_fault fault;

	buffer_append_string(&result, "before ");
	cr_expect_eq(apply(SPAN("{}"), SPAN("[{\"op\":\"remove\",\"path\":\"/a\"}]"), SIZE_ANY,
			   &result, &fault),
		     -ENOENT);
	cr_expect(span_equals(buffer_span(&result), SPAN("before ")));
	cr_expect_eq(apply(SPAN("{}"), SPAN("[]"), SIZE_ANY, &result, &fault), 0);
	cr_expect(span_equals(buffer_span(&result), SPAN("before {}")));
}
