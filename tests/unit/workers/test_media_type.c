#include <criterion/criterion.h>

#include "media_type.h"

TestSuite(media_type, .timeout = 100);

Test(media_type, content_type_is_known_by_name_and_charset)
{
	static const struct {
		const char *header;
		enum media_type type;
	} cases[] = {
		{NULL, MEDIA_TYPE_NONE},
		{"", MEDIA_TYPE_NONE},
		{"application/json", MEDIA_TYPE_JSON},
		{"Application/JSON", MEDIA_TYPE_JSON},
		{" application/json ; charset=UTF-8", MEDIA_TYPE_JSON},
		{"application/json; charset=\"utf-8\"; x=y", MEDIA_TYPE_JSON},
		{"application/json; charset=latin1", MEDIA_TYPE_OTHER},
		{"application/merge-patch+json", MEDIA_TYPE_MERGE_PATCH},
		{"application/json-patch+json;charset=utf-8", MEDIA_TYPE_JSON_PATCH},
		{"application/jsonp", MEDIA_TYPE_OTHER},
		{"text/plain", MEDIA_TYPE_OTHER},
		{"application/json, text/plain", MEDIA_TYPE_OTHER},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect_eq(media_type_parse(cases[i].header), cases[i].type, "%s",
			     cases[i].header);
}

Test(media_type, accept_excludes_json_or_not)
{
	static const struct {
		const char *header;
		bool accepted;
	} cases[] = {
		{NULL, true},
		{"", true},
		{" , ", true},
		{"*/*", true},
		{"application/json", true},
		{"APPLICATION/JSON;q=0.1", true},
		{"text/html, application/xhtml+xml, */*;q=0.8", true},
		{"application/*", true},
		{"text/html", false},
		{"application/json;q=0", false},
		{"application/json;q=0.000, */*", false},
		{"*/*, application/*;q=0", false},
		{"application/*;q=0, application/json", true},
		{"*/*;q=0", false},
		{"application/problem+json", false},
		{"application/json; q = 0 ;x=y", false},
		{"application/json;q=0.0000, */*", true}, /* no weight */
		{"application/json;q=zero", true},
		{"application/json;v=1;q=0, application/json;v=2", true},
		{"text/html, */*;q=0.001", true},
		{"application/json;q=, text/html", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect_eq(media_type_json_is_accepted(cases[i].header), cases[i].accepted, "%s",
			     cases[i].header);
}

Test(media_type, event_stream_is_accepted_by_the_most_exact_range)
{
	cr_expect(media_type_event_stream_is_accepted("text/event-stream"));
	cr_expect(media_type_event_stream_is_accepted("text/event-stream;q=0.5, text/*;q=0"));
	cr_expect(!media_type_event_stream_is_accepted("text/event-stream;q=0, */*"));
	cr_expect(!media_type_event_stream_is_accepted("text/*;q=0.0, */*"));
	cr_expect(!media_type_event_stream_is_accepted("application/json"));
	cr_expect(media_type_event_stream_is_accepted(NULL));
}

Test(media_type, html_is_for_those_who_name_it_and_weigh_it_above_json)
{
	static const struct {
		const char *header;
		bool preferred;
	} cases[] = {
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
		{"text/html, */*", true}, /* equal: what is named */
		{"text/html", true},
		{"Text/HTML;q=0.1", true},
		{"text/html,application/json;q=0", true},
		{"text/html,application/json;q=0.9", true},
		{"application/json;q=0.1, text/html;q=0.2", true},
		{"application/json;q=0.999, text/html", true},
		{"text/html;q=1.5, application/json;q=0.9", true}, /* malformed counts as none */
		{"application/json, text/html;q=0.1", false},
		{"text/html, application/json", false}, /* equal, and both named */
		{"text/html;q=0.500, application/json;q=0.5", false},
		{"text/html, application/problem+json", false},
		{"text/html;q=0.7, application/problem+json;q=0.8", false},
		{"text/html;q=0.8, */*", false},
		{"text/html;q=0.8, application/*;q=0.9, */*;q=0.1", false},
		{"text/html;q=0", false},
		{"text/html;q=0.000, application/json;q=0", false},
		{"text/*", false},
		{"*/*", false},
		{"application/json", false},
		{"", false},
		{NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect_eq(media_type_html_is_preferred(cases[i].header), cases[i].preferred,
			     "%s", cases[i].header);
}

Test(media_type, gzip_is_accepted_where_its_weight_is_above_0)
{
	cr_expect(media_type_gzip_is_accepted("gzip"));
	cr_expect(media_type_gzip_is_accepted("gzip, deflate, br, zstd"));
	cr_expect(media_type_gzip_is_accepted("br;q=1.0, GZIP;q=0.5"));
	cr_expect(media_type_gzip_is_accepted("x-gzip"));
	cr_expect(media_type_gzip_is_accepted("*"));
	cr_expect(media_type_gzip_is_accepted("gzip;q=0.001, *;q=0"));
	cr_expect(media_type_gzip_is_accepted("*;q=0, x-gzip"));
	cr_expect(!media_type_gzip_is_accepted("gzip;q=0, x-gzip"));
	cr_expect(!media_type_gzip_is_accepted(NULL));
	cr_expect(!media_type_gzip_is_accepted(""));
	cr_expect(!media_type_gzip_is_accepted("identity"));
	cr_expect(!media_type_gzip_is_accepted("gzip;q=0"));
	cr_expect(!media_type_gzip_is_accepted("gzip;q=0.000, *"));
	cr_expect(!media_type_gzip_is_accepted("*;q=0"));
	cr_expect(!media_type_gzip_is_accepted("gzipped"));
}
