/* test_store_control.c — what hosts tell each other, where others have written, too. */
#include "store_control.h"
#include "store_fixture.h"

TestSuite(store_control, .timeout = 30);

struct answer {
	int calls;
	size_t count;
	int64_t for_ever_ms, never_ms, plain_ms;
};

static void on_revoked(int error, const struct store_revoked *entries, size_t count, void *arg)
{
	struct answer *answer = arg;
	cr_assert_eq(error, 0);
	for (size_t i = 0; i < count; i++) {
		int64_t before_ms = entries[i].issued_before_ms;
		if (span_equals(entries[i].name, SPAN("sub:for-ever")))
			answer->for_ever_ms = before_ms;
		else if (span_equals(entries[i].name, SPAN("sub:never")))
			answer->never_ms = before_ms;
		else
			answer->plain_ms = before_ms;
	}
	answer->count = count;
	answer->calls++;
}

Test(store_control, a_score_that_no_integer_can_hold_revokes_as_far_as_times_go)
{
	struct store_fixture fixture, *f = &fixture;
	struct answer answer = {0};
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	ASK("ZADD syncdoc:revoked +inf sub:for-ever -inf sub:never 1.7e12 jti:plain");
	store_revoked(f->store, on_revoked, &answer);
	fixture_run_until(&f->redis, &answer.calls, 1);
	cr_assert_eq(answer.count, 3);
	cr_expect_eq(answer.for_ever_ms, INT64_C(1) << 53);
	cr_expect_eq(answer.never_ms, 0);
	cr_expect_eq(answer.plain_ms, INT64_C(1700000000000));
	store_fixture_close(f);
}
