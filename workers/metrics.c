/* metrics.c — see metrics.h: first all figures are gathered, worker by worker, then they are
 * written down, figure by figure. */
#include "metrics.h"

#include <inttypes.h>

#define PREFIX "syncdoc_"
#define READ_TRIES 1000 /* a change of seats takes microseconds */

/* Of one worker: its process that serves, those that drain, and what ended ones counted. */
struct worker_figures {
	uint64_t values[STAT_COUNT];
	uint64_t refusals[REFUSAL_COUNT];
	uint64_t buckets[HISTOGRAM_COUNT][HISTOGRAM_BUCKETS];
	uint64_t sums_ns[HISTOGRAM_COUNT];
	bool up;
	unsigned draining;
	uint64_t started_ms;   /* of the process that serves */
	uint64_t heartbeat_ms; /* the oldest of its processes */
	uint64_t lag;          /* the longest */
};

/* --- gathering ---------------------------------------------------------------- */

/* acquire: see supervisor_page.c. */
#define GET(word) atomic_load_explicit(&(word), memory_order_acquire)

static void add_histogram(uint64_t buckets[HISTOGRAM_BUCKETS], uint64_t *sum_ns,
			  const struct histogram *histogram)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		buckets[i] += GET(histogram->buckets[i]);
	*sum_ns += GET(histogram->sum_ns);
}

static void add_figures(struct worker_figures *worker, const _Atomic uint64_t values[STAT_COUNT],
			const _Atomic uint64_t refusals[REFUSAL_COUNT],
			const struct histogram histograms[HISTOGRAM_COUNT])
{
	for (size_t i = 0; i < STAT_COUNT; i++)
		worker->values[i] += GET(values[i]);
	for (size_t i = 0; i < REFUSAL_COUNT; i++)
		worker->refusals[i] += GET(refusals[i]);
	for (size_t i = 0; i < HISTOGRAM_COUNT; i++)
		add_histogram(worker->buckets[i], &worker->sums_ns[i], &histograms[i]);
}

/* A cursor of 0: it has not begun to read. */
static uint64_t lag_of(const struct slot *slot, uint64_t ring_tail)
{
	uint64_t cursor = GET(slot->ring_cursor);

	return cursor && cursor < ring_tail ? ring_tail - cursor : 0;
}

static void add_process(struct worker_figures *worker, const struct supervisor_seat *seat,
			const struct slot *slot, uint64_t ring_tail)
{
	uint64_t heartbeat_ms = GET(slot->heartbeat_ms), lag = lag_of(slot, ring_tail);

	if (GET(seat->draining)) {
		worker->draining++;
	} else {
		worker->up = true;
		worker->started_ms = GET(seat->started_ms);
	}
	if (!worker->heartbeat_ms || heartbeat_ms < worker->heartbeat_ms)
		worker->heartbeat_ms = heartbeat_ms;
	if (lag > worker->lag)
		worker->lag = lag;
	add_figures(worker, slot->values, slot->refusals, slot->histograms);
}

static void gather_once(struct worker_figures *workers, const struct metrics_source *source)
{
	memset(workers, 0, source->workers * sizeof(*workers));
	for (unsigned i = 0; i < source->workers; i++) {
		const struct supervisor_total *total = supervisor_page_total(source->page, i);

		add_figures(&workers[i], total->values, total->refusals, total->histograms);
	}
	for (unsigned i = 0; i < SUPERVISOR_SLOTS * source->workers; i++) {
		const struct supervisor_seat *seat = supervisor_page_seat(source->page, i);
		const struct slot *slot =
			(const struct slot *)(source->slots + (size_t)i * SHM_PAGE);
		uint64_t process = GET(seat->process);
		unsigned index = GET(seat->index);

		/* Until a new process has claimed its slot, what is in there is of a former one. */
		if (process && index < source->workers && GET(slot->process) == process)
			add_process(&workers[index], seat, slot, source->ring_tail);
	}
}

/* If the supervisor dies in the midst of a change the last try has to do: this worker ends, too. */
static struct worker_figures *gather(const struct metrics_source *source)
{
	struct worker_figures *workers = calloc(source->workers, sizeof(*workers));

	MUST(workers);
	for (int i = 0; i < READ_TRIES; i++) {
		uint64_t begun = supervisor_page_begin_read(source->page);

		gather_once(workers, source);
		if (supervisor_page_end_read(source->page, begun))
			break;
	}
	return workers;
}

/* --- writing ------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Counters end in _total whether their name in the table does or not. */
static const char *suffix_of(const char *name, bool gauge)
{
	return gauge || ends_with(name, "_total") ? "" : "_total";
}

static void append_head(struct buffer *ret, const char *name, const char *help, const char *type)
{
	const char *suffix = suffix_of(name, strcmp(type, "counter") != 0);

	buffer_printf(ret, "# HELP " PREFIX "%s%s %s.\n# TYPE " PREFIX "%s%s %s\n", name, suffix,
		      help, name, suffix, type);
}

/* What ends in _seconds is kept in microseconds. */
static void append_value(struct buffer *ret, const char *name, uint64_t value)
{
	if (ends_with(name, "_seconds"))
		buffer_printf(ret, " %" PRIu64 ".%06" PRIu64 "\n", value / 1000000,
			      value % 1000000);
	else
		buffer_printf(ret, " %" PRIu64 "\n", value);
}

static void append_statistics(struct buffer *ret, const struct metrics_source *source,
			      const struct worker_figures *workers)
{
	for (size_t i = 0; i < STAT_COUNT; i++) {
		const struct stat_description *stat = &stat_descriptions[i];

		append_head(ret, stat->name, stat->help, stat->gauge ? "gauge" : "counter");
		for (unsigned index = 0; index < source->workers; index++) {
			buffer_printf(ret, PREFIX "%s%s{worker=\"%u\"}", stat->name,
				      suffix_of(stat->name, stat->gauge), index);
			append_value(ret, stat->name, workers[index].values[i]);
		}
	}
}

/* Of all workers together: there are many codes. */
static void append_refusals(struct buffer *ret, const struct metrics_source *source,
			    const struct worker_figures *workers)
{
	append_head(ret, "refusals", "Requests and messages refused, by the code of the answer",
		    "counter");
	for (size_t i = 0; i < REFUSAL_COUNT; i++) {
		uint64_t sum = 0;

		for (unsigned index = 0; index < source->workers; index++)
			sum += workers[index].refusals[i];
		buffer_printf(ret, PREFIX "refusals_total{code=\"%s\"} %" PRIu64 "\n",
			      refusal_codes[i], sum);
	}
}

static void append_histogram(struct buffer *ret, const char *name, unsigned index,
			     const uint64_t buckets[HISTOGRAM_BUCKETS], uint64_t sum_ns)
{
	uint64_t count = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count += buckets[i];
		buffer_printf(ret, PREFIX "%s_bucket{worker=\"%u\",le=\"%s\"} %" PRIu64 "\n", name,
			      index, i < HISTOGRAM_BOUNDS ? histogram_bounds[i].text : "+Inf",
			      count);
	}
	buffer_printf(ret, PREFIX "%s_sum{worker=\"%u\"} %" PRIu64 ".%09" PRIu64 "\n", name, index,
		      sum_ns / 1000000000, sum_ns % 1000000000);
	buffer_printf(ret, PREFIX "%s_count{worker=\"%u\"} %" PRIu64 "\n", name, index, count);
}

static void append_histograms(struct buffer *ret, const struct metrics_source *source,
			      const struct worker_figures *workers)
{
	for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
		const struct stat_description *histogram = &histogram_descriptions[i];

		append_head(ret, histogram->name, histogram->help, "histogram");
		for (unsigned index = 0; index < source->workers; index++)
			append_histogram(ret, histogram->name, index, workers[index].buckets[i],
					 workers[index].sums_ns[i]);
	}
}

static void append_supervisor(struct buffer *ret, const struct supervisor_page *page)
{
	const char *last = "";

	for (size_t i = 0; i < SUPERVISOR_STAT_COUNT; i++) {
		const struct supervisor_description *stat = &supervisor_descriptions[i];

		if (strcmp(stat->name, last) != 0)
			append_head(ret, stat->name, stat->help, stat->gauge ? "gauge" : "counter");
		last = stat->name;
		buffer_printf(ret, PREFIX "%s%s", stat->name, suffix_of(stat->name, stat->gauge));
		if (*stat->labels)
			buffer_printf(ret, "{%s}", stat->labels);
		append_value(ret, stat->name,
			     supervisor_page_get(page, (enum supervisor_statistic)i));
	}
}

static double age_s(int64_t now_ms, uint64_t then_ms)
{
	return (uint64_t)now_ms > then_ms ? (double)((uint64_t)now_ms - then_ms) / 1000. : 0.;
}

double metrics_mark_age(const struct supervisor_page *page, int64_t now_ms)
{
	/* relaxed: a figure. */
	uint64_t mark_ms = atomic_load_explicit(&page->mark_ms, memory_order_relaxed);

	return mark_ms ? age_s(now_ms, mark_ms) : -1.;
}

/* What is told of each worker beside its counters. */
enum state { STATE_UP, STATE_DRAINING, STATE_UPTIME, STATE_HEARTBEAT, STATE_LAG, STATE_COUNT };

static const struct stat_description states[STATE_COUNT] = {
	[STATE_UP] = {"worker_up", "1: a process of this worker serves", true},
	[STATE_DRAINING] = {"worker_draining_processes",
			    "Former processes of this worker that still have clients", true},
	[STATE_UPTIME] = {"worker_uptime_seconds", "Age of the process that serves", true},
	[STATE_HEARTBEAT] = {"worker_heartbeat_age_seconds",
			     "Time since the last turn of the worker's loop", true},
	[STATE_LAG] = {"ring_lag_bytes", "How far the worker is behind the ring's writer", true},
};

static double state_of(const struct worker_figures *worker, enum state state, int64_t now_ms)
{
	bool alive = worker->up || worker->draining;

	switch (state) {
	case STATE_UP:
		return worker->up;
	case STATE_DRAINING:
		return worker->draining;
	case STATE_UPTIME:
		return worker->up ? age_s(now_ms, worker->started_ms) : 0.;
	case STATE_HEARTBEAT:
		return alive ? age_s(now_ms, worker->heartbeat_ms) : 0.;
	case STATE_LAG:
	case STATE_COUNT:
		break;
	}
	return (double)worker->lag;
}

static void append_states(struct buffer *ret, const struct metrics_source *source,
			  const struct worker_figures *workers)
{
	for (int state = 0; state < STATE_COUNT; state++) {
		append_head(ret, states[state].name, states[state].help, "gauge");
		for (unsigned index = 0; index < source->workers; index++)
			buffer_printf(ret, PREFIX "%s{worker=\"%u\"} %.15g\n", states[state].name,
				      index,
				      state_of(&workers[index], (enum state)state, source->now_ms));
	}
}

static void append_level(struct buffer *ret, const char *name, const char *help, double value)
{
	append_head(ret, name, help, "gauge");
	buffer_printf(ret, PREFIX "%s %.15g\n", name, value);
}

static void append_host(struct buffer *ret, const struct metrics_source *source)
{
	const struct supervisor_page *page = source->page;
	/* relaxed: figures. */
	uint64_t started_ms = atomic_load_explicit(&page->started_ms, memory_order_relaxed);
	uint64_t heartbeat_ms = atomic_load_explicit(&page->heartbeat_ms, memory_order_relaxed);
	double mark_age = metrics_mark_age(page, source->now_ms);

	append_head(ret, "build_info", "Always 1; its label says what runs", "gauge");
	buffer_printf(ret, PREFIX "build_info{version=\"%s\"} 1\n", source->version);
	append_level(ret, "start_time_seconds", "When the supervisor started, Unix time",
		     (double)started_ms / 1000.);
	append_level(ret, "supervisor_heartbeat_age_seconds",
		     "Time since the supervisor wrote its figures",
		     heartbeat_ms ? age_s(source->now_ms, heartbeat_ms) : 0.);
	append_level(ret, "workers", "Workers configured", source->workers);
	append_level(ret, "ring_size_bytes", "Size of the ring", (double)source->ring_size);
	/* Prometheus has a word for "not known". */
	append_head(ret, "mark_age_seconds",
		    "Time since the last mark came through the subscription", "gauge");
	if (mark_age < 0)
		buffer_append_string(ret, PREFIX "mark_age_seconds NaN\n");
	else
		buffer_printf(ret, PREFIX "mark_age_seconds %.15g\n", mark_age);
}

void metrics_format(struct buffer *ret, const struct metrics_source *source)
{
	struct worker_figures *workers = gather(source);

	append_host(ret, source);
	append_states(ret, source, workers);
	append_statistics(ret, source, workers);
	append_refusals(ret, source, workers);
	append_histograms(ret, source, workers);
	append_supervisor(ret, source->page);
	free(workers);
}
