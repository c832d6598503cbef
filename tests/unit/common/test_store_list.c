#include "store_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(store_list, .timeout = 100);

static const struct store_list_query newest = {.order = STORE_ORDER_UPDATED, .page_size = 2};
static const struct store_list_query by_id = {.order = STORE_ORDER_ID, .page_size = 2};

static struct writer create(struct store_fixture *f, const char *id, const char *data)
{
	struct writer writer = {.id = span_string(id)};
	cr_assert_eq(store_fixture_write(f, &writer, "create", data, 1), STORE_WRITTEN);
	return writer;
}

static void create_all(struct store_fixture *f, const char *const *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		create(f, ids[i], "{\"n\":1}");
}

static void assert_page(struct store_fixture *f, struct store_list_query query, bool goes_on,
			const char *ids, bool has_next)
{
	store_fixture_list(f, query, goes_on);
	cr_assert_eq(f->error, 0, "%s", strerror(-f->error));
	cr_assert_str_eq(store_fixture_ids(f), ids);
	cr_assert_eq(f->token.len > 0, has_next, "token %s", store_fixture_text(&f->token));
	for (size_t i = 0; i < f->token.len; i++)
		cr_assert(strchr("\"\\&%+ #", f->token.at[i]) == NULL && f->token.at[i] > ' ');
}

static const char *const five[] = {"c", "a", "e", "b", "d"};

STORE_TEST(store_list, nothing_is_an_empty_page)
{
	cr_assert_str_eq(store_fixture_list(f, newest, false), "[]");
	cr_assert_eq(f->token.len, 0);
	cr_assert_str_eq(store_fixture_list(f, by_id, false), "[]");
	cr_assert_eq(f->token.len, 0);
}

STORE_TEST(store_list, pages_by_id_are_in_lexical_order)
{
	create_all(f, five, 5);
	assert_page(f, by_id, false, "a b", true);
	assert_page(f, by_id, true, "c d", true);
	assert_page(f, by_id, true, "e", false);
}

STORE_TEST(store_list, pages_by_update_are_newest_first)
{
	create_all(f, five, 5);
	assert_page(f, newest, false, "d b", true);
	assert_page(f, newest, true, "e a", true);
	assert_page(f, newest, true, "c", false);
}

STORE_TEST(store_list, a_page_that_ends_exactly_has_no_next)
{
	create_all(f, five, 4);
	assert_page(f, newest, false, "b e", true);
	assert_page(f, newest, true, "a c", false);
	assert_page(f, by_id, false, "a b", true);
	assert_page(f, by_id, true, "c e", false);
}

STORE_TEST(store_list, what_changes_while_paging_is_on_a_new_first_page_and_nothing_comes_twice)
{
	struct writer e;
	create_all(f, five, 2);
	e = create(f, "e", "{}");
	create_all(f, five + 3, 2);
	assert_page(f, newest, false, "d b", true);
	store_fixture_write(f, &e, "replace", "{}", 1);
	create(f, "z", "{}");
	assert_page(f, newest, true, "a c", false);
	assert_page(f, newest, false, "z e", true);
}

STORE_TEST(store_list, pages_by_id_take_what_is_new_behind_them)
{
	create_all(f, five, 5);
	assert_page(f, by_id, false, "a b", true);
	create(f, "aa", "{}");
	create(f, "bb", "{}");
	assert_page(f, by_id, true, "bb c", true);
}

STORE_TEST(store_list, a_prefix_narrows_both_orders)
{
	static const char *const ids[] = {"u1-a", "u2-a", "u1-b", "u10", "u1", "u1-c", "t"};
	struct store_list_query query = by_id;
	create_all(f, ids, 7);
	query.prefix = SPAN("u1-");
	assert_page(f, query, false, "u1-a u1-b", true);
	assert_page(f, query, true, "u1-c", false);
	query.order = STORE_ORDER_UPDATED;
	assert_page(f, query, false, "u1-c u1-b", true);
	assert_page(f, query, true, "u1-a", false);
	query.prefix = SPAN("nothing");
	assert_page(f, query, false, "", false);
	query.prefix = SPAN("\xff");
	assert_page(f, query, false, "", false);
	query.prefix = SPAN("z");
	query.order = STORE_ORDER_ID;
	assert_page(f, query, false, "", false);
}

STORE_TEST(store_list, tombstones_and_what_has_expired_are_left_out_unless_asked_for)
{
	struct store_list_query query = newest;
	struct writer a = create(f, "a", "{}"), expired = {.id = SPAN("x")};
	create_all(f, five + 2, 2);
	expired.document.expires_at_ms = f->now_ms;
	store_fixture_write(f, &expired, "create", "{}", 1);
	store_fixture_write(f, &a, "delete", "{}", 1);
	query.page_size = 10;
	assert_page(f, query, false, "b e", false);
	query.deleted = true;
	assert_page(f, query, false, "a x b e", false);
	cr_assert(strstr(store_fixture_text(&f->envelope), "\"deleted\":true"));
	query.order = STORE_ORDER_ID;
	query.deleted = false;
	assert_page(f, query, false, "b e", false);
}

STORE_TEST(store_list, a_page_is_full_also_behind_many_tombstones)
{
	struct store_list_query query = newest;
	create_all(f, five, 3);
	for (int i = 0; i < 120; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%03d", i);
		struct writer writer = create(f, id, "{}");
		store_fixture_write(f, &writer, "delete", "{}", 1);
	}
	assert_page(f, query, false, "e a", true);
	assert_page(f, query, true, "c", false);
}

STORE_TEST(store_list, items_have_data_only_when_asked)
{
	struct store_list_query query = newest;
	create(f, "a", "{\"n\":[]}");
	char *read = strdup(store_fixture_read(f, "a"));
	store_fixture_list(f, query, false);
	cr_assert_not(strstr(store_fixture_text(&f->envelope), "data"));
	cr_assert(
		strstr(store_fixture_text(&f->envelope), "\"service\":\"session\",\"id\":\"a\"}]"));
	query.data = true;
	store_fixture_list(f, query, false);
	cr_assert_eq(f->envelope.len, strlen(read) + 2);
	cr_assert(strstr(store_fixture_text(&f->envelope), read));
	free(read);
}

STORE_TEST(store_list, a_page_with_data_ends_at_4_mib)
{
	enum { BYTES = 900000 };
	struct store_list_query query = by_id;
	char *data = malloc(BYTES + 16);
	cr_assert(data);
	memcpy(data, "{\"x\":\"", 6);
	memset(data + 6, 'x', BYTES);
	strcpy(data + 6 + BYTES, "\"}");
	for (const char *id = "a\0b\0c\0d\0e\0f\0"; *id; id += 2)
		create(f, id, data);
	query.page_size = 100;
	query.data = true;
	assert_page(f, query, false, "a b c d", true);
	cr_assert_leq(f->envelope.len, 4 * 1024 * 1024);
	assert_page(f, query, true, "e f", false);
	query.data = false;
	assert_page(f, query, false, "a b c d e f", false);
	free(data);
}

STORE_TEST(store_list, ids_without_a_document_are_skipped)
{
	create_all(f, five, 5);
	fixture_ask(&f->redis, "DEL syncdoc:data:session:b syncdoc:data:session:d");
	assert_page(f, by_id, false, "a c", true);
	assert_page(f, by_id, true, "e", false);
	assert_page(f, newest, false, "e a", true);
}

STORE_TEST(store_list, what_is_no_document_is_left_out)
{
	create_all(f, five, 3);
	fixture_ask(&f->redis, "SET syncdoc:data:session:a junk");
	fixture_ask(&f->redis, "DEL syncdoc:data:session:c");
	fixture_ask(&f->redis, "RPUSH syncdoc:data:session:c junk");
	assert_page(f, newest, false, "e", false);
}

Test(store_list, a_page_ends_after_10000_ids_looked_at)
{
	struct store_fixture fixture, *f = &fixture;
	struct store_list_query query = newest;
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	create(f, "wanted-1", "{}");
	create(f, "wanted-2", "{}");
	fixture_ask(&f->redis, "EVAL %s 1 syncdoc:index:session",
		    "for i = 1, 10500 do redis.call('ZADD', KEYS[1], 100 + i, 'other-' .. i) end");
	query.prefix = SPAN("wanted-");
	assert_page(f, query, false, "", true);
	assert_page(f, query, true, "wanted-2 wanted-1", false);
	store_fixture_close(f);
}

Test(store_list, more_than_one_call_is_made_for_a_large_page)
{
	struct store_fixture fixture, *f = &fixture;
	struct store_list_query query = by_id;
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	fixture_ask(&f->redis, "EVAL %s 1 syncdoc:names:session",
		    "for i = 1000, 2100 do redis.call('ZADD', KEYS[1], 0, i) "
		    "redis.call('SET', 'syncdoc:data:session:' .. i, "
		    "'{\"revision\":1,\"updatedAt\":1,\"createdAt\":1,\"service\":\"session\","
		    "\"id\":\"' .. "
		    "i .. '\",\"data\":{}}') end");
	query.page_size = 1000;
	store_fixture_list(f, query, false);
	const char *ids = store_fixture_ids(f);
	cr_assert_eq(strlen(ids), 1000 * 5 - 1);
	cr_assert(strncmp(ids, "1000 1001 ", 10) == 0);
	store_fixture_list(f, query, true);
	cr_assert_eq(strlen(store_fixture_ids(f)), 101 * 5 - 1);
	cr_assert_eq(f->token.len, 0);
	store_fixture_close(f);
}

static void assert_refused(struct store_fixture *f, struct store_list_query query)
{
	store_fixture_list(f, query, true);
	cr_assert_eq(f->error, -EINVAL);
}

static void token_set(struct store_fixture *f, const char *text)
{
	f->token.len = 0;
	buffer_append_string(&f->token, text);
}

Test(store_list, tokens_of_another_order_service_or_prefix_and_forged_ones_are_refused)
{
	struct store_fixture fixture, *f = &fixture;
	struct store_list_query query = by_id;
	char token[256];
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	create_all(f, five, 5);
	store_fixture_list(f, by_id, false);
	snprintf(token, sizeof(token), "%s", store_fixture_text(&f->token));
	assert_refused(f, newest);
	query.prefix = SPAN("a");
	token_set(f, token);
	assert_refused(f, query);
	for (size_t i = 0; token[i]; i++) {
		char kept = token[i];
		token[i] = kept == '0' ? '1' : '0';
		token_set(f, token);
		assert_refused(f, by_id);
		token[i] = kept;
	}
	static const char *const forged[] = {"x", "i", "u0", "i0000000000000000b", "\"", "u\n"};
	for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
		token_set(f, forged[i]);
		assert_refused(f, by_id);
		token_set(f, forged[i]);
		assert_refused(f, newest);
	}
	token_set(f, token);
	assert_page(f, by_id, true, "c d", true);
	store_fixture_close(f);
}

static void on_services(int error, struct span items, void *arg)
{
	store_fixture_on_read(error, items, arg);
}

static const char *services(struct store_fixture *f)
{
	int calls = f->calls;
	store_services(f->store, NULL, on_services, f);
	fixture_run_until(&f->redis, &f->calls, calls + 1);
	cr_assert_eq(f->error, 0);
	return store_fixture_text(&f->envelope);
}

STORE_TEST(store_list, services_are_counted_newest_first)
{
	cr_assert_str_eq(services(f), "[]");
	create_all(f, five, 2);
	struct writer gone = create(f, "gone", "{}");
	store_fixture_write(f, &gone, "delete", "{}", 1);
	fixture_ask(&f->redis, "ZADD syncdoc:services 1000 board 1 empty");
	fixture_ask(&f->redis, "ZADD syncdoc:names:board 0 x");
	cr_assert_str_eq(services(f), "[{\"service\":\"board\",\"documents\":1},"
				      "{\"service\":\"session\",\"documents\":2}]");
}

/* --- many at once --- */

struct crowd {
	struct store_fixture *f;
	int calls, good, refused;
	bool asks_again; /* from inside each refusal, once */
};

static void crowd_ask(struct crowd *crowd);

static void on_crowd(int error, struct span items, struct span next_page_token, void *arg)
{
	struct crowd *crowd = arg;
	(void)next_page_token;
	crowd->calls++;
	if (!error)
		crowd->good += items.len > 2;
	else if (error == -EAGAIN)
		crowd->refused++;
	if (error && crowd->asks_again) {
		crowd->asks_again = false;
		crowd_ask(crowd);
	}
}

static void crowd_ask(struct crowd *crowd)
{
	struct store_list_query query = newest;
	query.service = SERVICE;
	query.now_ms = crowd->f->now_ms;
	query.page_size = 1000;
	query.data = true;
	store_list(crowd->f->store, &query, on_crowd, crowd);
}

static void crowd_ask_many(struct crowd *crowd, int count)
{
	for (int i = 0; i < count; i++)
		crowd_ask(crowd);
}

static void on_crowd_read(int error, const struct span *envelopes, size_t count, void *arg)
{
	struct crowd *crowd = arg;
	crowd->calls++;
	crowd->refused += error == -EAGAIN;
	crowd->good += !error && count == 2 && envelopes[0].len && envelopes[1].len;
}

static void crowd_read_many(struct crowd *crowd, int count)
{
	const struct span ids[] = {SPAN("b"), SPAN("a")};
	for (int i = 0; i < count; i++)
		store_read_many(crowd->f->store, SERVICE, ids, 2, on_crowd_read, crowd);
}

#define LARGE 1000000
#define LARGE_MET 8 /* then they are expected to be large */

/* "a" and "b", of which two questions at a time are let through, once they are known. */
static void crowd_meet_large(struct crowd *crowd)
{
	char *data = malloc(LARGE + 1);
	cr_assert(data);
	snprintf(data, LARGE + 1, "{\"text\":\"%0*d\"}", LARGE - 11, 0);
	create(crowd->f, "a", data);
	create(crowd->f, "b", data);
	free(data);
	store_fixture_open_again(crowd->f);
	for (int i = 0; i < LARGE_MET; i++) {
		crowd_read_many(crowd, 1);
		fixture_run_until(&crowd->f->redis, &crowd->calls, i + 1);
	}
	cr_assert_eq(crowd->good, LARGE_MET);
}

static long scripts_called(struct store_fixture *f)
{
	const char *at = strstr(ASK("INFO commandstats"), "cmdstat_evalsha:calls=");
	return at ? strtol(at + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;
}

STORE_TEST(store_list, pages_with_data_are_read_one_after_the_other)
{
	struct crowd crowd = {.f = f};
	create_all(f, five, 5);
	crowd_ask_many(&crowd, 20);
	cr_assert_eq(store_list_waits(f->store), 19);
	fixture_run_until(&f->redis, &crowd.calls, 20);
	cr_assert_eq(crowd.good, 20);
	cr_assert_eq(store_list_refusals(f->store), 0);
}

STORE_TEST(store_list, many_large_documents_are_read_in_the_line_of_lists)
{
	struct crowd crowd = {.f = f};
	crowd_meet_large(&crowd);
	crowd_read_many(&crowd, 10);
	cr_assert_eq(store_list_waits(f->store), 8);
	crowd_ask(&crowd);
	cr_assert_eq(store_list_waits(f->store), 9);
	fixture_run_until(&f->redis, &crowd.calls, LARGE_MET + 11);
	cr_assert_eq(store_list_refusals(f->store), 0);
	cr_assert_eq(crowd.refused, 0);
}

STORE_TEST(store_list, small_documents_are_read_by_all_at_once)
{
	struct crowd crowd = {.f = f};
	create_all(f, five, 5);
	crowd_read_many(&crowd, 40);
	cr_assert_eq(store_list_waits(f->store), 0);
	fixture_run_until(&f->redis, &crowd.calls, 40);
	crowd_read_many(&crowd, 1100);
	cr_assert_eq(store_list_waits(f->store), 0);
	fixture_run_until(&f->redis, &crowd.calls, 1140);
	cr_assert_eq(crowd.good, 1140);
}

STORE_TEST(store_list, who_waits_to_read_many_documents_is_refused_with_those_that_get_no_answer)
{
	struct crowd crowd = {.f = f};
	f->config.redis_timeout_ms = 1000; /* met once */
	crowd_meet_large(&crowd);
	fixture_signal(&f->redis, SIGSTOP);
	crowd_read_many(&crowd, 10);
	cr_assert_eq(crowd.calls, LARGE_MET, "not from inside the call");
	fixture_run_until(&f->redis, &crowd.calls, LARGE_MET + 10);
	fixture_signal(&f->redis, SIGCONT);
	/* Of those two that were asked it is not known: their own error says so. */
	cr_assert_eq(store_list_refusals(f->store), 8);
	cr_assert_geq(crowd.refused, 8);
	cr_assert_eq(crowd.good, LARGE_MET);
}

STORE_TEST(store_list,
	   those_in_line_behind_one_that_gets_no_answer_are_refused_with_it_and_never_asked_for)
{
	struct crowd crowd = {.f = f};
	create_all(f, five, 5);
	crowd_ask(&crowd);
	fixture_run_until(&f->redis, &crowd.calls, 1);
	f->config.redis_timeout_ms = 1000; /* met twice */
	store_fixture_open_again(f);
	long before = scripts_called(f);
	fixture_signal(&f->redis, SIGSTOP);
	crowd.asks_again = true;
	crowd_ask_many(&crowd, 5);
	fixture_run_until(&f->redis, &crowd.calls, 7);
	fixture_signal(&f->redis, SIGCONT);
	cr_assert_eq(crowd.refused, 6);
	cr_assert_geq(store_list_refusals(f->store), 4);
	cr_assert_leq(scripts_called(f) - before, 2, "of six questions");
}

STORE_TEST(store_list, more_than_may_wait_are_refused_at_once_and_all_are_answered_at_the_end)
{
	struct crowd crowd = {.f = f};
	fixture_signal(&f->redis, SIGSTOP);
	crowd_ask_many(&crowd, 1010);
	cr_assert_eq(crowd.calls, 0, "not from inside the call");
	cr_assert_eq(store_list_refusals(f->store), 9);
	fixture_run_until(&f->redis, &crowd.calls, 9);
	store_destroy(f->store);
	f->store = NULL;
	cr_assert_eq(crowd.calls, 1010);
	fixture_signal(&f->redis, SIGCONT);
}
