#include <criterion/criterion.h>

#include "../common/random.h"
#include "hash.h"
#include "subscriptions.h"
#include <signal.h>
#include <time.h>

#define SEED UINT64_C(0x5eed)
#define UNLIMITED 100000

TestSuite(subscriptions, .timeout = 60);

static struct subscription_spec spec_of(const char *service, enum topic_event event, const char *id,
					const char *prefix, enum event_mode mode, int presence)
{
	return (struct subscription_spec){
		.topic = {.service = span_string(service), .event = event},
		.id = span_string(id),
		.prefix = span_string(prefix),
		.mode = mode,
		.presence = presence,
	};
}

static struct event_record event_of(const char *service, const char *id, enum topic_event name)
{
	struct event_record record = {
		.kind = EVENT_RECORD_EVENT,
		.name = name,
		.service = span_string(service),
		.id = span_string(id),
	};

	record.document_hash = hash_span(hash_span(SEED, record.service), record.id);
	return record;
}

static void add(struct subscription_index *index, struct audience_member *member,
		struct subscription_spec spec)
{
	cr_assert_eq(subscription_add(index, member, &spec, UNLIMITED), 0);
}

/* Writes the mode into the audience, which it must not have got one from yet. */
static void mark_audience(struct audience *audience, enum event_mode mode, void *arg)
{
	size_t *calls = arg;

	cr_assert_null(*audience_slot(audience), "an audience is told once per event");
	*audience_slot(audience) = (void *)(uintptr_t)mode;
	++*calls;
}

static void unmark_audience(struct audience *audience, enum event_mode mode, void *arg)
{
	(void)mode;
	(void)arg;
	*audience_slot(audience) = NULL;
}

static void match_and_mark(struct subscription_index *index, const struct event_record *record)
{
	size_t calls = 0;

	cr_assert_eq(subscription_match(index, record, mark_audience, &calls), calls);
}

static unsigned marked_mode(const struct audience_member *member)
{
	return member->audience ? (unsigned)(uintptr_t)*audience_slot(member->audience) : 0;
}

static void unmark(struct subscription_index *index, const struct event_record *record)
{
	subscription_match(index, record, unmark_audience, NULL);
}

/* The mode in which `member` gets the event; 0: it does not. */
static unsigned mode_of(struct subscription_index *index, const struct audience_member *member,
			struct event_record record)
{
	match_and_mark(index, &record);
	unsigned mode = marked_mode(member);
	unmark(index, &record);
	cr_assert_eq(audience_mode(member->audience, &record), mode, "asked the other way round");
	return mode;
}

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

#define MANY 1000

static struct subscription_spec numbered(char *room, size_t len, unsigned number)
{
	snprintf(room, len, "doc_%u", number);
	return spec_of("board", TOPIC_ANY, room, "", EVENT_DIFF, -1);
}

Test(subscriptions, thousand_subscriptions_of_one_member_are_one_audience_all_along)
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

Test(subscriptions, fifty_members_with_equal_sets_end_in_one_audience)
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
	struct json json = {0};
	struct json_fault fault;
	struct rights *rights = NULL;
	const char *reason;
	char claim[80];

	snprintf(claim, sizeof(claim), "{\"board\":{\"rights\":\"r\",\"documents\":[\"u%u-*\"]}}",
		 number);
	cr_assert_eq(json_parse(&json, span_string(claim), 8, &fault), 0);
	cr_assert_eq(rights_compile(&json, 0, &rights, &reason), 0);
	json_fini(&json);
	return rights;
}

/* Time is only reported: what must hold is in bench/. */
Test(subscriptions, hundred_thousand_others_do_not_change_who_gets_an_event)
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
Test(subscriptions, other_tenants_do_not_change_who_gets_an_event)
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

Test(subscriptions, a_filter_may_be_replaced_and_the_subscription_stays_what_was_asked_for)
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

/* --- against a list and the words of the contract --- */

#define MEMBERS 50
#define LIMIT 9
#define STEPS 20000

static const char *const services[] = {"", "a", "b", "session"};
static const char *const ids[] = {"x", "xy", "xyz", "y", "u42-1", "u42-2", "u4"};
static const char *const prefixes[] = {"x", "xy", "u4", "u42-", "z"};

/* The last two are equal. */
static const char *const claims[] = {
	"{\"a\":{\"rights\":\"rp\",\"documents\":[\"u42-*\"]},\"*\":\"rp\"}",
	"{\"a\":{\"rights\":\"r\",\"documents\":[\"x*\",\"u4\"]},\"b\":\"p\",\"session\":\"rp\"}",
	"{\"*\":{\"rights\":\"rp\",\"documents\":[\"u4\",\"u42-1\"]},\"b\":\"\"}",
	"{\"a\":{\"rights\":\"p\",\"documents\":[\"xy\"]},\"session\":{\"rights\":\"r\","
	"\"documents\":[]}}",
	"{\"session\":{\"rights\":\"r\",\"documents\":[]},\"a\":{\"rights\":\"p\",\"documents\":["
	"\"xy\",\"xy\"]}}",
};
static struct rights *filters[ARRAY_LEN(claims)];

static void compile_filters(void)
{
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct json json = {0};
		struct json_fault fault;
		const char *reason;

		cr_assert_eq(json_parse(&json, span_string(claims[i]), 8, &fault), 0);
		cr_assert_eq(rights_compile(&json, 0, &filters[i], &reason), 0, "%s", claims[i]);
		json_fini(&json);
	}
}

static void free_filters(void)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		rights_put(filters[i]);
}

struct naive_member {
	struct subscription_spec specs[LIMIT];
	unsigned count;
};

struct model {
	struct subscription_index *index;
	struct audience_member members[MEMBERS];
	struct naive_member naive[MEMBERS];
	uint64_t random;
};

static unsigned below(struct model *model, unsigned limit)
{
	return (unsigned)((random_next(&model->random) >> 33) % limit);
}

static struct subscription_spec random_spec(struct model *model)
{
	unsigned kind = below(model, 3);
	struct subscription_spec spec =
		spec_of(services[below(model, ARRAY_LEN(services))],
			(enum topic_event)below(model, TOPIC_ANY + 1),
			kind == 1 ? ids[below(model, ARRAY_LEN(ids))] : "",
			kind == 2 ? prefixes[below(model, ARRAY_LEN(prefixes))] : "",
			(enum event_mode)(1 + below(model, 3)), (int)below(model, 3) - 1);

	if (below(model, 2))
		spec.filter = filters[below(model, ARRAY_LEN(filters))];
	return spec;
}

static bool specs_same(const struct subscription_spec *a, const struct subscription_spec *b)
{
	return span_equals(a->topic.service, b->topic.service) &&
	       a->topic.event == b->topic.event && span_equals(a->id, b->id) &&
	       span_equals(a->prefix, b->prefix);
}

static int naive_find(const struct naive_member *member, const struct subscription_spec *spec)
{
	for (unsigned i = 0; i < member->count; i++)
		if (specs_same(&member->specs[i], spec))
			return (int)i;
	return -1;
}

static bool naive_wants(const struct subscription_spec *spec, const struct event_record *record)
{
	bool everybody = !record->service.len;
	if (everybody && record->name != TOPIC_PRESENCE)
		return true;
	if (!everybody && spec->topic.service.len &&
	    !span_equals(spec->topic.service, record->service))
		return false;
	if (!everybody && spec->id.len && !span_equals(spec->id, record->id))
		return false;
	if (!everybody && !span_starts_with(record->id, spec->prefix))
		return false;
	if (!everybody && spec->filter &&
	    !rights_allow(spec->filter, record->service, record->id,
			  record->name == TOPIC_PRESENCE ? RIGHT_PRESENCE : RIGHT_READ))
		return false;
	if (record->name != TOPIC_PRESENCE)
		return spec->topic.event == TOPIC_ANY || spec->topic.event == record->name;
	if (spec->presence != -1)
		return spec->presence == 1;
	return spec->id.len || spec->topic.event == TOPIC_PRESENCE ||
	       spec->topic.event == TOPIC_ANY;
}

static unsigned naive_mode(const struct naive_member *member, const struct event_record *record)
{
	unsigned mode = 0;

	for (unsigned i = 0; i < member->count; i++)
		if (naive_wants(&member->specs[i], record))
			mode |= member->specs[i].mode;
	return mode;
}

static bool naive_sets_equal(const struct naive_member *a, const struct naive_member *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		int j = naive_find(b, &a->specs[i]);
		if (j < 0 || a->specs[i].mode != b->specs[j].mode ||
		    a->specs[i].presence != b->specs[j].presence ||
		    !rights_equal(a->specs[i].filter, b->specs[j].filter))
			return false;
	}
	return a->count == b->count;
}

static void model_add(struct model *model, unsigned m, const struct subscription_spec *spec)
{
	struct naive_member *naive = &model->naive[m];
	int place = naive_find(naive, spec);
	int error = subscription_add(model->index, &model->members[m], spec, LIMIT);

	if (place < 0 && naive->count == LIMIT) {
		cr_assert_eq(error, -ENOSPC);
		return;
	}
	cr_assert_eq(error, 0);
	naive->specs[place < 0 ? (int)naive->count++ : place] = *spec;
}

static void model_remove(struct model *model, unsigned m)
{
	struct naive_member *naive = &model->naive[m];
	bool known = naive->count && below(model, 4);
	struct subscription_spec spec =
		known ? naive->specs[below(model, naive->count)] : random_spec(model);
	int place = naive_find(naive, &spec);

	cr_assert_eq(subscription_remove(model->index, &model->members[m], &spec),
		     place < 0 ? -ENOENT : 0);
	if (place >= 0)
		naive->specs[place] = naive->specs[--naive->count];
}

static void model_leave(struct model *model, unsigned m)
{
	subscription_leave(model->index, &model->members[m]);
	model->naive[m].count = 0;
}

/* Another member's set, put together in another order: audiences meet. */
static void model_copy(struct model *model, unsigned m)
{
	const struct naive_member *from = &model->naive[below(model, MEMBERS)];
	unsigned start = below(model, LIMIT);

	if (from == &model->naive[m])
		return;
	model_leave(model, m);
	for (unsigned i = 0; i < from->count; i++)
		model_add(model, m, &from->specs[(start + i) % from->count]);
}

/* As a refreshed token does: some go, of others the filter or presence changes. */
static void model_set(struct model *model, unsigned m)
{
	struct naive_member *naive = &model->naive[m];
	unsigned kept = 0;

	for (unsigned i = 0; i < naive->count; i++) {
		if (!below(model, 4))
			continue;
		naive->specs[kept] = naive->specs[i];
		if (below(model, 2))
			naive->specs[kept].filter = filters[below(model, ARRAY_LEN(filters))];
		if (!below(model, 3))
			naive->specs[kept].presence = (int)below(model, 4) - 2;
		kept++;
	}
	naive->count = kept;
	subscription_set(model->index, &model->members[m], naive->specs, kept);
}

static void model_event(struct model *model)
{
	struct event_record record = event_of(services[1 + below(model, ARRAY_LEN(services) - 1)],
					      ids[below(model, ARRAY_LEN(ids))],
					      (enum topic_event)below(model, TOPIC_ANY));
	bool everybody = !below(model, 20);

	if (everybody)
		record.service = record.id = SPAN_NONE;
	match_and_mark(model->index, &record);
	for (unsigned m = 0; m < MEMBERS; m++) {
		unsigned wanted = naive_mode(&model->naive[m], &record);
		unsigned got = marked_mode(&model->members[m]);
		if (everybody)
			cr_assert_eq(got != 0, wanted != 0);
		else
			cr_assert_eq(got, wanted, "member %u, event %.*s %.*s %s: mode %u, not %u",
				     m, SPAN_ARGS(record.service), SPAN_ARGS(record.id),
				     topic_event_name(record.name), got, wanted);
	}
	unmark(model->index, &record);
}

static void check_audiences(const struct model *model)
{
	size_t audiences = 0, subscriptions = 0;

	for (unsigned a = 0; a < MEMBERS; a++) {
		const struct audience_member *member = &model->members[a];
		bool first = model->naive[a].count;

		subscriptions += model->naive[a].count;
		cr_assert_eq(audience_subscription_count(member->audience), model->naive[a].count);
		if (member->audience)
			cr_assert_eq(audience_member_at(member->audience, member->place), member);
		for (unsigned b = 0; b < a; b++) {
			bool equal = naive_sets_equal(&model->naive[a], &model->naive[b]);
			cr_assert_eq(member->audience == model->members[b].audience, equal);
			first = first && !equal;
		}
		audiences += first;
	}
	cr_assert_eq(subscription_index_audiences(model->index), audiences);
	cr_assert_eq(subscription_index_subscriptions(model->index), subscriptions);
}

static void model_step(struct model *model)
{
	unsigned dice = below(model, 100), m = below(model, MEMBERS);
	struct subscription_spec spec = random_spec(model);

	if (dice < 35)
		model_add(model, m, &spec);
	else if (dice < 60)
		model_remove(model, m);
	else if (dice < 64)
		model_leave(model, m);
	else if (dice < 70)
		model_copy(model, m);
	else if (dice < 76)
		model_set(model, m);
	else
		model_event(model);
}

Test(subscriptions, random_changes_and_events_agree_with_a_naive_list, .init = compile_filters,
     .fini = free_filters)
{
	struct model *model = calloc(1, sizeof(*model));

	model->random = random_seed("subscriptions");
	model->index = subscription_index_create(SEED);
	for (unsigned step = 0; step < STEPS; step++) {
		model_step(model);
		if (step % 16 == 0)
			check_audiences(model);
	}
	for (unsigned m = 0; m < MEMBERS; m++)
		model_leave(model, m);
	check_audiences(model);
	subscription_index_destroy(model->index); /* aborts if a pattern is left */
	free(model);
}
