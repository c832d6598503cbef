/* test_store_encodings.c — RedisJSON or text: which one is taken, and from one to the other. */
#include "store_fixture.h"

#include <criterion/criterion.h>

TestSuite(store_encodings, .timeout = 100);

Test(store_encodings, auto_finds_out_what_the_server_can)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a")};
	store_fixture_open(f, CONFIG_ENCODING_AUTO);
	store_fixture_write(f, &a, "create", "{}", 1);
	cr_assert_str_eq(ASK("TYPE " DATA), fixture_has_json() ? "ReJSON-RL" : "string");
	store_fixture_close(f);
}

Test(store_encodings, auto_works_for_a_write_given_before_the_server_was_asked)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a")};
	store_fixture_open(f, CONFIG_ENCODING_AUTO);
	store_destroy(f->store);
	f->store = store_create(f->redis.loop, &f->config, f->redis.url, 7);
	store_fixture_write(f, &a, "create", "{\"x\":[]}", 1);
	cr_assert_str_eq(ASK("TYPE " DATA), fixture_has_json() ? "ReJSON-RL" : "string");
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"x\":[]}}"));
	store_fixture_close(f);
}

Test(store_encodings, a_server_that_refuses_json_gets_the_string)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a")};
	if (fixture_has_json())
		cr_skip_test("this server can");
	store_fixture_open(f, CONFIG_ENCODING_AUTO);
	f->config.redis_encoding = CONFIG_ENCODING_JSON;
	store_fixture_open_again(f);
	cr_assert_eq(store_fixture_write(f, &a, "create", "{\"x\":1}", 1), STORE_WRITTEN);
	cr_assert_eq(f->first_sequence, 1);
	cr_assert_eq(store_fixture_write(f, &a, "delete", "{\"x\":2}", 1), STORE_WRITTEN);
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"x\":2}}"));
	store_fixture_assert_ttl(f, "PTTL " DATA, f->now_ms + 2 + 8 * DAY_MS);
	store_fixture_close(f);
}

static void change_encoding(enum config_encoding from, enum config_encoding to, const char *type)
{
	struct store_fixture fixture, *f = &fixture;
	struct writer a = {.id = SPAN("a")}, stale = a;
	if (!fixture_has_json())
		cr_skip_test("SYNCDOC_TEST_REDIS_ARGS names no server with JSON.SET");
	store_fixture_open(f, from);
	store_fixture_write(f, &a, "create", "{\"x\":[]}", 1);
	f->config.redis_encoding = to;
	store_fixture_open_again(f);
	char *read = strdup(store_fixture_read(f, "a"));
	cr_assert(strstr(read, "\"data\":{\"x\":[]}}"));
	store_fixture_assert_mismatch(f, stale, read);
	stale = a;
	stale.document.updated_at_ms++;
	store_fixture_assert_mismatch(f, stale, read);
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{\"x\":{}}", 1), STORE_WRITTEN);
	cr_assert_str_eq(ASK("TYPE " DATA), type);
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"x\":{}}}"));
	free(read);
	store_fixture_close(f);
}

Test(store_encodings, a_string_is_read_and_rewritten_as_json)
{
	change_encoding(CONFIG_ENCODING_STRING, CONFIG_ENCODING_JSON, "ReJSON-RL");
}

Test(store_encodings, json_is_read_and_rewritten_as_a_string)
{
	change_encoding(CONFIG_ENCODING_JSON, CONFIG_ENCODING_STRING, "string");
}
