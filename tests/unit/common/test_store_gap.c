/* test_store_gap.c — what a supervisor asks for after a gap, against a server of the test's own. */
#include "store_fixture.h"

TestSuite(store_gap, .timeout = 100);

static struct {
	int calls;
	uint64_t sequence;
	size_t count;
} got;

static void on_gap(int error, const struct store_gap *gap, void *arg)
{
	(void)arg;
	cr_assert_eq(error, 0);
	got.calls++;
	got.sequence = gap->sequence;
	got.count = gap->count;
}

/* The sequence that a host is given whose last mark this is. */
static uint64_t sequence_for(struct store_fixture *f, uint64_t mark)
{
	int calls = got.calls;

	store_gap(f->store, mark, mark, on_gap, NULL);
	fixture_run_until(&f->redis, &got.calls, calls + 1);
	return got.sequence;
}

STORE_TEST(store_gap, documents_written_since_are_named)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b:1")};

	store_fixture_write(f, &a, "create", "{}", 1);
	store_fixture_write(f, &b, "create", "{}", 1);
	cr_assert_eq(sequence_for(f, 1), 2);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(sequence_for(f, 2), 2);
	cr_assert_eq(got.count, 0);
}

STORE_TEST(store_gap, who_comes_after_the_sequence_was_raised_is_told_what_it_was)
{
	ASK("SET syncdoc:sequence 30");
	cr_assert_eq(sequence_for(f, 50), 30, "the first to notice");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "1000050");
	cr_assert_eq(sequence_for(f, 50), 30, "its answer was lost");
	cr_assert_eq(sequence_for(f, 52), 30, "another host, a little ahead");
	cr_assert_eq(sequence_for(f, 30), 1000050, "one that has nothing of what was lost");
	cr_assert_eq(sequence_for(f, 1000050), 1000050, "one that has come on since");
	cr_assert_str_eq(ASK("GET syncdoc:sequence"), "1000050", "raised once");
}

STORE_TEST(store_gap, the_last_raises_are_remembered)
{
	for (int i = 1; i <= 20; i++) {
		ASK("SET syncdoc:sequence %d", i * 10);
		cr_assert_eq(sequence_for(f, (uint64_t)i * 10 + 5), (uint64_t)i * 10);
	}
	cr_assert_str_eq(ASK("ZCARD syncdoc:raised"), "16");
}
