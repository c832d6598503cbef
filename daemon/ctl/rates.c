/* rates.c — see rates.h. */
#include "rates.h"

#include "stats.h"

#include <inttypes.h>

/* Which counters a rate adds up. */
static const struct {
	const char *name; /* in JSON */
	const char *head;
	enum statistic counters[2];
	unsigned count;
} rates[RATE_COUNT] = {
	[RATE_CPU] = {"cpuPercent", "CPU %", {STAT_cpu_seconds}, 1},
	[RATE_REQUESTS] = {"requestsPerSecond", "REQ/S", {STAT_requests_total}, 1},
	[RATE_READS] = {"readsPerSecond", "READ/S", {STAT_reads_total}, 1},
	[RATE_WRITES] = {"writesPerSecond", "WRITE/S", {STAT_writes_total}, 1},
	[RATE_EVENTS] = {"eventsPerSecond", "EVENT/S", {STAT_events_matched}, 1},
	[RATE_DELIVERIES] = {"deliveriesPerSecond",
			     "DELIVERY/S",
			     {STAT_deliveries_total, STAT_stream_events},
			     2},
	[RATE_SENT_BYTES] = {"sentBytesPerSecond", "SENT/S", {STAT_sent_bytes}, 1},
};

static int64_t number(const struct json *json, uint32_t object, const char *name)
{
	int64_t value;
	uint32_t token = json_member(json, object, span_string(name));
	return token && json_int64(json, token, &value) == 0 ? value : 0;
}

static int64_t counter(const struct json *json, uint32_t counters, enum statistic stat)
{
	return number(json, counters, stat_descriptions[stat].name);
}

/* ---- a look ---- */

static void read_worker(const struct json *json, uint32_t token, struct rates_worker *ret)
{
	uint32_t counters = json_member(json, token, SPAN("counters"));
	uint32_t draining = json_member(json, token, SPAN("draining"));
	*ret = (struct rates_worker){
		.index = number(json, token, "index"),
		.pid = number(json, token, "pid"),
		.lag = number(json, token, "lag"),
		.draining = draining && json->tokens[draining].type == JSON_TRUE,
		.token = counters,
	};
	if (!counters)
		return;
	ret->connections =
		counter(json, counters, STAT_connections) + counter(json, counters, STAT_streams);
	ret->subscriptions = counter(json, counters, STAT_subscriptions);
	ret->queue_bytes = counter(json, counters, STAT_queue_bytes);
	for (unsigned i = 0; i < RATE_COUNT; i++)
		for (unsigned j = 0; j < rates[i].count; j++)
			ret->counters[i] += counter(json, counters, rates[i].counters[j]);
}

void rates_read(const struct json *json, uint32_t result, struct rates_look *ret)
{
	uint32_t workers = json_member(json, result, SPAN("workers"));
	ret->uptime_ms = number(json, result, "uptimeMs");
	ret->pid = number(json, result, "pid");
	ret->count = 0;
	for (uint32_t i = workers + 1;
	     workers && i < json->tokens[workers].next && ret->count < RATES_WORKERS_MAX;
	     i = json->tokens[i].next)
		read_worker(json, i, &ret->workers[ret->count++]);
}

/* ---- two looks ---- */

static const struct rates_worker *find(const struct rates_look *look, int64_t pid)
{
	for (unsigned i = 0; i < look->count; i++)
		if (look->workers[i].pid == pid)
			return &look->workers[i];
	return NULL;
}

void rates_of(const struct rates_look *before, const struct rates_look *now, unsigned index,
	      struct rates_row *ret)
{
	ret->now = now->workers[index];
	const struct rates_worker *former =
		before->pid == now->pid ? find(before, ret->now.pid) : NULL;
	double seconds = (double)(now->uptime_ms - before->uptime_ms) / 1000.;
	for (unsigned i = 0; i < RATE_COUNT; i++) {
		bool known = former && former->token && ret->now.token && seconds > 0. &&
			     ret->now.counters[i] >= former->counters[i];
		/* Microseconds a second, in percent of one processor. */
		double unit = i == RATE_CPU ? 1e4 : 1.;
		ret->rates[i] = known ? (double)(ret->now.counters[i] - former->counters[i]) /
						seconds / unit
				      : -1.;
	}
}

void rates_total(const struct rates_look *before, const struct rates_look *now,
		 struct rates_row *ret)
{
	*ret = (struct rates_row){.now = {.index = -1, .pid = -1}};
	for (unsigned i = 0; i < now->count; i++) {
		struct rates_row row;
		rates_of(before, now, i, &row);
		ret->now.connections += row.now.connections;
		ret->now.subscriptions += row.now.subscriptions;
		ret->now.queue_bytes += row.now.queue_bytes;
		if (row.now.lag > ret->now.lag)
			ret->now.lag = row.now.lag;
		for (unsigned j = 0; j < RATE_COUNT; j++)
			if (row.rates[j] >= 0.)
				ret->rates[j] += row.rates[j];
	}
}

/* ---- as a table ---- */

static void cell_bytes(struct table *table, uint64_t bytes)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	output_append_bytes(&text, bytes);
	table_cell_span(table, buffer_span(&text));
}

static void cell_rate(struct table *table, enum rate rate, double value)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	if (value < 0.)
		buffer_append_char(&text, '-');
	else if (rate == RATE_SENT_BYTES)
		output_append_bytes(&text, (uint64_t)value);
	else
		output_append_count(&text, value);
	table_cell_span(table, buffer_span(&text));
}

static void append_row(struct table *table, const struct rates_row *row)
{
	if (row->now.index < 0) {
		table_cell(table, "all");
		table_cell(table, "");
	} else {
		table_printf(table, "%" PRId64 "%s", row->now.index,
			     row->now.draining ? " drains" : "");
		table_printf(table, "%" PRId64, row->now.pid);
	}
	table_printf(table, "%" PRId64, row->now.connections);
	table_printf(table, "%" PRId64, row->now.subscriptions);
	for (unsigned i = 0; i < RATE_COUNT; i++)
		cell_rate(table, (enum rate)i, row->rates[i]);
	cell_bytes(table, (uint64_t)row->now.queue_bytes);
	cell_bytes(table, (uint64_t)row->now.lag);
}

void rates_append_table(const struct rates_look *before, const struct rates_look *now,
			const struct output *output, struct buffer *ret)
{
	static const char *const head[] = {"WORKER", "PID", "CONNS", "SUBS"};
	CLEANUP(table_fini)
	struct table table = {.columns = ARRAY_LEN(head) + RATE_COUNT + 2, .right = 0x1ffe};
	struct rates_row row;
	for (unsigned i = 0; i < ARRAY_LEN(head); i++)
		table_cell(&table, head[i]);
	for (unsigned i = 0; i < RATE_COUNT; i++)
		table_cell(&table, rates[i].head);
	table_cell(&table, "QUEUED");
	table_cell(&table, "RING LAG");
	for (unsigned i = 0; i < now->count; i++) {
		rates_of(before, now, i, &row);
		append_row(&table, &row);
	}
	rates_total(before, now, &row);
	append_row(&table, &row);
	table_print(&table, output, ret);
}

/* ---- as JSON ---- */

static void append_row_json(const struct rates_row *row, struct buffer *ret)
{
	buffer_printf(ret,
		      "\"connections\":%" PRId64 ",\"subscriptions\":%" PRId64
		      ",\"queueBytes\":%" PRId64 ",\"lag\":%" PRId64,
		      row->now.connections, row->now.subscriptions, row->now.queue_bytes,
		      row->now.lag);
	for (unsigned i = 0; i < RATE_COUNT; i++) {
		buffer_printf(ret, ",\"%s\":", rates[i].name);
		if (row->rates[i] < 0.)
			buffer_append_string(ret, "null");
		else
			buffer_printf(ret, "%.1f", row->rates[i]);
	}
}

void rates_append_json(const struct rates_look *before, const struct rates_look *now,
		       const struct json *json, uint32_t result, struct buffer *ret)
{
	struct rates_row row;
	buffer_printf(ret, "{\"time\":%" PRId64 ",\"intervalMs\":%" PRId64 ",\"total\":{",
		      number(json, result, "time"), now->uptime_ms - before->uptime_ms);
	rates_total(before, now, &row);
	append_row_json(&row, ret);
	buffer_append_string(ret, "},\"workers\":[");
	for (unsigned i = 0; i < now->count; i++) {
		rates_of(before, now, i, &row);
		buffer_printf(ret, "%s{\"index\":%" PRId64 ",\"pid\":%" PRId64 ",\"draining\":%s,",
			      i ? "," : "", row.now.index, row.now.pid,
			      row.now.draining ? "true" : "false");
		append_row_json(&row, ret);
		buffer_append_string(ret, ",\"counters\":");
		if (row.now.token)
			buffer_append_span(ret, json_raw(json, row.now.token));
		else
			buffer_append_string(ret, "null");
		buffer_append_char(ret, '}');
	}
	uint32_t supervisor = json_member(json, result, SPAN("supervisor"));
	buffer_append_string(ret, "],\"supervisor\":");
	buffer_append_span(ret, supervisor ? json_raw(json, supervisor) : SPAN("null"));
	buffer_append_string(ret, "}\n");
}
