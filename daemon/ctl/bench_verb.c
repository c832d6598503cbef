/* bench_verb.c — bench: one part after the other, and what they came to. */
#define _GNU_SOURCE
#include "bench.h"

#include "utf8.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define FANOUT_RATE 100
#define CONNECTIONS 16
#define SUBSCRIBERS 100
#define PART_MS 5000
#define SIZE 1024

enum part { PART_WRITES, PART_READS, PART_FANOUT, PART_COUNT };

static const struct {
	const char *option; /* of --only */
	const char *name;
} parts[PART_COUNT] = {{"writes", "writes"}, {"reads", "reads"}, {"fanout", "fan-out"}};

/* ---- progress ---- */

void bench_progress(const char *text)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s", text ? text : "");
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct bench *bench = watcher->data;
	(void)events;
	/* A write that is under way must have been done before its document is deleted. Who does
	 * not want to wait for it says so again. */
	if (bench->interrupted || !bench->loading)
		ev_break(loop, EVBREAK_ALL);
	bench->interrupted = true;
}

/* ---- the report ---- */

static const double percents[] = {50., 90., 99., 99.9};
static const char *const percent_names[] = {"p50", "p90", "p99", "p99.9"};

static void append_json(const struct bench *bench, const struct bench_result *result,
			struct buffer *ret)
{
	const struct latency *latency = &result->latency;
	buffer_printf(ret,
		      "{\"part\":\"%s\",\"seconds\":%.3f,\"size\":%zu,\"connections\":%u"
		      ",\"count\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"perSecond\":%.1f",
		      result->name, result->seconds, bench->size, bench->connections, result->count,
		      result->errors, (double)result->count / result->seconds);
	if (result->expected)
		buffer_printf(ret,
			      ",\"subscribers\":%u,\"writes\":%" PRIu64 ",\"expected\":%" PRIu64,
			      bench->subscribers, result->writes, result->expected);
	buffer_printf(ret, ",\"latencyMs\":{\"mean\":%.3f", latency_mean(latency) / 1000.);
	for (unsigned i = 0; i < ARRAY_LEN(percents); i++)
		buffer_printf(ret, ",\"%s\":%.3f", percent_names[i],
			      (double)latency_percentile(latency, percents[i]) / 1000.);
	buffer_printf(ret, ",\"max\":%.3f}}\n", (double)latency->max / 1000.);
}

static void append_row(const struct bench_result *result, struct table *table)
{
	const struct latency *latency = &result->latency;
	table_cell(table, result->name);
	table_printf(table, "%" PRIu64, result->count);
	table_printf(table, "%" PRIu64, result->errors);
	table_printf(table, "%.0f", (double)result->count / result->seconds);
	table_printf(table, "%.3f", latency_mean(latency) / 1000.);
	for (unsigned i = 0; i < ARRAY_LEN(percents); i++)
		table_printf(table, "%.3f",
			     (double)latency_percentile(latency, percents[i]) / 1000.);
	table_printf(table, "%.3f", (double)latency->max / 1000.);
}

static void append_table(const struct bench *bench, const struct bench_result *results,
			 const bool done[PART_COUNT], struct buffer *ret)
{
	static const char *const head[] = {"PART", "COUNT", "ERRORS", "PER SECOND", "MEAN ms",
					   "P50",  "P90",   "P99",    "P99.9",      "MAX"};
	CLEANUP(table_fini) struct table table = {.columns = ARRAY_LEN(head), .right = 0x3fe};
	buffer_printf(ret, "%s, %zu bytes of data, %u connections", bench->context->url_text,
		      bench->size, bench->connections);
	if (done[PART_FANOUT])
		buffer_printf(ret, ", %u subscribers", bench->subscribers);
	buffer_append_string(ret, "\n\n");
	for (unsigned i = 0; i < ARRAY_LEN(head); i++)
		table_cell(&table, head[i]);
	for (unsigned i = 0; i < PART_COUNT; i++)
		if (done[i])
			append_row(&results[i], &table);
	table_print(&table, &bench->context->output, ret);
	const struct bench_result *fanout = &results[PART_FANOUT];
	if (done[PART_FANOUT])
		buffer_printf(ret,
			      "\nfan-out: %" PRIu64 " writes (%.0f a second), %" PRIu64
			      " of %" PRIu64 " deliveries%s\n",
			      fanout->writes, (double)fanout->writes / fanout->seconds,
			      fanout->count, fanout->expected,
			      fanout->count < fanout->expected
				      ? "; the others were joined with newer ones, or lost with "
					"their connection"
				      : "");
}

static int report(const struct bench *bench, const struct bench_result *results,
		  const bool done[PART_COUNT])
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint64_t errors = 0;
	bool any = false;
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (!done[i])
			continue;
		any = true;
		errors += results[i].errors;
		if (bench->context->output.json)
			append_json(bench, &results[i], &text);
	}
	if (any && !bench->context->output.json)
		append_table(bench, results, done, &text);
	if (output_write(buffer_span(&text)))
		return EXIT_FAILED;
	return errors || !any ? EXIT_FAILED : EXIT_DONE;
}

/* ---- parts ---- */

static int run_fanout(struct bench *bench, struct load *load, struct bench_result *ret)
{
	struct fanout *fanout;
	int status = fanout_create(bench, &fanout);
	if (status)
		return status;
	struct bench_result *writes = calloc(1, sizeof(*writes));
	MUST(writes);
	writes->name = "fan-out";
	fanout_begin(fanout, ret);
	status = load_run(load, BENCH_WRITE, bench->rate ? bench->rate : FANOUT_RATE, writes);
	fanout_finish(fanout, writes->count);
	ret->seconds = writes->seconds;
	ret->errors += writes->errors;
	free(writes);
	fanout_destroy(fanout);
	return status;
}

static int run_part(struct bench *bench, struct load *load, enum part part,
		    struct bench_result *ret)
{
	int64_t rate = bench->rate ? bench->rate : -1;
	ret->name = parts[part].name;
	if (part == PART_FANOUT)
		return run_fanout(bench, load, ret);
	return load_run(load, part == PART_WRITES ? BENCH_WRITE : BENCH_READ, rate, ret);
}

/* Makes the documents, measures, takes them away. */
static int run_parts(struct bench *bench, struct load *load, struct bench_result *results,
		     bool done[PART_COUNT])
{
	const char *only = bench->context->arguments.values[OPTION_ONLY];
	struct bench_result *aside = calloc(1, sizeof(*aside));
	MUST(aside);
	aside->name = "preparing";
	int status = load_run(load, BENCH_PREPARE, -1, aside);
	for (unsigned i = 0; i < PART_COUNT && !status && !bench->interrupted; i++) {
		if (only && strcmp(only, parts[i].option) != 0)
			continue;
		status = run_part(bench, load, (enum part)i, &results[i]);
		done[i] = !status;
	}
	aside->name = "cleaning up";
	if (status != EXIT_UNREACHABLE && aside->count)
		load_run(load, BENCH_DELETE, -1, aside);
	free(aside);
	bench_progress(NULL);
	return status;
}

/* ---- begin and end ---- */

static void raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void begin(struct bench *bench, struct context *context)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	const struct arguments *arguments = &context->arguments;
	const char *service = arguments->values[OPTION_SERVICE];
	*bench = (struct bench){
		.context = context,
		.loop = ev_default_loop(EVFLAG_AUTO),
		.connections =
			(unsigned)arguments_number(arguments, OPTION_CONNECTIONS, CONNECTIONS),
		.subscribers =
			(unsigned)arguments_number(arguments, OPTION_SUBSCRIBERS, SUBSCRIBERS),
		.part_ms = arguments_number(arguments, OPTION_SECONDS, PART_MS),
		.size = (size_t)arguments_number(arguments, OPTION_SIZE, SIZE),
		.rate = arguments_number(arguments, OPTION_RATE, 0),
		.service = service ? service : "syncdocctl-bench",
		.sent = calloc(BENCH_SENT, sizeof(bench->sent[0])),
	};
	MUST(bench->loop && bench->sent);
	snprintf(bench->prefix, sizeof(bench->prefix), "bench-%08" PRIx32 "-", arc4random());
	raise_files();
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		ev_signal_init(&bench->signals[i], on_signal, numbers[i]);
		bench->signals[i].data = bench;
		ev_signal_start(bench->loop, &bench->signals[i]);
	}
}

static void end(struct bench *bench)
{
	for (unsigned i = 0; i < ARRAY_LEN(bench->signals); i++)
		ev_signal_stop(bench->loop, &bench->signals[i]);
	ev_loop_destroy(bench->loop);
	free(bench->sent);
}

int verb_bench(struct context *context)
{
	struct bench bench;
	struct load *load;
	bool done[PART_COUNT] = {false};
	if (!utf8_is_valid(span_string(context->arguments.values[OPTION_SERVICE]
					       ? context->arguments.values[OPTION_SERVICE]
					       : ""))) {
		output_complain("--service: must be 1 to 64 of A-Z a-z 0-9 _ -");
		return EXIT_USAGE;
	}
	begin(&bench, context);
	struct bench_result *results = calloc(PART_COUNT, sizeof(*results));
	MUST(results);
	int status = load_create(&bench, &load);
	if (!status) {
		status = run_parts(&bench, load, results, done);
		load_destroy(load);
		int reported = report(&bench, results, done);
		status = status ? status : reported;
	}
	free(results);
	end(&bench);
	return status;
}
