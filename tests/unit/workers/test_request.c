/* test_request.c — the pure parts of a request: its target and its media types. */
#include <criterion/criterion.h>
#include <time.h>

#include "json.h"
#include "target.h"
#include "utf8.h"

TestSuite(request, .timeout = 100);

static char memory[65536];

static struct target parse(const char *uri)
{
	struct target target;

	memset(memory, 'M', sizeof(memory));
	target_parse(span_string(uri), memory, &target);
	return target;
}

static void expect_segments(const struct target *target, unsigned count, ...)
{
	va_list expected;

	cr_expect(target->path_is_valid);
	cr_assert_eq(target->segment_count, count);
	va_start(expected, count);
	for (unsigned i = 0; i < count; i++) {
		const char *text = va_arg(expected, const char *);
		cr_expect(span_equals(target->segments[i], span_string(text)),
			  "segment %u is \"%.*s\", not \"%s\"", i, SPAN_ARGS(target->segments[i]),
			  text);
	}
	va_end(expected);
}

static void expect_parameter(const struct target *target, unsigned i, const char *name,
			     const char *value)
{
	cr_assert_lt(i, target->parameter_count);
	cr_expect_str_eq(target->parameters[i].name, name);
	cr_expect_str_eq(target->parameters[i].value, value);
}

Test(request, path_is_cut_at_slashes)
{
	struct target target = parse("/v1/services/a");

	expect_segments(&target, 3, "v1", "services", "a");
	cr_expect_eq(target.parameter_count, 0);
}

Test(request, root_has_no_segments)
{
	struct target target = parse("/");

	expect_segments(&target, 0);
}

Test(request, trailing_slash_is_an_empty_segment)
{
	struct target target = parse("/v1/");

	expect_segments(&target, 2, "v1", "");
}

Test(request, segments_are_decoded_after_they_are_cut)
{
	struct target target = parse("/a%2Fb/%C3%A4/c+d");

	expect_segments(&target, 3, "a/b", "\xc3\xa4", "c+d");
}

Test(request, too_long_a_path_says_so)
{
	struct target target = parse("/1/2/3/4/5/6/7/8/9/10");

	cr_expect(target.path_is_valid);
	cr_expect_eq(target.segment_count, TARGET_SEGMENTS_MAX + 1);
}

Test(request, bad_paths_are_invalid)
{
	static const char *const bad[] = {"/a%",     "/a%2",       "/a%zz", "/a%00",       "/%ff",
					  "/%c0%af", "/%ed%a0%80", "a",     "ftp://host/a"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct target target = parse(bad[i]);
		cr_expect(!target.path_is_valid, "\"%s\"", bad[i]);
		cr_expect_eq(target.segment_count, 0);
	}
}

Test(request, absolute_form_gives_its_authority)
{
	struct target target = parse("HTTP://example.com:8080/v1?a=b");

	cr_expect(span_equals(target.authority, SPAN("example.com:8080")));
	expect_segments(&target, 1, "v1");
	expect_parameter(&target, 0, "a", "b");
}

Test(request, absolute_form_without_a_path_is_the_root)
{
	struct target target = parse("https://example.com?a=b");

	cr_expect(span_equals(target.authority, SPAN("example.com")));
	expect_segments(&target, 0);
	expect_parameter(&target, 0, "a", "b");
}

Test(request, asterisk_is_no_path)
{
	struct target target = parse("*");

	cr_expect(target.asterisk);
	cr_expect(!parse("/*").asterisk);
}

Test(request, query_is_decoded)
{
	struct target target = parse("/?a=1&b=x+y%2B%26%3D&%61%62=%E2%82%AC");

	cr_assert_eq(target.parameter_count, 3);
	expect_parameter(&target, 0, "a", "1");
	expect_parameter(&target, 1, "b", "x y+&=");
	expect_parameter(&target, 2, "ab", "\xe2\x82\xac");
}

Test(request, parameter_without_a_value_is_empty)
{
	struct target target = parse("/?flag&a=&=v&&b=c=d");

	cr_assert_eq(target.parameter_count, 4);
	expect_parameter(&target, 0, "flag", "");
	expect_parameter(&target, 1, "a", "");
	expect_parameter(&target, 2, "", "v");
	expect_parameter(&target, 3, "b", "c=d");
}

Test(request, bad_query_leaves_the_path_alone)
{
	static const char *const bad[] = {"/a?x=%",   "/a?x=%4",  "/a?x=%gg",    "/a?%00=1",
					  "/a?x=%00", "/a?x=%ff", "/a?ok=1&\xff"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct target target = parse(bad[i]);
		cr_expect(target.query_fault, "\"%s\"", bad[i]);
		cr_expect_eq(target.parameter_count, 0);
		expect_segments(&target, 1, "a");
	}
}

Test(request, too_many_parameters_are_a_fault)
{
	char uri[512] = "/?";

	for (int i = 0; i < TARGET_PARAMETERS_MAX; i++)
		strcat(uri, "a=b&");
	cr_expect_eq(parse(uri).parameter_count, TARGET_PARAMETERS_MAX);
	strcat(uri, "a=b");
	cr_expect(parse(uri).query_fault);
}

Test(request, empty_target_is_the_root)
{
	struct target target = parse("");

	expect_segments(&target, 0);
}

/* Whatever comes: inside `memory`, valid UTF-8, NUL-terminated, and nothing behind the memory that
 * was asked for is touched. */
Test(request, any_bytes_are_parsed_within_bounds)
{
	unsigned seed = (unsigned)time(NULL);
	static const char alphabet[] = "/?&=%%%%25+aAfF0\xc3\xa4\xff:*h";
	struct target target;
	char uri[64];

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(uri);
		unsigned start = seed;
		for (size_t i = 0; i < len; i++)
			uri[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		char *at = malloc(TARGET_MEMORY(len)); /* ASan guards its end */
		target_parse(span_of(uri, len), at, &target);
		for (unsigned i = 0; i < target.segment_count && i < TARGET_SEGMENTS_MAX; i++)
			cr_assert(
				utf8_is_valid(target.segments[i]) &&
					(!target.segments[i].len ||
					 !memchr(target.segments[i].at, 0, target.segments[i].len)),
				"seed %u", start);
		for (unsigned i = 0; i < target.parameter_count; i++)
			cr_assert(utf8_is_valid(span_string(target.parameters[i].name)) &&
					  utf8_is_valid(span_string(target.parameters[i].value)),
				  "seed %u", start);
		free(at);
	}
}
