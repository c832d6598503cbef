/* test_subscriptions_random.c — random subscriptions and events, against a list and the words of
 * the contract. */
#include "../common/random.h"
#include "subscriptions_fixture.h"

TestSuite(subscriptions_random, .timeout = 100);

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
	for (size_t i = 0; i < ARRAY_LEN(claims); i++)
		filters[i] = rights_of(claims[i]);
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

Test(subscriptions_random, random_changes_and_events_agree_with_a_naive_list,
     .init = compile_filters, .fini = free_filters)
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
