/* test_store_since.c — which documents were written since, against a server of the test's own. */
#include "store_since.h"

#include "store_fixture.h"
#include <criterion/criterion.h>

TestSuite(store_since, .timeout = 100);

/* What the last call gave: "session:b session:a". */
static struct {
	int calls, error;
	char text[512];
	uint64_t last_sequence; /* of the last document */
	uint64_t sequence, purged;
	bool is_too_many;
} got;

static void on_changed(int error, const struct store_since *changed, void *arg)
{
	char *at = got.text;

	(void)arg;
	got.calls++;
	got.error = error;
	*at = '\0';
	cr_assert_eq(changed == NULL, error != 0);
	if (!changed)
		return;
	got.sequence = changed->sequence;
	got.purged = changed->purged;
	got.is_too_many = changed->is_too_many;
	if (changed->count)
		got.last_sequence = changed->documents[changed->count - 1].sequence;
	for (size_t i = 0; i < changed->count && i < 20; i++)
		at += snprintf(at, (size_t)(got.text + sizeof(got.text) - at), "%s%.*s:%.*s",
			       i ? " " : "", SPAN_ARGS(changed->documents[i].service),
			       SPAN_ARGS(changed->documents[i].id));
}

static const char *ask_all(struct store_fixture *f, const struct store_since_query *query)
{
	int calls = got.calls;

	store_since(f->store, query, on_changed, NULL);
	cr_assert_eq(got.calls, calls, "not from inside the call");
	fixture_run_until(&f->redis, &got.calls, calls + 1);
	cr_assert_eq(got.error, 0);
	return got.text;
}

static const char *ask(struct store_fixture *f, struct span service, const char *prefix,
		       uint64_t after)
{
	struct store_since_query query = {.services = &service,
					  .service_count = service.len ? 1 : 0,
					  .prefix = span_string(prefix),
					  .after = after};

	return ask_all(f, &query);
}

static void write_all(struct store_fixture *f)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b1")}, c = {.id = SPAN("b2")};

	store_fixture_write(f, &a, "create", "{}", 1); /* 1 */
	store_fixture_write(f, &b, "create", "{}", 2); /* 2, 3 */
	store_fixture_write(f, &c, "create", "{}", 1); /* 4 */
	store_fixture_write(f, &a, "merge", "{}", 1);  /* 5 */
}

Test(store_since, documents_come_in_the_order_of_their_last_write)
{
	struct store_fixture f;

	store_fixture_open(&f, CONFIG_ENCODING_STRING);
	cr_assert_str_eq(ask(&f, SERVICE, "", 0), "");
	cr_assert_eq(got.sequence, 0);
	write_all(&f);
	cr_assert_str_eq(ask(&f, SERVICE, "", 0), "session:b1 session:b2 session:a");
	cr_assert_eq(got.sequence, 5);
	cr_assert_eq(got.purged, 0);
	cr_assert_not(got.is_too_many);
	cr_assert_str_eq(ask(&f, SPAN_NONE, "", 3), "session:b2 session:a");
	cr_assert_str_eq(ask(&f, SPAN_NONE, "b", 2), "session:b1 session:b2");
	cr_assert_str_eq(ask(&f, SERVICE, "", 5), "");
	cr_assert_str_eq(ask(&f, SPAN("other"), "", 0), "");
	cr_assert_str_eq(ask(&f, SERVICE, "b1", 0), "session:b1");
	cr_assert_eq(got.last_sequence, 3);
	store_fixture_close(&f);
}

Test(store_since, too_many_are_said_and_not_sent)
{
	struct store_fixture f;

	store_fixture_open(&f, CONFIG_ENCODING_STRING);
	fixture_ask(&f.redis, "EVAL %s 0",
		    "for i = 1, 10001 do redis.call('ZADD', 'syncdoc:index:session', i, 'd' .. i) "
		    "end redis.call('ZADD', 'syncdoc:services', 10001, 'session') "
		    "redis.call('SET', 'syncdoc:purged', 7)");
	cr_assert_str_eq(ask(&f, SPAN_NONE, "", 0), "");
	cr_assert(got.is_too_many);
	cr_assert_eq(got.purged, 7);
	ask(&f, SPAN_NONE, "", 1);
	cr_assert_not(got.is_too_many);
	store_fixture_close(&f);
}

Test(store_since, what_is_lost_is_lost_after_the_sequence_was_raised)
{
	struct store_fixture f;

	store_fixture_open(&f, CONFIG_ENCODING_STRING);
	fixture_ask(&f.redis, "SET syncdoc:sequence 1000060");
	fixture_ask(&f.redis, "ZADD syncdoc:raised 1000050 30");
	ask(&f, SERVICE, "", 31);
	cr_assert_eq(got.sequence, 30);
	ask(&f, SERVICE, "", 30);
	cr_assert_eq(got.sequence, 1000060);
	ask(&f, SERVICE, "", 1000050);
	cr_assert_eq(got.sequence, 1000060);
	store_fixture_close(&f);
}

Test(store_since, several_services_are_one_list_and_one_document_is_looked_at_alone)
{
	struct store_fixture f;
	struct span services[] = {SPAN("one"), SPAN("two")};
	struct store_since_query query = {.services = services, .service_count = 2, .after = 2};

	store_fixture_open(&f, CONFIG_ENCODING_STRING);
	fixture_ask(
		&f.redis, "EVAL %s 0",
		"for i, name in ipairs({'one', 'two', 'one', 'three', 'one'}) do "
		"redis.call('ZADD', 'syncdoc:index:' .. name, i, i == 5 and 'x' or 'd' .. i) "
		"redis.call('ZADD', 'syncdoc:services', i, name) end "
		"redis.call('ZADD', 'syncdoc:index:two', 6, 'x') "
		"for i = 10, 10010 do redis.call('ZADD', 'syncdoc:index:one', i, 'm' .. i) end");
	cr_assert_str_eq(ask_all(&f, &query), "");
	cr_assert(got.is_too_many);
	query.id = SPAN("x");
	cr_assert_str_eq(ask_all(&f, &query), "one:x two:x");
	cr_assert_eq(got.last_sequence, 6);
	query.after = 5;
	cr_assert_str_eq(ask_all(&f, &query), "two:x");
	query.service_count = 0; /* all that were written since */
	cr_assert_str_eq(ask_all(&f, &query), "");
	query.after = 1;
	cr_assert_str_eq(ask_all(&f, &query), "one:x two:x");
	fixture_ask(&f.redis, "ZREMRANGEBYSCORE syncdoc:index:one 10 +inf");
	query = (struct store_since_query){.services = services, .service_count = 2, .after = 1};
	cr_assert_str_eq(ask_all(&f, &query), "two:d2 one:d3 one:x two:x");
	store_fixture_close(&f);
}
