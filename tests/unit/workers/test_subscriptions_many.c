/* test_subscriptions_many.c — many subscriptions, many tenants: what they cost, and that they stay
 * apart. */
#include "subscriptions_fixture.h"

#include <time.h>

TestSuite(subscriptions_many, .timeout = 100);

#define MANY 1000

static struct subscription_spec numbered(char *room, size_t len, unsigned number)
{
	snprintf(room, len, "doc_%u", number);
	return spec_of("board", TOPIC_ANY, room, "", EVENT_DIFF, -1);
}

Test(subscriptions_many, thousand_subscriptions_of_one_member_are_one_audience_all_along)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	char id[32];

	for (unsigned i = 0; i < MANY; i++) {
		add(index, &member, numbered(id, sizeof(id), i));
		cr_assert_eq(subscription_index_audiences(index), 1);
		cr_assert_eq(audience_subscription_count(member.audience), i + 1);
	}
	for (unsigned i = 0; i < MANY; i++) {
		numbered(id, sizeof(id), i);
		cr_assert_eq(mode_of(index, &member, event_of("board", id, TOPIC_UPDATED)),
			     EVENT_DIFF);
	}
	for (unsigned i = 0; i < MANY; i += 2) {
		struct subscription_spec spec = numbered(id, sizeof(id), i);
		cr_assert_eq(subscription_remove(index, &member, &spec), 0);
	}
	cr_expect_eq(subscription_index_subscriptions(index), MANY / 2);
	cr_expect_eq(mode_of(index, &member, event_of("board", "doc_10", TOPIC_UPDATED)), 0);
	cr_expect(mode_of(index, &member, event_of("board", "doc_11", TOPIC_UPDATED)));
	subscription_leave(index, &member);
	cr_expect_eq(subscription_index_subscriptions(index), 0);
	subscription_index_destroy(index);
}

Test(subscriptions_many, fifty_members_with_equal_sets_end_in_one_audience)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member members[50] = {0};
	char id[32];

	for (unsigned i = 0; i < MANY / 4; i++) /* in step: each set is left one by one */
		for (unsigned m = 0; m < ARRAY_LEN(members); m++)
			add(index, &members[m], numbered(id, sizeof(id), i));
	cr_assert_eq(subscription_index_audiences(index), 1);
	for (unsigned m = 0; m < ARRAY_LEN(members); m++) /* one after the other */
		for (unsigned i = MANY / 4; i < MANY; i++)
			add(index, &members[m], numbered(id, sizeof(id), (i + m * 7) % MANY));
	for (unsigned m = 0; m < ARRAY_LEN(members); m++)
		for (unsigned i = 0; i < MANY; i++)
			add(index, &members[m], numbered(id, sizeof(id), i));
	cr_expect_eq(subscription_index_audiences(index), 1);
	cr_expect_eq(audience_member_count(members[0].audience), ARRAY_LEN(members));
	cr_expect_eq(audience_subscription_count(members[0].audience), MANY);
	cr_expect_eq(subscription_index_subscriptions(index), MANY * ARRAY_LEN(members));
	for (unsigned m = 0; m < ARRAY_LEN(members); m++)
		subscription_leave(index, &members[m]);
	cr_expect_eq(subscription_index_audiences(index), 0);
	subscription_index_destroy(index);
}

static double nanoseconds_per_match(struct subscription_index *index, unsigned turns)
{
	struct event_record record = event_of("board", "u42-abcdef", TOPIC_UPDATED);
	struct timespec from, to;
	size_t matched = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < turns; i++)
		matched += subscription_match(index, &record, unmark_audience, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	cr_expect_eq(matched, turns, "one audience wants it, with or without the others");
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	       turns;
}

static struct rights *tenant(unsigned number)
{
	char claim[80];

	snprintf(claim, sizeof(claim), "{\"board\":{\"rights\":\"r\",\"documents\":[\"u%u-*\"]}}",
		 number);
	return rights_of(claim);
}

/* Time is only reported: what must hold is in bench/. */
Test(subscriptions_many, hundred_thousand_others_do_not_change_who_gets_an_event)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member wanting = {0};
	struct audience_member *others = calloc(1000, sizeof(*others));
	char id[32];

	add(index, &wanting, spec_of("board", TOPIC_UPDATED, "u42-abcdef", "", EVENT_DIFF, -1));
	double before = nanoseconds_per_match(index, 100000);
	for (unsigned i = 0; i < 100000; i++)
		add(index, &others[i / 100], numbered(id, sizeof(id), i));
	cr_expect_eq(subscription_index_audiences(index), 1001);
	double after = nanoseconds_per_match(index, 100000);
	fprintf(stderr, "match: %.0f ns alone, %.0f ns beside 100,000 others\n", before, after);
	for (unsigned i = 0; i < 1000; i++)
		subscription_leave(index, &others[i]);
	subscription_leave(index, &wanting);
	subscription_index_destroy(index);
	free(others);
}

/* Each sees documents of its own only, and subscribes to all. Time is only reported. */
Test(subscriptions_many, other_tenants_do_not_change_who_gets_an_event)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member wanting = {0};
	struct audience_member *others = calloc(10000, sizeof(*others));
	struct subscription_spec spec = spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1);

	cr_assert(others);
	spec.filter = tenant(42);
	add(index, &wanting, spec);
	rights_put(spec.filter); /* the index has its own reference */
	double before = nanoseconds_per_match(index, 100000);
	for (unsigned i = 0; i < 10000; i++) {
		spec.filter = tenant(1000 + i);
		add(index, &others[i], spec);
		rights_put(spec.filter);
	}
	cr_expect_eq(subscription_index_audiences(index), 10001);
	double after = nanoseconds_per_match(index, 100000);
	fprintf(stderr, "match: %.0f ns alone, %.0f ns beside 10,000 tenants\n", before, after);
	for (unsigned i = 0; i < 10000; i++)
		subscription_leave(index, &others[i]);
	subscription_leave(index, &wanting);
	subscription_index_destroy(index);
	free(others);
}

static void expect_wide(const struct subscription_spec *spec, void *arg)
{
	cr_expect_eq(spec->id.len + spec->prefix.len, 0);
	*(const struct rights **)arg = spec->filter;
}

Test(subscriptions_many, a_filter_may_be_replaced_and_the_subscription_stays_what_was_asked_for)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	struct subscription_spec spec = spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1);
	struct subscription_spec asked = spec_of("board", TOPIC_UPDATED, "", "u42-", EVENT_DIFF, 0);
	struct event_record record = event_of("board", "u42-1", TOPIC_UPDATED);
	struct rights *first = tenant(42), *second = tenant(43);
	const struct rights *seen = NULL;

	spec.filter = first;
	add(index, &member, spec);
	cr_expect_eq(mode_of(index, &member, record), EVENT_FULL);
	cr_expect_eq(audience_mode(member.audience, &record), EVENT_FULL);
	audience_each_subscription(member.audience, expect_wide, &seen);
	cr_expect_eq(seen, first);
	add(index, &member, asked); /* is found under the same bytes, and is another one */
	cr_expect_eq(mode_of(index, &member, record), EVENT_BOTH);
	spec.filter = second;
	add(index, &member, spec);
	cr_expect_eq(audience_subscription_count(member.audience), 2);
	cr_expect_eq(mode_of(index, &member, record), EVENT_DIFF);
	cr_assert_eq(subscription_remove(index, &member, &asked), 0);
	cr_expect_eq(mode_of(index, &member, record), 0);
	cr_expect_eq(audience_mode(member.audience, &record), 0);
	spec.filter = NULL;
	add(index, &member, spec);
	cr_expect_eq(audience_subscription_count(member.audience), 1);
	cr_expect_eq(mode_of(index, &member, record), EVENT_FULL);
	cr_assert_eq(subscription_remove(index, &member, &spec), 0);
	rights_put(first);
	rights_put(second);
	subscription_index_destroy(index);
}
