/* subscriptions_fixture.h — an index, and who of its members gets an event in which mode. */
#ifndef SYNCDOC_TESTS_SUBSCRIPTIONS_FIXTURE_H
#define SYNCDOC_TESTS_SUBSCRIPTIONS_FIXTURE_H

#include "hash.h"
#include "subscriptions.h"

#include <criterion/criterion.h>

#define SEED UINT64_C(0x5eed)
#define UNLIMITED 100000

static inline struct subscription_spec spec_of(const char *service, enum topic_event event,
					       const char *id, const char *prefix,
					       enum event_mode mode, int presence)
{
	return (struct subscription_spec){
		.topic = {.service = span_string(service), .event = event},
		.id = span_string(id),
		.prefix = span_string(prefix),
		.mode = mode,
		.presence = presence,
	};
}

static inline struct event_record event_of(const char *service, const char *id,
					   enum topic_event name)
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

static inline void add(struct subscription_index *index, struct audience_member *member,
		       struct subscription_spec spec)
{
	cr_assert_eq(subscription_add(index, member, &spec, UNLIMITED), 0);
}

/* Writes the mode into the audience, which it must not have got one from yet. */
static inline void mark_audience(struct audience *audience, enum event_mode mode, void *arg)
{
	size_t *calls = arg;

	cr_assert_null(*audience_slot(audience), "an audience is told once per event");
	*audience_slot(audience) = (void *)(uintptr_t)mode;
	++*calls;
}

static inline void unmark_audience(struct audience *audience, enum event_mode mode, void *arg)
{
	(void)mode;
	(void)arg;
	*audience_slot(audience) = NULL;
}

static inline void match_and_mark(struct subscription_index *index,
				  const struct event_record *record)
{
	size_t calls = 0;

	cr_assert_eq(subscription_match(index, record, mark_audience, &calls), calls);
}

static inline unsigned marked_mode(const struct audience_member *member)
{
	return member->audience ? (unsigned)(uintptr_t)*audience_slot(member->audience) : 0;
}

static inline void unmark(struct subscription_index *index, const struct event_record *record)
{
	subscription_match(index, record, unmark_audience, NULL);
}

/* The mode in which `member` gets the event; 0: it does not. */
static inline unsigned mode_of(struct subscription_index *index,
			       const struct audience_member *member, struct event_record record)
{
	match_and_mark(index, &record);
	unsigned mode = marked_mode(member);
	unmark(index, &record);
	cr_assert_eq(audience_mode(member->audience, &record), mode, "asked the other way round");
	return mode;
}

/* Of a claim's text. */
static inline struct rights *rights_of(const char *claim)
{
	struct json json = {0};
	struct json_fault fault;
	struct rights *rights = NULL;
	const char *reason;

	cr_assert_eq(json_parse(&json, span_string(claim), 8, &fault), 0);
	cr_assert_eq(rights_compile(&json, 0, &rights, &reason), 0, "%s", claim);
	json_fini(&json);
	return rights;
}

#endif
