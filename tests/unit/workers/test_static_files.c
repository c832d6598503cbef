/* test_static_files.c — which path means which embedded file, and what was embedded. */
#include <criterion/criterion.h>
#include <zlib.h>

#include "router.h"
#include "static_files.h"

TestSuite(static_files, .timeout = 100);

static char memory[1024];

static const struct static_file *find(const char *uri)
{
	struct target target;

	target_parse(span_string(uri), memory, &target);
	return static_files_find(&target);
}

Test(static_files, each_file_is_found_under_its_path)
{
	cr_assert_gt(static_files_count, 0);
	for (size_t i = 0; i < static_files_count; i++)
		cr_expect_eq(find(static_files[i].path), &static_files[i], "%s",
			     static_files[i].path);
}

Test(static_files, pages_have_the_paths_of_the_contract)
{
	static const char *const pages[] = {"/documents", "/documents/inspect", "/status",
					    "/documents/inspect?service=a&id=b", "/%64ocuments"};

	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		const struct static_file *file = find(pages[i]);
		cr_assert(file, "%s", pages[i]);
		cr_expect(file->admin);
		cr_expect_str_eq(file->content_type, "text/html; charset=utf-8");
	}
}

Test(static_files, path_tricks_reach_nothing)
{
	static const char *const tricks[] = {
		"/",
		"*",
		"",
		"/documents/",
		"//documents",
		"/documents//inspect",
		"/documents%2Finspect",
		"/documents%2finspect",
		"/documents%5Cinspect",
		"/documents/./inspect",
		"/documents/../documents",
		"/x/../documents",
		"/x/%2e%2e/documents",
		"/%2e%2e/documents",
		"/documents%00",
		"/documents%00.html",
		"/Documents",
		"/DOCUMENTS/inspect",
		"/documents.html",
		"/admin/documents.html",
		"/admin",
		"/admin/",
		"/admin/..",
		"/admin/../../../etc/passwd",
		"/admin/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
		"/etc/passwd",
		"/client/realtime.js",
		"/document",
		"/documentss",
		"/documents/inspect/1/2/3/4/5/6/7/8/9",
		"/a/b/c/d/e/f/g/h/documents",
	};

	for (size_t i = 0; i < ARRAY_LEN(tricks); i++)
		cr_expect(!find(tricks[i]), "%s", tricks[i]);
}

Test(static_files, gzip_holds_the_same_bytes_and_is_shorter)
{
	for (size_t i = 0; i < static_files_count; i++) {
		const struct static_file *file = &static_files[i];
		z_stream stream = {.next_in = (Bytef *)file->gzip,
				   .avail_in = (uInt)file->gzip_len};
		char *text = malloc(file->len + 1);

		if (!file->gzip) {
			free(text);
			continue;
		}
		cr_expect_lt(file->gzip_len, file->len);
		stream.next_out = (Bytef *)text;
		stream.avail_out = (uInt)file->len + 1;
		cr_assert_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
		cr_expect_eq(inflate(&stream, Z_FINISH), Z_STREAM_END, "%s", file->path);
		cr_assert_eq(stream.total_out, file->len);
		cr_expect_arr_eq(text, file->bytes, file->len);
		inflateEnd(&stream);
		free(text);
	}
}

Test(static_files, tags_are_strong_and_tell_files_and_codings_apart)
{
	for (size_t i = 0; i < static_files_count; i++) {
		cr_expect_eq(static_files[i].etag[0], '"');
		cr_expect_str_neq(static_files[i].etag, static_files[i].gzip_etag);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(static_files[i].etag, static_files[j].etag);
	}
}

Test(static_files, if_none_match_is_a_list_of_tags)
{
	cr_expect(static_files_etag_matches("\"ab12\"", "\"ab12\""));
	cr_expect(static_files_etag_matches("W/\"ab12\"", "\"ab12\""));
	cr_expect(static_files_etag_matches("\"x\" , W/\"y\",\"ab12\"", "\"ab12\""));
	cr_expect(static_files_etag_matches("*", "\"ab12\""));
	cr_expect(static_files_etag_matches(" * ", "\"ab12\""));
	cr_expect(!static_files_etag_matches(NULL, "\"ab12\""));
	cr_expect(!static_files_etag_matches("", "\"ab12\""));
	cr_expect(!static_files_etag_matches(" , ,", "\"ab12\""));
	cr_expect(!static_files_etag_matches("ab12", "\"ab12\""));
	cr_expect(!static_files_etag_matches("\"ab12-gzip\"", "\"ab12\""));
	cr_expect(!static_files_etag_matches("\"ab1\"", "\"ab12\""));
	cr_expect(!static_files_etag_matches("W/", "\"ab12\""));
}

Test(static_files, router_hands_them_to_one_route_of_get_and_head)
{
	struct span service, id, member;
	struct target target;
	char allow[ROUTER_ALLOW_MAX];

	target_parse(SPAN("/documents"), memory, &target);
	const struct route *route = router_match(&target, &service, &id, &member);
	cr_assert(route);
	cr_expect_str_eq(route->pattern, "");
	cr_expect_eq(service.len + id.len + member.len, 0);
	router_format_allow(route, allow);
	cr_expect_str_eq(allow, "GET, HEAD, OPTIONS");
}
