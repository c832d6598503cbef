#include "resync.h"

#include "ws_frame.h"

static void append_reason(struct buffer *text, const char *reason)
{
	buffer_append_string(text, ",\"reason\":");
	buffer_append_json(text, span_string(reason));
	buffer_append_char(text, '}');
}

static void append_topic(struct buffer *text, struct span service, enum topic_event name)
{
	buffer_append_string(text, "{\"type\":\"resync\",\"topic\":\"sync.");
	buffer_append_span(text, service.len ? service : SPAN("*"));
	buffer_append_char(text, '.');
	buffer_append_string(text, topic_event_name(name));
	buffer_append_char(text, '"');
}

static void append_name(struct buffer *text, const char *member, struct span name)
{
	if (!name.len)
		return;
	buffer_append_string(text, member);
	buffer_append_json(text, name);
}

void resync_format_subscription(struct buffer *ret, const struct subscription_spec *spec,
				const char *reason)
{
	append_topic(ret, spec->topic.service, spec->topic.event);
	append_name(ret, ",\"documentId\":", spec->id);
	append_name(ret, ",\"documentPrefix\":", spec->prefix);
	append_reason(ret, reason);
}

void resync_append_subscription(struct buffer *ret, const struct subscription_spec *spec,
				const char *reason)
{
	struct buffer text = {0};

	resync_format_subscription(&text, spec, reason);
	ws_frame_append(ret, WS_TEXT, buffer_span(&text));
	buffer_fini(&text);
}

void resync_format_document(struct buffer *ret, const struct event_record *event,
			    const char *reason)
{
	append_topic(ret, event->service, event->name);
	append_name(ret, ",\"service\":", event->service);
	append_name(ret, ",\"documentId\":", event->id);
	append_reason(ret, reason);
}

void resync_append_document(struct buffer *ret, const struct event_record *event,
			    const char *reason)
{
	struct buffer text = {0};

	resync_format_document(&text, event, reason);
	ws_frame_append(ret, WS_TEXT, buffer_span(&text));
	buffer_fini(&text);
}
