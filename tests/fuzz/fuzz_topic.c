/* fuzz_topic.c — any text as a topic, and as a stored document: both are read on every request. */
#include "document.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void try_topic(struct span text)
{
	struct topic topic;
	if (topic_parse(text, &topic))
		return;
	/* What was taken apart is the text again when put together. */
	CLEANUP(buffer_fini) struct buffer again = {0};
	buffer_append_string(&again, "sync.");
	buffer_append_span(&again, topic.service.len ? topic.service : SPAN("*"));
	buffer_append_char(&again, '.');
	buffer_append_string(&again, topic_event_name(topic.event));
	MUST(span_equals(buffer_span(&again), text));
	MUST(topic_matches(&topic, topic.service, topic.event));
}

static void try_document(struct span text)
{
	CLEANUP(buffer_fini) struct buffer again = {0};
	CLEANUP(buffer_fini) struct buffer head = {0};
	struct document document;
	int has_head = document_format_head(text, &head);
	if (document_parse(text, &document)) {
		MUST(has_head == 0 || head.len == 0);
	} else {
		MUST(has_head == 0);
		document_format(&again, &document);
		MUST(span_equals(buffer_span(&again), text));
	}
	/* What it makes of an envelope in any order is the stored form. */
	again.len = 0;
	if (document_canonicalise(text, &again) == 0)
		MUST(document_parse(buffer_span(&again), &document) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_of((const char *)bytes, len);
	try_topic(text);
	try_document(text);
	return 0;
}
