/* test_subscriptions.c — which subscriptions match which events, and who shares an audience. */
#include "subscriptions_fixture.h"

#include <signal.h>

TestSuite(subscriptions, .timeout = 100);

/* The mode in which one subscription alone gets the event. */
static unsigned alone(struct subscription_spec spec, struct event_record record)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};

	add(index, &member, spec);
	unsigned mode = mode_of(index, &member, record);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
	return mode;
}

Test(subscriptions, service_and_event_are_compared_and_stars_stand_for_any)
{
	struct event_record updated = event_of("board", "b1", TOPIC_UPDATED);

	cr_expect_eq(alone(spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1), updated),
		     EVENT_FULL);
	cr_expect_eq(alone(spec_of("board", TOPIC_ANY, "", "", EVENT_DIFF, -1), updated),
		     EVENT_DIFF);
	cr_expect_eq(alone(spec_of("", TOPIC_UPDATED, "", "", EVENT_BOTH, -1), updated),
		     EVENT_BOTH);
	cr_expect_eq(alone(spec_of("", TOPIC_ANY, "", "", EVENT_FULL, -1), updated), EVENT_FULL);
	cr_expect_eq(alone(spec_of("boar", TOPIC_UPDATED, "", "", EVENT_FULL, -1), updated), 0);
	cr_expect_eq(alone(spec_of("board", TOPIC_CREATED, "", "", EVENT_FULL, -1), updated), 0);
	cr_expect_eq(alone(spec_of("", TOPIC_EXPIRED, "", "", EVENT_FULL, -1), updated), 0);
}

Test(subscriptions, document_id_narrows_also_under_stars)
{
	struct event_record updated = event_of("board", "b1", TOPIC_UPDATED);

	cr_expect(alone(spec_of("board", TOPIC_UPDATED, "b1", "", EVENT_FULL, -1), updated));
	cr_expect(alone(spec_of("", TOPIC_UPDATED, "b1", "", EVENT_FULL, -1), updated));
	cr_expect(alone(spec_of("board", TOPIC_ANY, "b1", "", EVENT_FULL, -1), updated));
	cr_expect(alone(spec_of("", TOPIC_ANY, "b1", "", EVENT_FULL, -1), updated));
	cr_expect_not(alone(spec_of("board", TOPIC_UPDATED, "b", "", EVENT_FULL, -1), updated));
	cr_expect_not(alone(spec_of("board", TOPIC_UPDATED, "b12", "", EVENT_FULL, -1), updated));
	cr_expect_not(alone(spec_of("other", TOPIC_UPDATED, "b1", "", EVENT_FULL, -1), updated));
	/* Border between service and id. */
	cr_expect_not(alone(spec_of("boardb", TOPIC_UPDATED, "1", "", EVENT_FULL, -1), updated));
}

Test(subscriptions, prefix_matches_from_its_own_length_on)
{
	struct event_record updated = event_of("board", "u42-a", TOPIC_UPDATED);
	static const char *const matching[] = {"u", "u4", "u42", "u42-", "u42-a"};
	static const char *const others[] = {"42", "u43", "u42-b", "u42-a1", "U"};

	for (size_t i = 0; i < ARRAY_LEN(matching); i++) {
		const char *prefix = matching[i];
		cr_expect(alone(spec_of("board", TOPIC_UPDATED, "", prefix, EVENT_FULL, -1),
				updated));
		cr_expect(alone(spec_of("", TOPIC_ANY, "", prefix, EVENT_FULL, -1), updated));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		cr_expect_not(alone(spec_of("board", TOPIC_UPDATED, "", others[i], EVENT_FULL, -1),
				    updated),
			      "%s", others[i]);
}

Test(subscriptions, prefix_and_id_of_the_same_bytes_are_two_subscriptions)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	struct subscription_spec by_id = spec_of("board", TOPIC_UPDATED, "u42", "", EVENT_FULL, -1);

	add(index, &member, by_id);
	add(index, &member, spec_of("board", TOPIC_UPDATED, "", "u42", EVENT_DIFF, -1));
	cr_expect_eq(audience_subscription_count(member.audience), 2);
	cr_expect_eq(mode_of(index, &member, event_of("board", "u42", TOPIC_UPDATED)), EVENT_BOTH);
	cr_expect_eq(mode_of(index, &member, event_of("board", "u421", TOPIC_UPDATED)), EVENT_DIFF);
	cr_expect_eq(subscription_remove(index, &member, &by_id), 0);
	cr_expect_eq(mode_of(index, &member, event_of("board", "u42", TOPIC_UPDATED)), EVENT_DIFF);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

Test(subscriptions, longest_names_match)
{
	char service[DOCUMENT_SERVICE_MAX + 1], id[DOCUMENT_ID_MAX + 1];

	memset(service, 's', DOCUMENT_SERVICE_MAX);
	memset(id, 'i', DOCUMENT_ID_MAX);
	service[DOCUMENT_SERVICE_MAX] = id[DOCUMENT_ID_MAX] = '\0';
	struct event_record updated = event_of(service, id, TOPIC_UPDATED);
	cr_expect(alone(spec_of(service, TOPIC_UPDATED, id, "", EVENT_FULL, -1), updated));
	cr_expect(alone(spec_of(service, TOPIC_UPDATED, "", id, EVENT_FULL, -1), updated));
}

/* The count of prefixes by length has no place for it. Sessions check names before. */
Test(subscriptions, prefix_longer_than_any_id_is_our_own_bug, .signal = SIGABRT)
{
	char prefix[DOCUMENT_ID_MAX + 2];

	memset(prefix, 'p', sizeof(prefix));
	prefix[DOCUMENT_ID_MAX + 1] = '\0';
	alone(spec_of("board", TOPIC_UPDATED, "", prefix, EVENT_FULL, -1),
	      event_of("board", "b1", TOPIC_UPDATED));
}

Test(subscriptions, presence_comes_by_the_rules_of_the_contract)
{
	static const struct {
		enum topic_event event;
		const char *id, *prefix;
		int presence;
		bool wanted;
	} rows[] = {
		{TOPIC_UPDATED, "b1", "", -1, true}, /* a document brings its presence along */
		{TOPIC_UPDATED, "b1", "", 1, true},
		{TOPIC_UPDATED, "b1", "", 0, false}, /* unless opted out */
		{TOPIC_ANY, "b1", "", 0, false},
		{TOPIC_UPDATED, "", "", -1, false}, /* wide: only where it is asked for */
		{TOPIC_UPDATED, "", "", 0, false},
		{TOPIC_UPDATED, "", "", 1, true},
		{TOPIC_PRESENCE, "", "", -1, true},
		{TOPIC_ANY, "", "", -1, true},
		{TOPIC_ANY, "", "", 0, false},
		{TOPIC_UPDATED, "", "b", -1, false}, /* a prefix is wide */
		{TOPIC_UPDATED, "", "b", 1, true},
		{TOPIC_PRESENCE, "", "b", -1, true},
		{TOPIC_ANY, "", "b", -1, true},
		{TOPIC_UPDATED, "b2", "", 1, false}, /* another document's */
		{TOPIC_UPDATED, "", "c", 1, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned star = 0; star < 2; star++) {
			struct subscription_spec spec =
				spec_of(star ? "" : "board", rows[i].event, rows[i].id,
					rows[i].prefix, EVENT_FULL, rows[i].presence);
			struct event_record presence = event_of("board", "b1", TOPIC_PRESENCE);
			cr_expect_eq(alone(spec, presence) != 0, rows[i].wanted, "row %zu, %s", i,
				     star ? "*" : "board");
		}
	cr_expect_not(alone(spec_of("board", TOPIC_PRESENCE, "", "", EVENT_FULL, -1),
			    event_of("board", "b1", TOPIC_UPDATED)));
}

Test(subscriptions, modes_of_all_that_match_unite)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};

	add(index, &member, spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1));
	add(index, &member, spec_of("", TOPIC_ANY, "b1", "", EVENT_DIFF, -1));
	add(index, &member, spec_of("", TOPIC_CREATED, "", "", EVENT_BOTH, -1));
	cr_expect_eq(mode_of(index, &member, event_of("board", "b1", TOPIC_UPDATED)), EVENT_BOTH);
	cr_expect_eq(mode_of(index, &member, event_of("board", "b2", TOPIC_UPDATED)), EVENT_FULL);
	cr_expect_eq(mode_of(index, &member, event_of("call", "b1", TOPIC_DELETED)), EVENT_DIFF);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

Test(subscriptions, a_subscription_that_does_not_match_lends_no_mode)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};

	/* The wide one wants no presence: its mode must not count for presence events. */
	add(index, &member, spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1));
	add(index, &member, spec_of("board", TOPIC_UPDATED, "b1", "", EVENT_DIFF, -1));
	cr_expect_eq(mode_of(index, &member, event_of("board", "b1", TOPIC_PRESENCE)), EVENT_DIFF);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

Test(subscriptions, equal_topic_id_and_prefix_replace_mode_and_presence)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};

	add(index, &member, spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, 1));
	add(index, &member, spec_of("board", TOPIC_UPDATED, "", "", EVENT_DIFF, -1));
	cr_expect_eq(audience_subscription_count(member.audience), 1);
	cr_expect_eq(subscription_index_subscriptions(index), 1);
	cr_expect_eq(subscription_index_audiences(index), 1);
	cr_expect_eq(mode_of(index, &member, event_of("board", "b1", TOPIC_UPDATED)), EVENT_DIFF);
	cr_expect_eq(mode_of(index, &member, event_of("board", "b1", TOPIC_PRESENCE)), 0);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

Test(subscriptions, limit_refuses_a_new_one_and_still_lets_replace)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	struct subscription_spec third = spec_of("c", TOPIC_ANY, "", "", EVENT_FULL, -1);
	struct subscription_spec second = spec_of("b", TOPIC_ANY, "", "", EVENT_DIFF, -1);

	add(index, &member, spec_of("a", TOPIC_ANY, "", "", EVENT_FULL, -1));
	add(index, &member, spec_of("b", TOPIC_ANY, "", "", EVENT_FULL, -1));
	struct audience *before = member.audience;
	cr_expect_eq(subscription_add(index, &member, &third, 2), -ENOSPC);
	cr_expect_eq(member.audience, before);
	cr_expect_eq(subscription_index_subscriptions(index), 2);
	cr_expect_eq(mode_of(index, &member, event_of("c", "1", TOPIC_UPDATED)), 0);
	cr_expect_eq(subscription_add(index, &member, &second, 2), 0);
	cr_expect_eq(mode_of(index, &member, event_of("b", "1", TOPIC_UPDATED)), EVENT_DIFF);
	subscription_leave(index, &member);
	cr_expect_eq(subscription_add(index, &member, &third, 0), -ENOSPC);
	cr_expect_null(member.audience);
	subscription_index_destroy(index);
}

Test(subscriptions, removing_what_is_not_there_says_so)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	struct subscription_spec one = spec_of("a", TOPIC_ANY, "x", "", EVENT_FULL, -1);
	struct subscription_spec other = spec_of("a", TOPIC_ANY, "", "x", EVENT_FULL, -1);

	cr_expect_eq(subscription_remove(index, &member, &one), -ENOENT);
	add(index, &member, one);
	cr_expect_eq(subscription_remove(index, &member, &other), -ENOENT);
	one.mode = EVENT_DIFF; /* mode and presence do not matter */
	one.presence = 0;
	cr_expect_eq(subscription_remove(index, &member, &one), 0);
	cr_expect_null(member.audience);
	cr_expect_eq(subscription_remove(index, &member, &one), -ENOENT);
	cr_expect_eq(subscription_index_audiences(index), 0);
	subscription_leave(index, &member); /* nothing left to leave */
	subscription_index_destroy(index);
}

Test(subscriptions, kinds_do_not_share_an_audience_but_match_alike)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member plain = {0}, deflate = {.kind = AUDIENCE_DEFLATE},
			       other = {.kind = AUDIENCE_DEFLATE};
	struct subscription_spec x = spec_of("board", TOPIC_UPDATED, "", "", EVENT_FULL, -1);
	struct subscription_spec y = spec_of("chat", TOPIC_ANY, "", "", EVENT_FULL, -1);

	add(index, &plain, x), add(index, &plain, y);
	add(index, &deflate, y), add(index, &deflate, x);
	cr_expect_neq(plain.audience, deflate.audience);
	add(index, &other, x), add(index, &other, y);
	cr_expect_eq(other.audience, deflate.audience);
	cr_expect_eq(audience_kind(plain.audience), AUDIENCE_PLAIN);
	cr_expect_eq(audience_kind(deflate.audience), AUDIENCE_DEFLATE);
	cr_expect_eq(subscription_index_audiences(index), 2);
	cr_expect_eq(mode_of(index, &plain, event_of("chat", "c", TOPIC_CREATED)), EVENT_FULL);
	cr_expect_eq(mode_of(index, &deflate, event_of("chat", "c", TOPIC_CREATED)), EVENT_FULL);
	/* A set changed where it is keeps its kind. */
	subscription_leave(index, &other);
	cr_expect_eq(subscription_remove(index, &deflate, &y), 0);
	cr_expect_eq(audience_kind(deflate.audience), AUDIENCE_DEFLATE);
	subscription_leave(index, &plain), subscription_leave(index, &deflate);
	subscription_index_destroy(index);
}

Test(subscriptions, equal_sets_share_an_audience_whatever_the_order)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member a = {0}, b = {0}, c = {0};
	struct subscription_spec x = spec_of("a", TOPIC_ANY, "x", "", EVENT_FULL, -1);
	struct subscription_spec y = spec_of("a", TOPIC_ANY, "y", "", EVENT_FULL, -1);
	struct subscription_spec y_diff = spec_of("a", TOPIC_ANY, "y", "", EVENT_DIFF, -1);
	struct subscription_spec y_silent = spec_of("a", TOPIC_ANY, "y", "", EVENT_FULL, 0);

	add(index, &a, x), add(index, &a, y);
	add(index, &b, y), add(index, &b, x);
	cr_expect_eq(a.audience, b.audience);
	cr_expect_eq(audience_member_count(a.audience), 2);
	add(index, &c, x), add(index, &c, y_diff);
	cr_expect_neq(a.audience, c.audience);
	add(index, &c, y_silent);
	cr_expect_neq(a.audience, c.audience);
	add(index, &c, y);
	cr_expect_eq(a.audience, c.audience);
	cr_expect_eq(subscription_index_audiences(index), 1);
	cr_expect_eq(subscription_index_subscriptions(index), 6);
	subscription_leave(index, &a);
	cr_expect_eq(audience_member_count(b.audience), 2);
	cr_expect_eq(audience_member_at(b.audience, b.place), &b);
	cr_expect_eq(audience_member_at(c.audience, c.place), &c);
	subscription_leave(index, &b), subscription_leave(index, &c);
	subscription_index_destroy(index);
}

Test(subscriptions, names_are_copied)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	char service[] = "board", id[] = "b1";

	add(index, &member, spec_of(service, TOPIC_UPDATED, id, "", EVENT_FULL, -1));
	memset(service, '?', sizeof(service) - 1);
	memset(id, '?', sizeof(id) - 1);
	cr_expect(mode_of(index, &member, event_of("board", "b1", TOPIC_UPDATED)));
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

struct listed {
	size_t count;
	bool has_id, has_prefix;
};

static void list_subscription(const struct subscription_spec *spec, void *arg)
{
	struct listed *listed = arg;

	listed->count++;
	if (span_equals(spec->id, SPAN("b1")) && span_equals(spec->topic.service, SPAN("board")) &&
	    spec->topic.event == TOPIC_UPDATED && spec->mode == EVENT_DIFF && spec->presence == 0)
		listed->has_id = true;
	if (span_equals(spec->prefix, SPAN("u42-")) && !spec->topic.service.len &&
	    spec->topic.event == TOPIC_ANY && spec->mode == EVENT_BOTH && spec->presence == -1)
		listed->has_prefix = true;
}

Test(subscriptions, each_gives_back_what_was_subscribed)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member member = {0};
	struct listed listed = {0};

	add(index, &member, spec_of("board", TOPIC_UPDATED, "b1", "", EVENT_DIFF, 0));
	add(index, &member, spec_of("", TOPIC_ANY, "", "u42-", EVENT_BOTH, -1));
	audience_each_subscription(member.audience, list_subscription, &listed);
	cr_expect_eq(listed.count, 2);
	cr_expect(listed.has_id);
	cr_expect(listed.has_prefix);
	subscription_leave(index, &member);
	subscription_index_destroy(index);
}

Test(subscriptions, record_without_service_reaches_everybody_once)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member a = {0}, b = {0}, none = {0};
	struct event_record everybody = {.kind = EVENT_RECORD_RESYNC};

	add(index, &a, spec_of("x", TOPIC_DELETED, "1", "", EVENT_DIFF, 0));
	add(index, &b, spec_of("y", TOPIC_UPDATED, "", "p", EVENT_DIFF, 0));
	match_and_mark(index, &everybody);
	cr_expect(marked_mode(&a) && marked_mode(&b) && !marked_mode(&none));
	unmark(index, &everybody);
	subscription_leave(index, &a), subscription_leave(index, &b);
	subscription_index_destroy(index);
}

Test(subscriptions, a_notice_about_presence_reaches_who_gets_presence)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member a = {0}, b = {0}, c = {0};
	struct event_record notice = {.kind = EVENT_RECORD_RESYNC, .name = TOPIC_PRESENCE};

	add(index, &a, spec_of("x", TOPIC_DELETED, "1", "", EVENT_DIFF, -1));
	add(index, &b, spec_of("y", TOPIC_UPDATED, "", "", EVENT_DIFF, -1));
	add(index, &c, spec_of("x", TOPIC_ANY, "", "", EVENT_DIFF, 0));
	add(index, &c, spec_of("y", TOPIC_PRESENCE, "", "", EVENT_DIFF, -1));
	match_and_mark(index, &notice);
	cr_expect(marked_mode(&a) && !marked_mode(&b) && marked_mode(&c));
	unmark(index, &notice);
	subscription_leave(index, &a), subscription_leave(index, &b), subscription_leave(index, &c);
	subscription_index_destroy(index);
}

Test(subscriptions, a_resync_of_a_document_reaches_who_gets_any_of_its_events)
{
	struct subscription_index *index = subscription_index_create(SEED);
	struct audience_member a = {0}, b = {0}, c = {0}, d = {0};
	struct event_record resync = event_of("x", "1", TOPIC_ANY);

	resync.kind = EVENT_RECORD_RESYNC;
	add(index, &a, spec_of("x", TOPIC_DELETED, "1", "", EVENT_DIFF, 0));
	add(index, &b, spec_of("", TOPIC_UPDATED, "", "", EVENT_DIFF, 0));
	add(index, &c, spec_of("x", TOPIC_PRESENCE, "", "", EVENT_DIFF, -1));
	add(index, &d, spec_of("x", TOPIC_ANY, "2", "", EVENT_DIFF, -1));
	match_and_mark(index, &resync);
	cr_expect(marked_mode(&a) && marked_mode(&b) && !marked_mode(&c) && !marked_mode(&d));
	unmark(index, &resync);
	subscription_leave(index, &a), subscription_leave(index, &b);
	subscription_leave(index, &c), subscription_leave(index, &d);
	subscription_index_destroy(index);
}
