/* topic.h — topics: sync.{service}.{event}, `*` for service or event. Pure. */
#ifndef SYNCDOC_TOPIC_H
#define SYNCDOC_TOPIC_H

#include "base.h"

enum topic_event {
	TOPIC_CREATED,
	TOPIC_UPDATED,
	TOPIC_DELETED,
	TOPIC_EXPIRED,
	TOPIC_PRESENCE,
	TOPIC_ANY, /* `*`; only in what a client subscribes to, and in a resync of a document */
};

struct topic {
	struct span service; /* borrowed: from the parsed text; len 0 stands for `*` */
	enum topic_event event;
};

/* 0, or -EINVAL: not of that form, bad service name, unknown event. */
int topic_parse(struct span text, struct topic *ret);
/* -EINVAL: unknown; `*` is not an event's name here. */
int topic_event_parse(struct span name, enum topic_event *ret);
const char *topic_event_name(enum topic_event event); /* "created"…, "*" */
/* `pattern` is what was subscribed, service and event what happened. Presence is a separate choice (see
 * subscriptions.h): a `*` event here matches it too. */
bool topic_matches(const struct topic *pattern, struct span service, enum topic_event event);

#endif
