/* event_sample.h — one event, as text and as struct, for the tests of events and their records. */
#ifndef EVENT_SAMPLE_H
#define EVENT_SAMPLE_H

#include "event.h"

#include <criterion/criterion.h>

#define BEFORE                                                                                     \
	"{\"type\":\"event\",\"topic\":\"sync.session.updated\",\"source\":\"sync\","              \
	"\"timestamp\":1700000000123"
#define AFTER                                                                                      \
	",\"payload\":{\"service\":\"session\",\"documentId\":\"doc_1\",\"revision\":7,"           \
	"\"by\":\"u\\\"1\",\"connectionId\":\"c1\""
#define DATA ",\"data\":{\"a\":[1,{\"b\":null}]}"
#define DIFF ",\"diff\":{\"added\":{\"a\":[1]},\"removed\":[],\"changed\":{}}"
#define TEXT BEFORE AFTER DATA DIFF "}}"

static const struct event sample = {
	.name = TOPIC_UPDATED,
	.service = SPAN("session"),
	.id = SPAN("doc_1"),
	.revision = 7,
	.timestamp_ms = 1700000000123,
	.by = SPAN("u\"1"),
	.connection_id = SPAN("c1"),
	.data = SPAN("{\"a\":[1,{\"b\":null}]}"),
	.diff = SPAN("{\"added\":{\"a\":[1]},\"removed\":[],\"changed\":{}}"),
};

static inline int parse(struct span text, struct event_segments *ret)
{
	/* Kept and never freed: the segments must not depend on it, and the process ends with the
	 * test. */
	static struct json scratch;
	return event_parse(text, &scratch, ret);
}

static inline void assert_span(struct span got, const char *wanted)
{
	cr_assert(span_equals(got, span_string(wanted)), "got %.*s\nnot %s", SPAN_ARGS(got),
		  wanted);
}

#endif
