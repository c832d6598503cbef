/* test_store_read_unless.c — a document whose reader has it already stays in Redis. */
#include "store_fixture.h"

#include <criterion/criterion.h>

TestSuite(store_read_unless, .timeout = 40);

#define LARGE 20000 /* bytes of data: surely not small */

/* What came last. */
static size_t whole_len;

static void on_read(int error, struct span envelope, size_t len, void *arg)
{
	whole_len = len;
	store_fixture_on_read(error, envelope, arg);
}

static const char *read_unless(struct store_fixture *fixture, bool any,
			       const struct entity_tag *tags, size_t count)
{
	int calls = fixture->calls;

	store_read_unless(fixture->store, SERVICE, SPAN("a"), any, tags, count, on_read, fixture);
	cr_assert_eq(fixture->calls, calls, "not from inside the call");
	fixture_run_until(&fixture->redis, &fixture->calls, calls + 1);
	return store_fixture_text(&fixture->envelope);
}

static struct entity_tag tag_of(const struct writer *writer)
{
	return (struct entity_tag){writer->document.revision, writer->document.updated_at_ms};
}

/* The head of what store_read() gives, and its length. */
static void assert_head(struct store_fixture *fixture, const char *text)
{
	struct document got, document;
	char *head = strdup(text), *whole = strdup(store_fixture_read(fixture, "a"));

	cr_assert_eq(document_parse(span_string(whole), &document), 0);
	cr_assert_eq(document_parse_head(span_string(head), &got), 0, "%s", head);
	cr_expect_eq(whole_len, strlen(whole));
	cr_expect_eq(got.revision, document.revision);
	cr_expect_eq(got.updated_at_ms, document.updated_at_ms);
	cr_expect_eq(got.created_at_ms, document.created_at_ms);
	cr_expect_eq(got.expires_at_ms, document.expires_at_ms);
	cr_expect_eq(got.deleted, document.deleted);
	cr_expect(span_equals(got.service, document.service));
	cr_expect(span_equals(got.id, document.id));
	cr_expect_leq(strlen(head), DOCUMENT_HEAD_MAX);
	free(head);
	free(whole);
}

static void assert_whole(struct store_fixture *fixture, const char *text)
{
	char *got = strdup(text);

	cr_expect_eq(whole_len, 0);
	cr_expect_str_eq(got, store_fixture_read(fixture, "a"));
	free(got);
}

static void read_both_ways(enum config_encoding encoding)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a"), .document.expires_at_ms = INT64_C(4000000000000)};
	char data[LARGE + 100];

	if (encoding == CONFIG_ENCODING_JSON && !fixture_has_json())
		cr_skip_test("SYNCDOC_TEST_REDIS_ARGS names no server with JSON.SET");
	snprintf(data, sizeof(data), "{\"x\":\"%0*d\"}", LARGE, 7);
	store_fixture_open(f, encoding);
	cr_expect_str_eq(read_unless(f, true, NULL, 0), "");
	cr_expect_eq(whole_len, 0);

	store_fixture_write(f, &a, "create", data, 1);
	struct entity_tag tags[STORE_TAGS_MAX] = {{1, 1}, {UINT64_MAX, INT64_MAX}, tag_of(&a)};
	assert_head(f, read_unless(f, true, NULL, 0));
	assert_head(f, read_unless(f, false, tags, 3));
	assert_whole(f, read_unless(f, false, tags, 2));
	assert_whole(f, read_unless(f, false, NULL, 0));
	/* What begins like one is not one. */
	for (int i = 3; i < STORE_TAGS_MAX; i++)
		tags[i] = (struct entity_tag){a.document.revision, a.document.updated_at_ms + i};
	tags[2].updated_at_ms /= 10;
	assert_whole(f, read_unless(f, false, tags, STORE_TAGS_MAX));

	a.document.expires_at_ms = 0;
	store_fixture_write(f, &a, "delete", data, 1);
	tags[0] = tag_of(&a);
	assert_head(f, read_unless(f, false, tags, 1));
	store_fixture_close(f);
}

Test(store_read_unless, head_of_what_is_known_and_all_of_what_is_not)
{
	read_both_ways(CONFIG_ENCODING_STRING);
}

Test(store_read_unless, the_same_of_json)
{
	read_both_ways(CONFIG_ENCODING_JSON);
}

/* How small it is is seen at the first read, and a guess after that. */
Test(store_read_unless, small_ones_come_whole_until_they_have_grown)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a")};
	char large[LARGE + 100];

	snprintf(large, sizeof(large), "{\"x\":\"%0*d\"}", LARGE, 7);
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	store_fixture_write(f, &a, "create", "{\"x\":1}", 1);
	assert_head(f, read_unless(f, true, NULL, 0));
	assert_whole(f, read_unless(f, true, NULL, 0));
	store_fixture_write(f, &a, "replace", large, 1);
	assert_whole(f, read_unless(f, true, NULL, 0));
	assert_head(f, read_unless(f, true, NULL, 0));
	store_fixture_write(f, &a, "replace", "{}", 1);
	assert_head(f, read_unless(f, true, NULL, 0));
	assert_whole(f, read_unless(f, true, NULL, 0));
	store_fixture_close(f);
}

Test(store_read_unless, what_is_no_document_is_told)
{
	struct store_fixture fixture, *f = &fixture;

	store_fixture_open(f, CONFIG_ENCODING_STRING);
	ASK("SET " DATA " nonsense");
	read_unless(f, true, NULL, 0);
	cr_expect_eq(f->error, -EBADMSG);
	read_unless(f, false, NULL, 0);
	cr_expect_eq(f->error, -EBADMSG);
	ASK("DEL " DATA);
	ASK("LPUSH " DATA " x");
	read_unless(f, true, NULL, 0);
	cr_expect_eq(f->error, -EBADMSG);
	store_fixture_close(f);
}
