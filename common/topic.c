/* topic.c — topics and which of them an event matches. */
#include "topic.h"

#include "document.h"

static const char *const event_names[] = {
	[TOPIC_CREATED] = "created", [TOPIC_UPDATED] = "updated",   [TOPIC_DELETED] = "deleted",
	[TOPIC_EXPIRED] = "expired", [TOPIC_PRESENCE] = "presence", [TOPIC_ANY] = "*",
};

int topic_parse(struct span text, struct topic *ret)
{
	if (!span_starts_with(text, SPAN("sync.")))
		return -EINVAL;
	struct span service = span_of(text.at + 5, text.len - 5);
	/* Names have no dot, so the first one ends the service. */
	const char *dot = memchr(service.at, '.', service.len);
	if (!dot)
		return -EINVAL;
	struct span name = span_of(dot + 1, text.at + text.len - (dot + 1));
	service.len = dot - service.at;

	struct topic topic = {.service = service, .event = TOPIC_ANY};
	if (span_equals(service, SPAN("*")))
		topic.service = SPAN_NONE;
	else if (!document_service_is_valid(service))
		return -EINVAL;
	if (!span_equals(name, SPAN("*")) && topic_event_parse(name, &topic.event))
		return -EINVAL;
	*ret = topic;
	return 0;
}

int topic_event_parse(struct span name, enum topic_event *ret)
{
	for (unsigned event = 0; event < TOPIC_ANY; event++) {
		if (!span_equals(name, span_string(event_names[event])))
			continue;
		*ret = event;
		return 0;
	}
	return -EINVAL;
}

const char *topic_event_name(enum topic_event event)
{
	MUST((unsigned)event < ARRAY_LEN(event_names));
	return event_names[event];
}

bool topic_matches(const struct topic *pattern, struct span service, enum topic_event event)
{
	return (pattern->event == TOPIC_ANY || pattern->event == event) &&
	       (pattern->service.len == 0 || span_equals(pattern->service, service));
}
