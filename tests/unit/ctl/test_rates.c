/* What happened between two looks at the workers. */
#include "rates.h"

#include <criterion/criterion.h>

TestSuite(rates, .timeout = 100);

static struct rates_look before, now; /* too large for the stack */
static struct json json;

static void look(struct rates_look *ret, const char *text)
{
	struct json_fault fault;
	cr_assert_eq(json_parse(&json, span_string(text), 8, &fault), 0, "%s at %zu", fault.reason,
		     fault.offset);
	rates_read(&json, 0, ret);
}

#define WORKER(index, pid, writes, deliveries)                                                     \
	"{\"index\":" #index ",\"pid\":" #pid ",\"draining\":false,\"lag\":1" #index               \
	",\"counters\":{\"connections\":2,\"streams\":1,\"subscriptions\":5,"                      \
	"\"writes_total\":" #writes ",\"deliveries_total\":" #deliveries                           \
	",\"stream_events\":10,\"requests_total\":0,\"reads_total\":0,"                            \
	"\"events_matched\":0,\"sent_bytes\":0,\"queue_bytes\":7}}"

Test(rates, are_a_second_and_add_up)
{
	look(&before, "{\"pid\":1,\"uptimeMs\":1000,\"workers\":[" WORKER(
			      0, 10, 100, 50) "," WORKER(1, 11, 0, 0) "]}");
	look(&now, "{\"pid\":1,\"uptimeMs\":3000,\"workers\":[" WORKER(0, 10, 110, 250) "," WORKER(
			   1, 11, 4, 0) "]}");
	struct rates_row row;
	rates_of(&before, &now, 0, &row);
	cr_assert_eq(row.rates[RATE_WRITES], 5.);
	cr_assert_eq(row.rates[RATE_DELIVERIES], 100.);
	cr_assert_eq(row.now.connections, 3);
	rates_total(&before, &now, &row);
	cr_assert_eq(row.rates[RATE_WRITES], 7.);
	cr_assert_eq(row.now.connections, 6);
	cr_assert_eq(row.now.subscriptions, 10);
	cr_assert_eq(row.now.queue_bytes, 14);
	cr_assert_eq(row.now.lag, 11, "the largest");
	json_fini(&json);
}

Test(rates, of_a_process_that_was_not_there_are_not_known)
{
	look(&before, "{\"pid\":1,\"uptimeMs\":1000,\"workers\":[" WORKER(0, 10, 100, 50) "]}");
	look(&now, "{\"pid\":1,\"uptimeMs\":2000,\"workers\":[" WORKER(0, 12, 900, 900) "]}");
	struct rates_row row;
	rates_of(&before, &now, 0, &row);
	for (unsigned i = 0; i < RATE_COUNT; i++)
		cr_assert_eq(row.rates[i], -1.);
	rates_total(&before, &now, &row);
	cr_assert_eq(row.rates[RATE_WRITES], 0.);
	/* The same number, but another supervisor: nothing can be compared. */
	look(&now, "{\"pid\":2,\"uptimeMs\":2000,\"workers\":[" WORKER(0, 10, 900, 900) "]}");
	rates_of(&before, &now, 0, &row);
	cr_assert_eq(row.rates[RATE_WRITES], -1.);
	json_fini(&json);
}

Test(rates, a_worker_without_counters_and_answers_without_sense_are_shown_as_nothing)
{
	look(&before, "{}");
	look(&now, "{\"uptimeMs\":5,\"workers\":[{\"index\":3,\"pid\":9},7,null]}");
	cr_assert_eq(now.count, 3);
	struct buffer text = {0};
	struct output output = {0};
	rates_append_table(&before, &now, &output, &text);
	buffer_append_char(&text, '\0');
	cr_assert(strstr(text.at, "\n3 "), "%s", text.at);
	cr_assert(strstr(text.at, "\nall "), "%s", text.at);
	buffer_fini(&text);
	json_fini(&json);
}

Test(rates, as_json_are_json)
{
	look(&before, "{\"pid\":1,\"uptimeMs\":1000,\"workers\":[]}");
	look(&now,
	     "{\"pid\":1,\"time\":77,\"uptimeMs\":2000,\"workers\":[" WORKER(0, 10, 1, 1) "]}");
	struct buffer text = {0};
	struct json line = {0};
	struct json_fault fault;
	rates_append_json(&before, &now, &json, 0, &text);
	cr_assert_eq(text.at[text.len - 1], '\n');
	cr_assert_eq(json_parse(&line, buffer_span(&text), 8, &fault), 0, "%.*s",
		     SPAN_ARGS(buffer_span(&text)));
	int64_t number;
	cr_assert_eq(json_int64(&line, json_member(&line, 0, SPAN("intervalMs")), &number), 0);
	cr_assert_eq(number, 1000);
	uint32_t worker = json_member(&line, 0, SPAN("workers")) + 1;
	uint32_t rate = json_member(&line, worker, SPAN("writesPerSecond"));
	cr_assert_eq(line.tokens[rate].type, JSON_NULL);
	uint32_t counters = json_member(&line, worker, SPAN("counters"));
	cr_assert_eq(json_int64(&line, json_member(&line, counters, SPAN("queue_bytes")), &number),
		     0);
	cr_assert_eq(number, 7);
	json_fini(&line);
	json_fini(&json);
	buffer_fini(&text);
}
