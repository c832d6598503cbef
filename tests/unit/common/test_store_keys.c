/* test_store_keys.c — writes that come twice, by their Idempotency-Key, and those whose replies
 * were lost, by their request. */
#include "store_fixture.h"

#include <criterion/criterion.h>

TestSuite(store_keys, .timeout = 100);

STORE_TEST(store_keys, a_key_among_the_last_20_entries_is_seen_whatever_the_base)
{
	struct writer a = {.id = SPAN("a"), .key = SPAN("k1")}, stale;
	store_fixture_write(f, &a, "create", "{}", 1);
	stale = a;
	a.key = SPAN_NONE;
	for (int i = 0; i < 19; i++)
		store_fixture_write(f, &a, "replace", "{}", 1);
	a.key = SPAN("k1");
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 1), STORE_KEY_SEEN);
	cr_assert_eq(f->key_index, 0);
	cr_assert_eq(f->key_revision, 1);
	cr_assert(strstr(store_fixture_text(&f->envelope), "{\"revision\":20,"));
	cr_assert_eq(store_fixture_write(f, &stale, "replace", "{}", 1), STORE_KEY_SEEN);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "20");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "20");
	/* One more entry, and it is forgotten. */
	a.key = SPAN_NONE;
	store_fixture_write(f, &a, "replace", "{}", 1);
	a.key = SPAN("k1");
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 1), STORE_WRITTEN);
}

STORE_TEST(store_keys, a_key_in_the_middle_of_a_batch_is_named_and_nothing_written)
{
	struct writer a = {.id = SPAN("a"), .key = SPAN("k1")};
	store_fixture_write(f, &a, "create", "{}", 1);
	struct store_revision revisions[3] = {0};
	for (int i = 0; i < 3; i++)
		revisions[i] = (struct store_revision){.op = SPAN("merge"),
						       .at_ms = f->now_ms + 2 + i,
						       .request = SPAN("r"),
						       .reversible = SPAN("{}"),
						       .event = SPAN("e")};
	revisions[0].key = SPAN("other");
	revisions[2].key = SPAN("k1");
	struct store_batch batch = {.service = SERVICE,
				    .id = SPAN("a"),
				    .base_revision = 1,
				    .base_updated_at_ms = a.document.updated_at_ms,
				    .final = a.document,
				    .revisions = revisions,
				    .count = 3};
	batch.final.revision = 4;
	store_write(f->store, &batch, store_fixture_on_write, f);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->answer, STORE_KEY_SEEN);
	cr_assert_eq(f->key_index, 2);
	cr_assert_eq(f->key_revision, 1);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "1");
}

STORE_TEST(store_keys, a_write_is_found_by_its_request_id)
{
	struct writer a = {.id = SPAN("a")};
	cr_assert_not(store_fixture_find(f, "req-a-1"));
	store_fixture_write(f, &a, "create", "{}", 1);
	for (int i = 0; i < 45; i++)
		store_fixture_write(f, &a, "replace", "{}", 1);
	cr_assert(store_fixture_find(f, "req-a-3"));
	cr_assert_eq(f->found.revision, 3);
	cr_assert_eq(f->found.at_ms, f->now_ms + 3);
	cr_assert_eq(f->found.sequence, 3);
	cr_assert(strstr(store_fixture_text(&f->envelope), "{\"revision\":46,"));
	cr_assert(store_fixture_find(f, "req-a-46"));
	cr_assert_not(store_fixture_find(f, "req-a-47"));
}
