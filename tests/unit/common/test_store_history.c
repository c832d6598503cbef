/* test_store_history.c — runs of the history against a server of the test's own. */
#include "store_fixture.h"

#include "store_history.h"
#include <criterion/criterion.h>

TestSuite(store_history, .timeout = 100);

#define ALL ((struct store_history_query){.count = 100, .bytes = 1 << 20})

/* What the last call gave. */
static struct {
	int calls;
	int error;
	char text[8192]; /* "5:replace:{diff} 4:merge:- …"; - stands for no diff */
	struct document document;
	char envelope[512];
	uint64_t oldest, sequence;
	bool is_end;
	struct store_history_entry last; /* numbers only */
} got;

static void on_history(int error, const struct store_history *history, void *arg)
{
	char *at = got.text;
	(void)arg;
	got.calls++;
	got.error = error;
	*at = *got.envelope = '\0';
	cr_assert_eq(history == NULL, error != 0);
	if (!history)
		return;
	got.document = history->document;
	got.oldest = history->oldest;
	got.sequence = history->sequence;
	got.is_end = history->is_end;
	snprintf(got.envelope, sizeof(got.envelope), "%.*s", SPAN_ARGS(history->envelope));
	for (size_t i = 0; i < history->count; i++) {
		const struct store_history_entry *entry = &history->entries[i];
		struct span diff = entry->has_diff ? entry->reversible : SPAN("-");
		if (diff.len > 32)
			diff.len = 32;
		at += snprintf(at, (size_t)(got.text + sizeof(got.text) - at), "%s%llu:%.*s:%.*s",
			       i ? " " : "", (unsigned long long)entry->revision,
			       SPAN_ARGS(entry->op), SPAN_ARGS(diff));
		got.last = *entry;
	}
}

static const char *ask(struct store_fixture *f, struct store_history_query query)
{
	int calls = got.calls;
	query.service = SERVICE;
	query.id = SPAN("a");
	store_history(f->store, &query, on_history, NULL);
	cr_assert_eq(got.calls, calls, "not from inside the call");
	fixture_run_until(&f->redis, &got.calls, calls + 1);
	return got.text;
}

/* Revision n has the diff {"d":n}. */
static void write_revisions(struct store_fixture *f, struct writer *writer, int count)
{
	char diff[32];
	for (int i = 0; i < count; i++) {
		int n = snprintf(diff, sizeof(diff), "{\"d\":%llu}",
				 (unsigned long long)writer->document.revision + 1);
		writer->reversible = span_of(diff, (size_t)n);
		cr_assert_eq(store_fixture_write(f, writer,
						 writer->document.revision ? "merge" : "create",
						 "{\"n\":1}", 1),
			     STORE_WRITTEN);
	}
	writer->reversible = SPAN_NONE;
}

STORE_TEST(store_history, all_entries_come_newest_first_with_the_envelope)
{
	struct writer a = {.id = SPAN("a"), .key = SPAN("k1")};
	write_revisions(f, &a, 1);
	a.key = SPAN_NONE;
	write_revisions(f, &a, 2);
	cr_assert_str_eq(ask(f, ALL), "3:merge:{\"d\":3} 2:merge:{\"d\":2} 1:create:{\"d\":1}");
	cr_assert(got.is_end);
	cr_assert_eq(got.oldest, 1);
	cr_assert_eq(got.document.revision, 3);
	cr_assert_str_eq(got.envelope, store_fixture_read(f, "a"));
	cr_assert_eq(got.last.at_ms, f->now_ms + 1);
	cr_assert_eq(got.last.sequence, 1);
	cr_assert_eq(got.last.by.len, 3);
	cr_assert_eq(got.last.key.len, 2);
	cr_assert_eq(got.last.request.len, strlen("req-a-1"));
}

STORE_TEST(store_history, a_document_that_is_not_there_has_nothing)
{
	cr_assert_str_eq(ask(f, ALL), "");
	cr_assert_eq(got.error, 0);
	cr_assert_eq(got.document.revision, 0);
	cr_assert_str_eq(got.envelope, "");
	cr_assert_eq(got.oldest, 0);
	cr_assert(got.is_end);
}

STORE_TEST(store_history, above_and_below_bound_the_run)
{
	struct writer a = {.id = SPAN("a")};
	struct store_history_query query = ALL;
	write_revisions(f, &a, 5);
	query.above = 3;
	cr_assert_str_eq(ask(f, query), "5:merge:{\"d\":5} 4:merge:{\"d\":4}");
	cr_assert(got.is_end);
	cr_assert_eq(got.oldest, 1, "of all, not of the run");
	query.below = 5;
	cr_assert_str_eq(ask(f, query), "4:merge:{\"d\":4}");
	query.above = 4;
	cr_assert_str_eq(ask(f, query), "");
	cr_assert(got.is_end);
	query.above = 9;
	query.below = 0;
	cr_assert_str_eq(ask(f, query), "");
	cr_assert_eq(got.document.revision, 5);
}

STORE_TEST(store_history, pages_by_count_follow_each_other)
{
	struct writer a = {.id = SPAN("a")};
	struct store_history_query query = {.count = 2, .bytes = 1 << 20};
	write_revisions(f, &a, 4);
	cr_assert_str_eq(ask(f, query), "4:merge:{\"d\":4} 3:merge:{\"d\":3}");
	cr_assert_not(got.is_end);
	query.below = got.last.revision;
	cr_assert_str_eq(ask(f, query), "2:merge:{\"d\":2} 1:create:{\"d\":1}");
	cr_assert(got.is_end, "nothing behind a page that is just full");
}

/* The script reads 16 entries at a time. */
STORE_TEST(store_history, long_runs_are_whole)
{
	struct writer a = {.id = SPAN("a")};
	write_revisions(f, &a, 50);
	for (unsigned count = 15; count <= 50; count++) {
		ask(f, (struct store_history_query){.count = count, .bytes = 1 << 20});
		cr_assert_eq(got.last.revision, 51 - count, "%u", count);
		cr_assert_eq(got.is_end, count == 50, "%u", count);
	}
}

STORE_TEST(store_history, bytes_end_a_run_early_but_one_entry_always_comes)
{
	struct writer a = {.id = SPAN("a")};
	static char large[5000];
	store_fixture_write(f, &a, "create", "{}", 1);
	memset(large, 'x', sizeof(large));
	a.reversible = span_of(large, sizeof(large));
	for (int i = 0; i < 3; i++)
		store_fixture_write(f, &a, "replace", "{}", 1);
	struct store_history_query query = {.count = 100, .bytes = 1};
	for (uint64_t revision = 4; revision >= 1; revision--) {
		ask(f, query);
		cr_assert_eq(got.last.revision, revision);
		cr_assert_eq(got.is_end, revision == 1);
		query.below = revision;
	}
	query = (struct store_history_query){.count = 100, .bytes = 11000};
	ask(f, query);
	cr_assert_eq(got.last.revision, 3);
	cr_assert_not(got.is_end);
	query.bytes = 20000;
	ask(f, query);
	cr_assert_eq(got.last.revision, 1);
	cr_assert(got.is_end);
}

STORE_TEST(store_history, an_entry_above_the_budget_has_no_diff)
{
	struct writer a = {.id = SPAN("a")};
	static char large[3000];
	f->config.history_max_bytes = 2000;
	store_fixture_open_again(f);
	write_revisions(f, &a, 1);
	memset(large, 'x', sizeof(large));
	a.reversible = span_of(large, sizeof(large));
	store_fixture_write(f, &a, "replace", "{}", 1);
	write_revisions(f, &a, 1);
	cr_assert_str_eq(ask(f, ALL), "3:merge:{\"d\":3} 2:replace:- 1:create:{\"d\":1}");
}

STORE_TEST(store_history, the_oldest_is_told_where_the_rest_was_trimmed)
{
	struct writer a = {.id = SPAN("a")};
	struct store_history_query query = ALL;
	f->config.history_max = 3;
	store_fixture_open_again(f);
	write_revisions(f, &a, 7);
	query.above = 1;
	cr_assert_str_eq(ask(f, query), "7:merge:{\"d\":7} 6:merge:{\"d\":6} 5:merge:{\"d\":5}");
	cr_assert_eq(got.oldest, 5);
	f->config.history_max = 0;
	store_fixture_open_again(f);
	store_fixture_write(f, &a, "replace", "{}", 1);
	cr_assert_str_eq(ask(f, ALL), "");
	cr_assert_eq(got.oldest, 0);
	cr_assert_eq(got.document.revision, 8);
}

STORE_TEST(store_history, without_data_the_head_comes_alone)
{
	struct writer a = {.id = SPAN("a")};
	struct store_history_query query = ALL;
	static char data[4000];
	write_revisions(f, &a, 1);
	snprintf(data, sizeof(data), "{\"text\":\"%0*d\"}", 3000, 7);
	store_fixture_write(f, &a, "delete", data, 1);
	query.without_data = true;
	cr_assert_str_eq(ask(f, query), "2:delete:{} 1:create:{\"d\":1}");
	cr_assert_str_eq(got.envelope, "");
	cr_assert_eq(got.document.revision, 2);
	cr_assert_eq(got.document.created_at_ms, f->now_ms);
	cr_assert(got.document.deleted);
	cr_assert_eq(got.document.data.len, 0);
}

STORE_TEST(store_history, what_is_no_document_or_no_history_is_an_error)
{
	struct store_history_query query = ALL;
	fixture_ask(&f->redis, "SET " DATA " strange");
	for (int i = 0; i < 2; i++) {
		query.without_data = i == 1;
		ask(f, query);
		cr_assert_eq(got.error, -EBADMSG);
	}
	fixture_ask(&f->redis, "DEL " DATA);
	fixture_ask(&f->redis, "SADD " DATA " strange");
	ask(f, ALL);
	cr_assert_eq(got.error, -EBADMSG);
	fixture_ask(&f->redis, "DEL " DATA);
	fixture_ask(&f->redis, "SET " HISTORY " strange");
	ask(f, ALL);
	cr_assert_eq(got.error, -EIO);
}

Test(store_history, a_store_that_goes_cancels_and_redis_away_is_said)
{
	struct store_fixture fixture, *f = &fixture;
	struct store_history_query query = ALL;
	store_fixture_open(f, CONFIG_ENCODING_STRING);
	query.service = SERVICE;
	query.id = SPAN("a");
	store_history(f->store, &query, on_history, NULL);
	store_destroy(f->store);
	f->store = NULL;
	cr_assert_eq(got.calls, 1);
	cr_assert_eq(got.error, -ECANCELED);
	store_fixture_open_again(f);
	fixture_kill(&f->redis);
	ask(f, query);
	cr_assert_eq(got.error, -EAGAIN);
	store_fixture_close(f);
}

STORE_TEST(store_history, the_first_entry_of_a_sequence_that_is_known_ends_the_run)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b")};
	struct store_history_query query = ALL;
	write_revisions(f, &a, 2); /* sequences 1 and 2 */
	write_revisions(f, &b, 1);
	write_revisions(f, &a, 2); /* 4 and 5 */
	query.after = 3;
	cr_assert_str_eq(ask(f, query), "4:merge:{\"d\":4} 3:merge:{\"d\":3} 2:merge:{\"d\":2}");
	cr_assert(got.is_end);
	cr_assert_eq(got.sequence, 5);
	query.after = 5;
	cr_assert_str_eq(ask(f, query), "4:merge:{\"d\":4}");
}
