/* test_store.c — documents written and read on a server of the test's own. */
#include "store_fixture.h"

#include <criterion/criterion.h>

TestSuite(store, .timeout = 100);

/* A field of the history entry of a revision; "" if it has none. */
static const char *history_field(struct store_fixture *f, unsigned revision, const char *name)
{
	static char value[256];
	redisReply *reply =
		redisCommand(f->redis.direct, "XRANGE " HISTORY " %u-0 %u-0", revision, revision);
	cr_assert(reply && reply->elements == 1, "no entry %u-0", revision);
	redisReply *fields = reply->element[0]->element[1];
	*value = '\0';
	for (size_t i = 0; i < fields->elements; i += 2)
		if (strcmp(fields->element[i]->str, name) == 0)
			snprintf(value, sizeof(value), "%s", fields->element[i + 1]->str);
	freeReplyObject(reply);
	return value;
}

STORE_TEST(store, a_created_document_reads_back)
{
	struct writer a = {.id = SPAN("a")};
	char expected[256];
	cr_assert_eq(store_fixture_write(f, &a, "create", "{\"x\":1}", 1), STORE_WRITTEN);
	cr_assert_eq(f->first_sequence, 1);
	snprintf(expected, sizeof(expected),
		 "{\"revision\":1,\"updatedAt\":%lld,\"createdAt\":%lld,\"service\":\"session\","
		 "\"id\":\"a\",\"data\":{\"x\":1}}",
		 (long long)f->now_ms + 1, (long long)f->now_ms);
	cr_assert_str_eq(store_fixture_read(f, "a"), expected);
	cr_assert_eq(f->error, 0);
	cr_assert_str_eq(ASK("TYPE " DATA),
			 encoding == CONFIG_ENCODING_STRING ? "string" : "ReJSON-RL");
	cr_assert_str_eq(ASK("ZRANGE syncdoc:index:session 0 -1 WITHSCORES"), "a 1");
	cr_assert_str_eq(ASK("ZRANGE syncdoc:names:session 0 -1 WITHSCORES"), "a 0");
	cr_assert_str_eq(ASK("ZRANGE syncdoc:services 0 -1 WITHSCORES"), "session 1");
	cr_assert_str_eq(ASK("EXISTS syncdoc:deleted:session syncdoc:expiry"), "0");
	cr_assert_str_eq(ASK("PTTL " DATA), "-1");
	cr_assert_str_eq(ASK("PTTL " HISTORY), "-1");
}

STORE_TEST(store, a_missing_document_reads_as_none)
{
	cr_assert_str_eq(store_fixture_read(f, "nothing"), "");
	cr_assert_eq(f->error, 0);
}

STORE_TEST(store, a_replace_makes_the_next_revision_and_sequence)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b")};
	store_fixture_write(f, &a, "create", "{}", 1);
	store_fixture_write(f, &b, "create", "{}", 1);
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{\"n\":2}", 1), STORE_WRITTEN);
	cr_assert_eq(f->first_sequence, 3);
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":2,"));
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"n\":2}}"));
	cr_assert_str_eq(ASK("ZRANGE syncdoc:index:session 0 -1 WITHSCORES"), "b 2 a 3");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "3");
}

STORE_TEST(store, a_write_on_any_other_base_changes_nothing_and_gets_the_newest_envelope)
{
	struct writer a = {.id = SPAN("a")}, stale, older;
	store_fixture_write(f, &a, "create", "{}", 1);
	older = a;
	store_fixture_write(f, &a, "replace", "{\"n\":2}", 1);
	char *newest = strdup(store_fixture_read(f, "a"));
	char *sequence = strdup(ASK("GET syncdoc:sequence"));

	store_fixture_assert_mismatch(f, older, newest);
	stale = a;
	stale.document.revision++;
	store_fixture_assert_mismatch(f, stale, newest);
	stale = a;
	stale.document.updated_at_ms++;
	store_fixture_assert_mismatch(f, stale, newest);
	stale = (struct writer){.id = SPAN("a")}; /* believes that there is none */
	store_fixture_assert_mismatch(f, stale, newest);
	/* 2 is a prefix of 20, as text. */
	stale = a;
	stale.document.revision = 20;
	store_fixture_assert_mismatch(f, stale, newest);
	stale = a;
	stale.document.updated_at_ms /= 10;
	store_fixture_assert_mismatch(f, stale, newest);

	cr_assert_str_eq(store_fixture_read(f, "a"), newest);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "2");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), sequence);
	free(newest);
	free(sequence);
}

STORE_TEST(store, a_write_on_a_base_that_is_gone_is_told_that_there_is_none)
{
	struct writer a = {.id = SPAN("a"), .document = {.revision = 3, .updated_at_ms = 5}};
	store_fixture_assert_mismatch(f, a, "");
	cr_assert_str_eq(ASK("KEYS *"), "");
}

STORE_TEST(store, a_batch_writes_all_its_revisions)
{
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{}", 1);
	cr_assert_eq(store_fixture_write(f, &a, "merge", "{\"last\":true}", 5), STORE_WRITTEN);
	cr_assert_eq(f->first_sequence, 2);
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":6,"));
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "6");
	cr_assert_str_eq(ASK("ZSCORE syncdoc:index:session a"), "6");
	for (unsigned revision = 2; revision <= 6; revision++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "%u", revision);
		cr_assert_str_eq(history_field(f, revision, "seq"), expected);
		snprintf(expected, sizeof(expected), "req-a-%u", revision);
		cr_assert_str_eq(history_field(f, revision, "req"), expected);
		snprintf(expected, sizeof(expected), "%lld", (long long)f->now_ms + revision);
		cr_assert_str_eq(history_field(f, revision, "at"), expected);
	}
}

STORE_TEST(store, a_batch_on_another_base_writes_none)
{
	struct writer a = {.id = SPAN("a")}, stale;
	store_fixture_write(f, &a, "create", "{}", 1);
	stale = a;
	store_fixture_write(f, &a, "replace", "{}", 1);
	cr_assert_eq(store_fixture_write(f, &stale, "merge", "{}", 5), STORE_MISMATCH);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "2");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "2");
}

STORE_TEST(store, events_are_published_in_order_behind_the_write)
{
	struct writer a = {.id = SPAN("a")};
	redisContext *listener = redisConnectUnix(f->redis.socket);
	freeReplyObject(redisCommand(listener, "SUBSCRIBE syncdoc:channel:session:a"));
	store_fixture_write(f, &a, "create", "{}", 3);
	for (int i = 1; i <= 3; i++) {
		redisReply *reply;
		char expected[32];
		snprintf(expected, sizeof(expected), "event %d", i);
		cr_assert_eq(redisGetReply(listener, (void **)&reply), REDIS_OK);
		cr_assert_str_eq(reply->element[2]->str, expected);
		freeReplyObject(reply);
	}
	redisFree(listener);
}

STORE_TEST(store, a_history_entry_has_all_fields_and_the_running_sum)
{
	struct writer a = {.id = SPAN("a"), .key = SPAN("k1"), .reversible = SPAN("{\"d\":1}")};
	store_fixture_write(f, &a, "create", "{}", 1);
	/* op at by req key diff */
	int64_t size = 6 + 13 + 3 + 7 + 2 + 7;
	char sum[32];
	cr_assert_str_eq(history_field(f, 1, "op"), "create");
	cr_assert_str_eq(history_field(f, 1, "by"), "ann");
	cr_assert_str_eq(history_field(f, 1, "key"), "k1");
	cr_assert_str_eq(history_field(f, 1, "diff"), "{\"d\":1}");
	snprintf(sum, sizeof(sum), "%lld", (long long)size);
	cr_assert_str_eq(history_field(f, 1, "sum"), sum);
	a.key = SPAN_NONE;
	a.reversible = SPAN("{}");
	store_fixture_write(f, &a, "merge", "{}", 2);
	snprintf(sum, sizeof(sum), "%lld", (long long)size + 2 * (5 + 13 + 3 + 7 + 2));
	cr_assert_str_eq(history_field(f, 3, "sum"), sum);
}

STORE_TEST(store, the_running_sum_goes_on_in_another_worker)
{
	struct writer a = {.id = SPAN("a")};
	char expected[32];
	for (int64_t i = 1; i <= 6; i++) {
		if (i % 2)
			store_fixture_open_again(f); /* remembers nothing */
		store_fixture_write(f, &a, "merge", "{}", 1);
		snprintf(expected, sizeof(expected), "%lld", (long long)i * (5 + 13 + 3 + 7 + 2));
		cr_assert_str_eq(history_field(f, (unsigned)i, "sum"), expected);
	}
}

STORE_TEST(store, history_keeps_only_so_many_entries)
{
	struct writer a = {.id = SPAN("a")};
	f->config.history_max = 3;
	store_fixture_open_again(f);
	store_fixture_write(f, &a, "create", "{}", 1);
	for (int i = 0; i < 4; i++)
		store_fixture_write(f, &a, "replace", "{}", 1);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "3");
	history_field(f, 3, "op");
	history_field(f, 5, "op");
	store_fixture_write(f, &a, "merge", "{}", 5);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "3");
	history_field(f, 8, "op");
}

/* Bytes of all entries that are kept, counted as write.lua counts them. */
static size_t history_bytes(struct store_fixture *f)
{
	size_t bytes = 0;
	redisReply *reply = redisCommand(f->redis.direct, "XRANGE " HISTORY " - +");
	for (size_t i = 0; i < reply->elements; i++) {
		redisReply *fields = reply->element[i]->element[1];
		for (size_t j = 0; j < fields->elements; j += 2)
			if (strcmp(fields->element[j]->str, "seq") != 0 &&
			    strcmp(fields->element[j]->str, "sum") != 0)
				bytes += fields->element[j + 1]->len;
	}
	freeReplyObject(reply);
	return bytes;
}

Test(store, history_keeps_only_so_many_bytes)
{
	enum { BUDGET = 8000 };
	struct store_fixture fixture, *f = &fixture;
	static char diff[BUDGET];
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	f->config.history_max_bytes = BUDGET;
	store_fixture_open_again(f);
	unsigned seed = (unsigned)f->now_ms;
	struct writer a = {.id = SPAN("a")};
	memset(diff, 'd', sizeof(diff));
	store_fixture_write(f, &a, "create", "{}", 1);
	for (int i = 0; i < 150; i++) {
		size_t len = i % 10 == 9 ? (size_t)rand_r(&seed) % (BUDGET - 200)
					 : (size_t)rand_r(&seed) % 600;
		a.reversible = span_of(diff, len + 1);
		store_fixture_write(f, &a, "replace", "{}", 1 + i % 3);
		size_t bytes = history_bytes(f);
		cr_assert_leq(bytes, BUDGET, "write %d, seed %lld", i, (long long)f->now_ms);
	}
	/* And it is used: small entries fill it nearly. */
	a.reversible = span_of(diff, 50);
	for (int i = 0; i < 100; i++)
		store_fixture_write(f, &a, "replace", "{}", 1);
	cr_assert_geq(history_bytes(f), BUDGET * 14 / 16);
	store_fixture_close(f);
}

Test(store, an_entry_above_the_byte_budget_has_no_diff)
{
	struct store_fixture fixture, *f = &fixture;
	static char diff[3000];
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	f->config.history_max_bytes = 2000;
	store_fixture_open_again(f);
	memset(diff, 'd', sizeof(diff));
	struct writer a = {.id = SPAN("a"), .reversible = span_of(diff, sizeof(diff))};
	store_fixture_write(f, &a, "create", "{}", 1);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "1");
	cr_assert_str_eq(history_field(f, 1, "op"), "create");
	cr_assert_str_eq(history_field(f, 1, "diff"), "");
	store_fixture_close(f);
}

STORE_TEST(store, without_history_nothing_is_kept_and_an_old_one_goes)
{
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{}", 1);
	f->config.history_max = 0;
	store_fixture_open_again(f);
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 2), STORE_WRITTEN);
	cr_assert_str_eq(ASK("EXISTS " HISTORY), "0");
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":3,"));
	/* And comes back where it left off. */
	f->config.history_max = 10;
	store_fixture_open_again(f);
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 1), STORE_WRITTEN);
	cr_assert_str_eq(history_field(f, 4, "op"), "replace");
}

STORE_TEST(store, empty_arrays_and_large_integers_survive_a_write_and_a_mismatch)
{
	static const char data[] =
		"{\"empty\":[],\"object\":{},\"large\":9007199254740993,"
		"\"largest\":9223372036854775807,\"text\":\"\xc3\xa9\xe2\x82\xac\"}";
	struct writer a = {.id = SPAN("a")}, stale = a;
	store_fixture_write(f, &a, "create", data, 1);
	cr_assert(strstr(store_fixture_read(f, "a"), data), "%s", store_fixture_read(f, "a"));
	cr_assert_eq(store_fixture_write(f, &stale, "create", "{}", 1), STORE_MISMATCH);
	cr_assert(strstr(store_fixture_text(&f->envelope), data));
}

Test(store, numbers_and_spaces_are_kept_to_the_letter_as_string)
{
	static const char data[] =
		"{ \"a\" : 1.0,\n\"b\":0.1, \"c\":18446744073709551615,\"d\":1E2}";
	struct store_fixture fixture, *f = &fixture;
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", data, 1);
	cr_assert(strstr(store_fixture_read(f, "a"), data));
	store_fixture_close(f);
}

/* --- many --- */

static void on_many(int error, const struct span *envelopes, size_t count, void *arg)
{
	struct store_fixture *f = arg;
	f->calls++;
	f->error = error;
	f->many_count = count;
	for (size_t i = 0; i < count; i++)
		snprintf(f->many[i], sizeof(f->many[i]), "%.*s", SPAN_ARGS(envelopes[i]));
}

STORE_TEST(store, many_are_read_in_the_order_asked_with_gaps)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b")};
	struct span ids[] = {SPAN("b"), SPAN("none"), SPAN("a"), SPAN("b")};
	store_fixture_write(f, &a, "create", "{\"is\":\"a\"}", 1);
	store_fixture_write(f, &b, "create", "{\"is\":\"b\"}", 1);
	int calls = f->calls;
	store_read_many(f->store, SERVICE, ids, 4, on_many, f);
	fixture_run_until(&f->redis, &f->calls, calls + 1);
	cr_assert_eq(f->error, 0);
	cr_assert_eq(f->many_count, 4);
	cr_assert(strstr(f->many[0], "\"data\":{\"is\":\"b\"}}"));
	cr_assert_str_eq(f->many[1], "");
	cr_assert(strstr(f->many[2], "\"data\":{\"is\":\"a\"}}"));
	cr_assert_str_eq(f->many[3], f->many[0]);
	store_read_many(f->store, SERVICE, NULL, 0, on_many, f);
	fixture_run_until(&f->redis, &f->calls, calls + 2);
	cr_assert_eq(f->many_count, 0);
}
