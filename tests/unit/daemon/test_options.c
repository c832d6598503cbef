/* The command line. */
#include "options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>

/* What is refused goes to stderr; it is not this suite's output. */
TestSuite(options, .init = cr_redirect_stderr, .timeout = 100);

static int parse(struct options *ret, int argc, const char *const *argv)
{
	optind = 1;
	return options_parse(argc, (char **)argv, ret);
}

#define PARSE(ret, ...)                                                                            \
	parse(ret, ARRAY_LEN(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__, NULL})

Test(options, nothing_given_runs_in_the_background_with_the_default_file)
{
	struct options options;
	cr_assert_eq(PARSE(&options, "syncdocd"), 0);
	cr_assert_eq(options.verb, OPTIONS_RUN);
	cr_assert(!options.foreground);
	cr_assert_null(options.config_path);
	cr_assert_eq(options.override_count, 0);
}

Test(options, short_and_long_names_mean_the_same)
{
	struct options a, b;
	cr_assert_eq(PARSE(&a, "syncdocd", "-f", "-c", "x", "-o", "k=v", "-t"), 0);
	cr_assert_eq(
		PARSE(&b, "syncdocd", "--foreground", "--config=x", "--option", "k=v", "--test"),
		0);
	cr_assert(a.foreground && b.foreground);
	cr_assert_str_eq(a.config_path, b.config_path);
	cr_assert_str_eq(a.overrides[0], "k=v");
	cr_assert_str_eq(b.overrides[0], "k=v");
	cr_assert(a.verb == OPTIONS_CHECK && b.verb == OPTIONS_CHECK);
}

Test(options, overrides_keep_their_order)
{
	struct options options;
	cr_assert_eq(PARSE(&options, "syncdocd", "-o", "a=1", "-o", "b=", "-o", "a=2"), 0);
	cr_assert_eq(options.override_count, 3);
	cr_assert_str_eq(options.overrides[0], "a=1");
	cr_assert_str_eq(options.overrides[2], "a=2");
}

Test(options, an_override_that_is_not_key_and_value_is_refused)
{
	struct options options;
	cr_assert_eq(PARSE(&options, "syncdocd", "-o", "listen"), -EINVAL);
	cr_assert_eq(PARSE(&options, "syncdocd", "-o", "=x"), -EINVAL);
	cr_assert_eq(PARSE(&options, "syncdocd", "-o", ""), -EINVAL);
}

Test(options, unknown_options_and_stray_words_are_refused)
{
	struct options options;
	cr_assert_eq(PARSE(&options, "syncdocd", "-x"), -EINVAL);
	cr_assert_eq(PARSE(&options, "syncdocd", "start"), -EINVAL);
	cr_assert_eq(PARSE(&options, "syncdocd", "-c"), -EINVAL);
}

Test(options, help_and_version_are_answered_whatever_follows)
{
	struct options options;
	cr_assert_eq(PARSE(&options, "syncdocd", "--help", "-x", "word"), 0);
	cr_assert_eq(options.verb, OPTIONS_HELP);
	cr_assert_eq(PARSE(&options, "syncdocd", "-V", "word"), 0);
	cr_assert_eq(options.verb, OPTIONS_VERSION);
}

Test(options, more_overrides_than_fit_are_refused)
{
	const char *argv[2 * OPTIONS_OVERRIDES_MAX + 4];
	int argc = 0;
	struct options options;
	argv[argc++] = "syncdocd";
	for (int i = 0; i <= OPTIONS_OVERRIDES_MAX; i++) {
		argv[argc++] = "-o";
		argv[argc++] = "a=1";
	}
	argv[argc] = NULL;
	cr_assert_eq(parse(&options, argc, argv), -EINVAL);
	cr_assert_eq(parse(&options, argc - 2, argv), 0);
	cr_assert_eq(options.override_count, OPTIONS_OVERRIDES_MAX);
}
