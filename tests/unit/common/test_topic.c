#include "topic.h"

#include <criterion/criterion.h>

TestSuite(topic, .timeout = 100);

static int parse(const char *text, struct topic *ret)
{
	return topic_parse(span_string(text), ret);
}

Test(topic, accepts_every_form_and_points_into_the_text)
{
	static const struct {
		const char *text, *service;
		enum topic_event event;
	} rows[] = {
		{"sync.session.created", "session", TOPIC_CREATED},
		{"sync.session.updated", "session", TOPIC_UPDATED},
		{"sync.session.deleted", "session", TOPIC_DELETED},
		{"sync.session.expired", "session", TOPIC_EXPIRED},
		{"sync.session.presence", "session", TOPIC_PRESENCE},
		{"sync.session.*", "session", TOPIC_ANY},
		{"sync.*.updated", "", TOPIC_UPDATED},
		{"sync.*.*", "", TOPIC_ANY},
		{"sync.A-z_09.created", "A-z_09", TOPIC_CREATED},
		{"sync.sync.created", "sync", TOPIC_CREATED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct topic topic;
		cr_assert_eq(parse(rows[i].text, &topic), 0, "%s", rows[i].text);
		cr_assert(span_equals(topic.service, span_string(rows[i].service)), "%s",
			  rows[i].text);
		cr_assert_eq(topic.event, rows[i].event, "%s", rows[i].text);
		if (topic.service.len)
			cr_assert_eq(topic.service.at, rows[i].text + 5);
	}
}

Test(topic, refuses_what_has_another_form_and_leaves_the_result_alone)
{
	static const char *const rows[] = {
		"",
		"sync",
		"sync.",
		"sync..",
		"sync.session",
		"sync.session.",
		"sync..updated",
		"sync.session.update",
		"sync.session.Updated",
		"sync.session.updatedx",
		"sync.session.updated.x",
		"sync.session.updated ",
		"sync.se ssion.updated",
		"sync.se*.updated",
		"sync.**.updated",
		"sync.session.**",
		"Sync.session.updated",
		"async.session.updated",
		"*.session.updated",
		"sync.s\xc3\xa9ssion.updated",
		"*",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct topic topic = {.service = SPAN("untouched"), .event = TOPIC_EXPIRED};
		cr_assert_eq(parse(rows[i], &topic), -EINVAL, "%s", rows[i]);
		cr_assert(span_equals(topic.service, SPAN("untouched")), "%s", rows[i]);
		cr_assert_eq(topic.event, TOPIC_EXPIRED, "%s", rows[i]);
	}
	struct topic topic;
	cr_assert_eq(topic_parse(SPAN_NONE, &topic), -EINVAL);
	cr_assert_eq(topic_parse(span_of("sync.a\0b.updated", 16), &topic), -EINVAL);
}

Test(topic, takes_a_service_of_64_bytes_and_none_of_65)
{
	struct topic topic;
	char text[128];
	snprintf(text, sizeof(text), "sync.%064d.updated", 7);
	cr_assert_eq(parse(text, &topic), 0);
	cr_assert_eq(topic.service.len, 64);
	snprintf(text, sizeof(text), "sync.%065d.updated", 7);
	cr_assert_eq(parse(text, &topic), -EINVAL);
}

Test(topic, event_names_go_both_ways)
{
	for (unsigned event = TOPIC_CREATED; event < TOPIC_ANY; event++) {
		enum topic_event found;
		cr_assert_eq(topic_event_parse(span_string(topic_event_name(event)), &found), 0);
		cr_assert_eq(found, event);
	}
	cr_assert_str_eq(topic_event_name(TOPIC_ANY), "*");
}

Test(topic, a_star_is_not_the_name_of_an_event)
{
	enum topic_event event;
	cr_assert_eq(topic_event_parse(SPAN("*"), &event), -EINVAL);
	cr_assert_eq(topic_event_parse(SPAN("create"), &event), -EINVAL);
	cr_assert_eq(topic_event_parse(SPAN_NONE, &event), -EINVAL);
}

Test(topic, matches_by_service_and_event)
{
	static const struct {
		const char *pattern, *service;
		enum topic_event event;
		bool matches;
	} rows[] = {
		{"sync.session.updated", "session", TOPIC_UPDATED, true},
		{"sync.session.updated", "session", TOPIC_CREATED, false},
		{"sync.session.updated", "sessions", TOPIC_UPDATED, false},
		{"sync.session.updated", "sessio", TOPIC_UPDATED, false},
		{"sync.session.updated", "Session", TOPIC_UPDATED, false},
		{"sync.*.updated", "board", TOPIC_UPDATED, true},
		{"sync.*.updated", "board", TOPIC_DELETED, false},
		{"sync.board.*", "board", TOPIC_EXPIRED, true},
		{"sync.board.*", "board", TOPIC_PRESENCE, true},
		{"sync.board.*", "lobby", TOPIC_EXPIRED, false},
		{"sync.*.*", "anything", TOPIC_PRESENCE, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct topic pattern;
		cr_assert_eq(parse(rows[i].pattern, &pattern), 0);
		cr_assert_eq(topic_matches(&pattern, span_string(rows[i].service), rows[i].event),
			     rows[i].matches, "%s, %s", rows[i].pattern, rows[i].service);
	}
}
