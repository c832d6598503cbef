/* test_store_tombstones.c — documents that are deleted or expire, and what is kept of them. */
#include "store_fixture.h"

#include <criterion/criterion.h>

TestSuite(store_tombstones, .timeout = 100);

STORE_TEST(store_tombstones, a_tombstone_is_listed_as_deleted_and_has_a_net)
{
	struct writer a = {.id = SPAN("a")};
	char score[32];
	store_fixture_write(f, &a, "create", "{\"x\":1}", 1);
	store_fixture_write(f, &a, "delete", "{\"x\":1}", 1);
	cr_assert(strstr(store_fixture_read(f, "a"), "\"deleted\":true"));
	snprintf(score, sizeof(score), "%lld", (long long)(f->now_ms + 2 + 7 * DAY_MS));
	cr_assert_str_eq(ASK("ZSCORE syncdoc:deleted:session a"), score);
	cr_assert_str_eq(ASK("ZSCORE syncdoc:names:session a"), "0");
	cr_assert_str_eq(ASK("ZSCORE syncdoc:index:session a"), "2");
	store_fixture_assert_ttl(f, "PTTL " DATA, f->now_ms + 2 + 8 * DAY_MS);
	store_fixture_assert_ttl(f, "PTTL " HISTORY, f->now_ms + 2 + 8 * DAY_MS);
}

STORE_TEST(store_tombstones, a_restored_document_lives_without_a_net)
{
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{}", 1);
	store_fixture_write(f, &a, "delete", "{}", 1);
	store_fixture_write(f, &a, "restore", "{}", 1);
	cr_assert_str_eq(ASK("EXISTS syncdoc:deleted:session"), "0");
	cr_assert_str_eq(ASK("PTTL " DATA), "-1");
	cr_assert_str_eq(ASK("PTTL " HISTORY), "-1");
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":3,"));
}

STORE_TEST(store_tombstones, an_expiring_document_is_in_expiry_and_has_a_net)
{
	struct writer a = {.id = SPAN("a")};
	int64_t expires_ms = f->now_ms + 60000;
	char score[32];
	a.document.expires_at_ms = expires_ms;
	store_fixture_write(f, &a, "create", "{}", 1);
	snprintf(score, sizeof(score), "%lld", (long long)expires_ms);
	cr_assert_str_eq(ASK("ZSCORE syncdoc:expiry session:a"), score);
	store_fixture_assert_ttl(f, "PTTL " DATA, expires_ms + 8 * DAY_MS);
	store_fixture_assert_ttl(f, "PTTL " HISTORY, expires_ms + 8 * DAY_MS);
	/* Later. */
	struct store_revision revision = {.op = SPAN("replace"),
					  .at_ms = a.document.updated_at_ms + 1,
					  .request = SPAN("r"),
					  .reversible = SPAN("{}"),
					  .event = SPAN("e")};
	struct store_batch batch = {.service = SERVICE,
				    .id = SPAN("a"),
				    .base_revision = 1,
				    .base_updated_at_ms = a.document.updated_at_ms,
				    .base_expires_at_ms = expires_ms,
				    .final = a.document,
				    .revisions = &revision,
				    .count = 1};
	batch.final.revision = 2;
	batch.final.updated_at_ms++;
	batch.final.expires_at_ms = 0;
	store_write(f->store, &batch, store_fixture_on_write, f);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->answer, STORE_WRITTEN);
	cr_assert_str_eq(ASK("EXISTS syncdoc:expiry"), "0");
	cr_assert_str_eq(ASK("PTTL " DATA), "-1");
	cr_assert_str_eq(ASK("PTTL " HISTORY), "-1");
}

STORE_TEST(store_tombstones, an_expired_document_leaves_expiry_for_deleted)
{
	struct writer a = {.id = SPAN("a")};
	a.document.expires_at_ms = f->now_ms + 1;
	store_fixture_write(f, &a, "create", "{}", 1);
	store_fixture_write(f, &a, "expire", "{}", 1);
	cr_assert_str_eq(ASK("EXISTS syncdoc:expiry"), "0");
	cr_assert_str_eq(ASK("ZCARD syncdoc:deleted:session"), "1");
	store_fixture_assert_ttl(f, "PTTL " DATA, f->now_ms + 2 + 8 * DAY_MS);
}
