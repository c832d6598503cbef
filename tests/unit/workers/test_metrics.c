/* test_metrics.c — the text of /metrics from memory made by hand. */
#include "metrics.h"

#include <criterion/criterion.h>

TestSuite(metrics, .timeout = 100);

#define WORKERS 2

static struct supervisor_page *page;
static char *slots;
static struct buffer text;

static struct slot *slot_at(unsigned slot)
{
	return (struct slot *)(slots + (size_t)slot * SHM_PAGE);
}

static void set_up(void)
{
	page = calloc(1, supervisor_page_len(WORKERS));
	slots = calloc(WORKERS * SUPERVISOR_SLOTS, SHM_PAGE);
	cr_assert(page && slots);
	supervisor_page_init(page, WORKERS, 1700000000500);
}

static void tear_down(void)
{
	free(page);
	free(slots);
	buffer_fini(&text);
}

static void start(unsigned slot, uint64_t process, unsigned worker, uint64_t writes)
{
	supervisor_page_seat_take(page, slot, process, worker, 1, 0, 1000);
	memset((void *)slot_at(slot), 0, sizeof(struct slot));
	stat_set(slot_at(slot), STAT_writes_total, writes);
	stat_set(slot_at(slot), STAT_connections, 3);
	atomic_store(&slot_at(slot)->heartbeat_ms, 9000);
	atomic_store(&slot_at(slot)->ring_cursor, 600);
	atomic_store(&slot_at(slot)->process, process);
}

static void format(void)
{
	const struct metrics_source source = {
		.page = page,
		.slots = slots,
		.workers = WORKERS,
		.ring_size = 65536,
		.ring_tail = 1000,
		.now_ms = 10000,
		.version = "9.8.7",
	};
	text.len = 0;
	metrics_format(&text, &source);
	buffer_append_char(&text, '\0');
}

static void expect_line(const char *line)
{
	char wanted[256];
	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	const char *name = strpbrk(line, "{ ");
	char *near = strstr(text.at, wanted);
	if (near)
		return;
	char prefix[128];
	snprintf(prefix, sizeof(prefix), "\n%.*s", (int)(name - line), line);
	near = strstr(text.at, prefix);
	cr_assert_fail("no line %s; there is: %.200s", line, near ? near : "nothing like it");
}

Test(metrics, living_processes_are_added_up_and_ended_ones_kept, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 10);
	supervisor_page_seat_free(page, 0, slot_at(0));
	start(0, 2, 0, 20);
	supervisor_page_seat_drain(page, 0);
	start(3, 3, 0, 100);
	format();
	expect_line("syncdoc_writes_total{worker=\"0\"} 130");
	expect_line("syncdoc_writes_total{worker=\"1\"} 0");
	expect_line("syncdoc_connections{worker=\"0\"} 6");
	expect_line("syncdoc_worker_up{worker=\"0\"} 1");
	expect_line("syncdoc_worker_up{worker=\"1\"} 0");
	expect_line("syncdoc_worker_draining_processes{worker=\"0\"} 1");
	expect_line("syncdoc_worker_uptime_seconds{worker=\"0\"} 9");
	expect_line("syncdoc_worker_heartbeat_age_seconds{worker=\"0\"} 1");
	expect_line("syncdoc_ring_lag_bytes{worker=\"0\"} 400");
}

Test(metrics, a_slot_is_nobodys_until_its_process_claims_it, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 10);
	supervisor_page_seat_free(page, 0, slot_at(0));
	supervisor_page_seat_take(page, 0, 2, 1, 1, 0, 1000);
	format();
	expect_line("syncdoc_writes_total{worker=\"0\"} 10");
	expect_line("syncdoc_writes_total{worker=\"1\"} 0");
	expect_line("syncdoc_worker_up{worker=\"1\"} 0");
}

Test(metrics, seats_of_a_worker_that_cannot_be_are_passed_over, .init = set_up, .fini = tear_down)
{
	start(0, 1, 99, 10);
	format();
	expect_line("syncdoc_writes_total{worker=\"0\"} 0");
}

Test(metrics, histograms_are_cumulative, .init = set_up, .fini = tear_down)
{
	start(0, 1, 1, 0);
	struct histogram *histogram = &slot_at(0)->histograms[HISTOGRAM_write_seconds];
	histogram_observe(histogram, 30000);
	histogram_observe(histogram, 2000000);
	histogram_observe(histogram, UINT64_C(20000000000));
	format();
	expect_line("syncdoc_write_seconds_bucket{worker=\"1\",le=\"0.000025\"} 0");
	expect_line("syncdoc_write_seconds_bucket{worker=\"1\",le=\"0.00005\"} 1");
	expect_line("syncdoc_write_seconds_bucket{worker=\"1\",le=\"0.0025\"} 2");
	expect_line("syncdoc_write_seconds_bucket{worker=\"1\",le=\"10\"} 2");
	expect_line("syncdoc_write_seconds_bucket{worker=\"1\",le=\"+Inf\"} 3");
	expect_line("syncdoc_write_seconds_sum{worker=\"1\"} 20.002030000");
	expect_line("syncdoc_write_seconds_count{worker=\"1\"} 3");
	expect_line("# TYPE syncdoc_write_seconds histogram");
}

Test(metrics, of_the_host, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 0);
	stat_set(slot_at(0), STAT_cpu_seconds, 1500000);
	supervisor_page_set(page, SUPERVISOR_resyncs_rollback, 4);
	supervisor_page_set(page, SUPERVISOR_cpu_seconds, 2000001);
	format();
	expect_line("syncdoc_build_info{version=\"9.8.7\"} 1");
	expect_line("syncdoc_start_time_seconds 1700000000.5");
	expect_line("syncdoc_ring_size_bytes 65536");
	expect_line("syncdoc_mark_age_seconds NaN");
	expect_line("syncdoc_cpu_seconds_total{worker=\"0\"} 1.500000");
	expect_line("syncdoc_supervisor_cpu_seconds_total 2.000001");
	expect_line("syncdoc_resyncs_total{reason=\"rollback\"} 4");
	expect_line("syncdoc_resyncs_total{reason=\"gap\"} 0");
	expect_line("# TYPE syncdoc_resyncs_total counter");
	cr_assert_null(strstr(strstr(text.at, "# TYPE syncdoc_resyncs_total") + 1,
			      "# TYPE syncdoc_resyncs_total"),
		       "one head for all labels");
	atomic_store(&page->mark_ms, 9750);
	format();
	expect_line("syncdoc_mark_age_seconds 0.25");
}

Test(metrics, refusals_of_all_workers_are_one_figure, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 0);
	stat_refuse(slot_at(0), "invalid_id");
	supervisor_page_seat_free(page, 0, slot_at(0));
	start(4, 2, 1, 0);
	stat_refuse(slot_at(4), "invalid_id");
	stat_refuse(slot_at(4), "no_code_that_we_know");
	format();
	expect_line("syncdoc_refusals_total{code=\"invalid_id\"} 2");
	expect_line("syncdoc_refusals_total{code=\"other\"} 1");
	expect_line("syncdoc_refusals_total{code=\"not_found\"} 0");
}

Test(metrics, a_worker_that_has_not_begun_to_read_does_not_lag, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 0);
	atomic_store(&slot_at(0)->ring_cursor, 0);
	start(4, 2, 1, 0);
	atomic_store(&slot_at(4)->ring_cursor, UINT64_MAX);
	format();
	expect_line("syncdoc_ring_lag_bytes{worker=\"0\"} 0");
	expect_line("syncdoc_ring_lag_bytes{worker=\"1\"} 0");
}

/* If the supervisor died in the midst of a change the scrape still ends. */
Test(metrics, a_change_that_never_ends_does_not_hang, .init = set_up, .fini = tear_down)
{
	start(0, 1, 0, 7);
	atomic_store(&page->changes, 5);
	format();
	expect_line("syncdoc_writes_total{worker=\"0\"} 7");
}
