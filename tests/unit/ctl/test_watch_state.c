/* What a watcher asks for when it connects again. */
#include "watch_state.h"

#include <criterion/criterion.h>

TestSuite(watch_state, .timeout = 100);

static struct watch_state watch;

static enum watch_answer take(const char *text)
{
	struct json json = {0};
	struct json_fault fault;
	cr_assert_eq(json_parse(&json, span_string(text), 16, &fault), 0, "%s", fault.reason);
	enum watch_answer answer = watch_state_take(&watch, &json);
	json_fini(&json);
	return answer;
}

static void assert_asks(const char *expected)
{
	struct buffer text = {0};
	watch_state_append_subscribe(&watch, &text);
	cr_assert(span_equals(buffer_span(&text), span_string(expected)), "%.*s",
		  SPAN_ARGS(buffer_span(&text)));
	buffer_fini(&text);
}

#define EVENT(id, revision, at, position)                                                          \
	"{\"type\":\"event\",\"topic\":\"sync.s.updated\",\"timestamp\":" #at                      \
	",\"position\":\"" position "\",\"payload\":{\"service\":\"s\",\"documentId\":\"" id       \
	"\",\"revision\":" #revision "}}"

Test(watch_state, a_topic_goes_on_after_the_last_position)
{
	watch.topic = "sync.s.*";
	watch.mode = "both";
	watch.prefix = "u\"1";
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentPrefix\":\"u\\\"1\","
		    "\"returnMode\":\"both\"}");
	cr_assert_eq(take("{\"type\":\"subscribed\",\"outcome\":\"live\",\"position\":\"aa-1\"}"),
		     WATCH_SUBSCRIBED);
	watch.prefix = NULL;
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"returnMode\":\"both\","
		    "\"after\":\"aa-1\"}");
	cr_assert_eq(take(EVENT("a", 4, 1000, "aa-7")), WATCH_EVENT);
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"returnMode\":\"both\","
		    "\"after\":\"aa-7\"}");
}

Test(watch_state, a_document_goes_on_since_its_last_revision)
{
	watch.topic = "sync.s.*";
	watch.id = "a";
	watch.snapshot = true;
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"snapshot\":true}");
	take("{\"type\":\"subscribed\",\"position\":\"aa-1\",\"document\":{\"revision\":3,"
	     "\"updatedAt\":900,\"createdAt\":500,\"service\":\"s\",\"id\":\"a\",\"data\":{}}}");
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"since\":{\"createdAt\":500,\"revision\":3,\"updatedAt\":900}}");
	take(EVENT("a", 4, 1000, "aa-7"));
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"since\":{\"createdAt\":500,\"revision\":4,\"updatedAt\":1000}}");
	/* Purged, and made again: another life, which began with this event. */
	take(EVENT("a", 1, 9000, "aa-9"));
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"since\":{\"createdAt\":9000,\"revision\":1,\"updatedAt\":9000}}");
}

Test(watch_state, a_document_that_is_not_there_yet_is_known_from_its_first_event)
{
	watch.topic = "sync.s.*";
	watch.id = "a";
	watch.snapshot = true;
	take("{\"type\":\"subscribed\",\"position\":\"aa-1\",\"document\":null}");
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"snapshot\":true}");
	take(EVENT("a", 1, 700, "aa-2"));
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.*\",\"documentId\":\"a\","
		    "\"since\":{\"createdAt\":700,\"revision\":1,\"updatedAt\":700}}");
}

Test(watch_state, events_that_come_again_are_told_from_new_ones)
{
	cr_assert_eq(take(EVENT("a", 4, 1000, "aa-7")), WATCH_EVENT);
	cr_assert_eq(take(EVENT("b", 4, 1000, "aa-7")), WATCH_EVENT);
	cr_assert_eq(take(EVENT("a", 4, 1000, "aa-7")), WATCH_REPEATED);
	cr_assert_eq(take(EVENT("a", 3, 999, "aa-7")), WATCH_REPEATED);
	cr_assert_eq(take(EVENT("a", 5, 1001, "aa-8")), WATCH_EVENT);
	/* A lower revision with a later time is another life of the id. */
	cr_assert_eq(take(EVENT("a", 1, 5000, "aa-9")), WATCH_EVENT);
}

Test(watch_state, presence_is_never_a_repetition_and_changes_nothing)
{
	static const char text[] =
		"{\"type\":\"event\",\"topic\":\"sync.s.presence\",\"timestamp\":5,\"position\":"
		"\"aa-3\","
		"\"payload\":{\"service\":\"s\",\"documentId\":\"a\",\"joined\":[],\"count\":0}}";
	watch.topic = "sync.s.presence";
	watch.id = "a";
	cr_assert_eq(take(text), WATCH_EVENT);
	cr_assert_eq(take(text), WATCH_EVENT);
	assert_asks("{\"type\":\"subscribe\",\"topic\":\"sync.s.presence\",\"documentId\":\"a\"}");
}

Test(watch_state, other_messages_and_nonsense)
{
	cr_assert_eq(take("{\"type\":\"welcome\"}"), WATCH_NOTHING);
	cr_assert_eq(take("{\"type\":\"goaway\",\"retryAfterMs\":5}"), WATCH_GOAWAY);
	cr_assert_eq(take("{\"type\":\"resync\",\"reason\":\"gap\"}"), WATCH_RESYNC);
	cr_assert_eq(take("{\"type\":\"error\",\"status\":403}"), WATCH_ERROR);
	cr_assert_eq(take("{\"type\":7}"), WATCH_NOTHING);
	cr_assert_eq(take("{}"), WATCH_NOTHING);
	cr_assert_eq(take("{\"type\":\"event\"}"), WATCH_EVENT);
	cr_assert_eq(
		take("{\"type\":\"subscribed\",\"position\":7,\"document\":{\"revision\":\"x\"}}"),
		WATCH_SUBSCRIBED);
	cr_assert_str_empty(watch.position);
	char text[300];
	snprintf(text, sizeof(text), "{\"type\":\"subscribed\",\"position\":\"%0200d\"}", 1);
	take(text);
	cr_assert_str_empty(watch.position, "one that does not fit is not kept");
}
