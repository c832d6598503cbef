/* test_name_lookup.c — names into addresses, against a name server in the same loop. */
#include "dns_fixture.h"
#include "name_lookup.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

TestSuite(name_lookup, .timeout = 100);

#define TIMEOUT_MS 30000 /* not to be met, however long the machine stands still */
#define SHORT_MS 200
#define LONG_MS 20000
#define SILENT_MS 1200 /* libev looks at the clock twice a second */
#define TICK_S 0.005
#define HOUR_S 3600

static time_t clock_step_s;

/* The clock of libev, which finds this one if it is visible. */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict ret,
							void *restrict zone)
{
	(void)zone;
	int error = (int)syscall(SYS_gettimeofday, ret, NULL);
	ret->tv_sec += clock_step_s;
	return error;
}

/* Somebody sets the clock. */
static void step_clock(time_t seconds)
{
	ev_tstamp before = ev_time();

	clock_step_s = seconds;
	cr_assert_lt(fabs(ev_time() - before - (double)seconds), HOUR_S / 2., "libev has seen it");
}

struct seen {
	struct ev_loop *loop;
	struct dns_fixture dns;
	struct name_lookup *lookup;
	int called;
	char addresses[512]; /* joined by blanks */
	char reason[200];
	bool looks_again; /* from inside the callback */
};

static void begin(struct seen *seen, const char *name, int64_t timeout_ms);

static void on_addresses(const struct name_addresses *addresses, const char *reason, void *arg)
{
	struct seen *seen = arg;
	cr_assert_eq(addresses == NULL, reason != NULL);
	seen->lookup = NULL;
	seen->called++;
	seen->addresses[0] = '\0';
	for (size_t i = 0; addresses && i < addresses->count; i++) {
		size_t len = strlen(seen->addresses);
		snprintf(seen->addresses + len, sizeof(seen->addresses) - len, "%s%s", i ? " " : "",
			 addresses->text[i]);
	}
	snprintf(seen->reason, sizeof(seen->reason), "%s", reason ? reason : "");
	if (seen->looks_again) {
		seen->looks_again = false;
		begin(seen, "two.test", TIMEOUT_MS);
	}
}

static void begin(struct seen *seen, const char *name, int64_t timeout_ms)
{
	const struct name_lookup_options options = {
		.name = name, .timeout_ms = timeout_ms, .servers = seen->dns.servers};
	int called = seen->called;
	seen->lookup = name_lookup_start(seen->loop, &options, on_addresses, seen);
	cr_assert_eq(seen->called, called, "not from inside the call");
}

static void open_all(struct seen *seen)
{
	*seen = (struct seen){.loop = ev_loop_new(EVFLAG_AUTO)};
	dns_open(&seen->dns, seen->loop);
}

static void close_all(struct seen *seen)
{
	name_lookup_cancel(seen->lookup);
	dns_close(&seen->dns);
	ev_loop_destroy(seen->loop);
}

static void on_guard(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)timer, (void)revents;
	cr_assert_fail("the loop waited for a minute");
}

static void until(struct seen *seen, const int *counter, int value)
{
	ev_timer guard;
	ev_timer_init(&guard, on_guard, 60., 0.);
	ev_timer_start(seen->loop, &guard);
	while (*counter < value)
		ev_run(seen->loop, EVRUN_ONCE);
	ev_timer_stop(seen->loop, &guard);
}

static void look_up(struct seen *seen, const char *name, int64_t timeout_ms)
{
	int value = seen->called + 1;
	begin(seen, name, timeout_ms);
	until(seen, &seen->called, value);
}

Test(name_lookup, gives_the_addresses_of_both_families)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "one.test", "192.0.2.7");
	dns_set(&seen.dns, "two.test", "192.0.2.8 192.0.2.9");
	dns_set(&seen.dns, "both.test", "127.0.0.2 ::1");
	look_up(&seen, "one.test", TIMEOUT_MS);
	cr_assert_str_eq(seen.addresses, "192.0.2.7", "%s", seen.reason);
	look_up(&seen, "two.test", TIMEOUT_MS);
	cr_assert(strstr(seen.addresses, "192.0.2.8") && strstr(seen.addresses, "192.0.2.9"));
	look_up(&seen, "both.test", TIMEOUT_MS);
	cr_assert(strstr(seen.addresses, "127.0.0.2") && strstr(seen.addresses, "::1"), "%s",
		  seen.addresses);
	close_all(&seen);
}

Test(name_lookup, asks_anew_each_time)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "moves.test", "192.0.2.1");
	look_up(&seen, "moves.test", TIMEOUT_MS);
	cr_assert_str_eq(seen.addresses, "192.0.2.1");
	dns_set(&seen.dns, "moves.test", "192.0.2.2");
	look_up(&seen, "moves.test", TIMEOUT_MS);
	cr_assert_str_eq(seen.addresses, "192.0.2.2");
	close_all(&seen);
}

Test(name_lookup, more_addresses_than_it_keeps_are_cut)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "many.test",
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 "
		"192.0.2.9 192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 "
		"192.0.2.16 192.0.2.17 192.0.2.18");
	look_up(&seen, "many.test", TIMEOUT_MS);
	size_t count = 1;
	for (const char *at = seen.addresses; (at = strchr(at, ' ')); at++)
		count++;
	cr_assert_eq(count, NAME_ADDRESSES_MAX, "%s", seen.addresses);
	close_all(&seen);
}

Test(name_lookup, a_name_that_does_not_exist_is_told)
{
	struct seen seen;
	open_all(&seen);
	look_up(&seen, "nobody.test", TIMEOUT_MS);
	cr_assert_str_eq(seen.reason, "name lookup: Domain name not found");
	dns_set(&seen.dns, "empty.test", "");
	look_up(&seen, "empty.test", TIMEOUT_MS);
	cr_assert_str_eq(seen.reason, "name lookup: DNS server returned answer with no data");
	close_all(&seen);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	++*(int *)timer->data;
}

Test(name_lookup, a_silent_server_ends_it_at_the_deadline_and_the_loop_turns_meanwhile)
{
	struct seen seen;
	int ticks = 0;
	ev_timer tick;
	open_all(&seen);
	dns_set(&seen.dns, "silent.test", NULL);
	ev_timer_init(&tick, on_tick, TICK_S, TICK_S);
	tick.data = &ticks;
	ev_timer_start(seen.loop, &tick);
	/* A longer one where the machine stood still for all of it. */
	for (int64_t ms = SHORT_MS; ms < LONG_MS && (seen.dns.asked < 2 || ticks < 5); ms *= 2) {
		char told[64];
		snprintf(told, sizeof(told), "have not answered within %lld ms", (long long)ms);
		look_up(&seen, "silent.test", ms);
		cr_assert(strstr(seen.reason, told) ||
				  strstr(seen.reason, "Timeout while contacting DNS servers"),
			  "%s", seen.reason);
	}
	cr_assert(seen.dns.asked >= 2, "asked %d times", seen.dns.asked);
	cr_assert(ticks >= 5, "%d ticks", ticks);
	ev_timer_stop(seen.loop, &tick);
	close_all(&seen);
}

Test(name_lookup, a_clock_that_is_set_forward_ends_nothing_early)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "later.test", NULL);
	begin(&seen, "later.test", 4000); /* asked again after a part of it */
	until(&seen, &seen.dns.asked, 2);
	step_clock(HOUR_S);
	dns_set(&seen.dns, "later.test", "192.0.2.7"); /* when it is asked again */
	until(&seen, &seen.called, 1);
	cr_assert_str_eq(seen.addresses, "192.0.2.7", "%s", seen.reason);
	close_all(&seen);
}

/* Of more servers than can be asked before the deadline. */
Test(name_lookup, a_clock_that_is_set_back_keeps_nothing_waiting)
{
	struct seen seen;
	struct dns_fixture others[2];
	open_all(&seen);
	dns_set(&seen.dns, "silent.test", NULL);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		size_t len = strlen(seen.dns.servers);
		dns_open(&others[i], seen.loop);
		dns_set(&others[i], "silent.test", NULL);
		snprintf(seen.dns.servers + len, sizeof(seen.dns.servers) - len, ",%s",
			 others[i].servers);
	}
	begin(&seen, "silent.test", SILENT_MS);
	step_clock(-HOUR_S);
	until(&seen, &seen.called, 1);
	cr_assert(strstr(seen.reason, "have not answered within 1200 ms"), "%s", seen.reason);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		dns_close(&others[i]);
	close_all(&seen);
}

Test(name_lookup, a_server_that_is_not_there_is_told)
{
	struct seen seen;
	char servers[sizeof(seen.dns.servers)];
	open_all(&seen);
	snprintf(servers, sizeof(servers), "%s", seen.dns.servers);
	dns_close(&seen.dns); /* its port is free now */
	const struct name_lookup_options options = {
		.name = "one.test", .timeout_ms = SHORT_MS, .servers = servers};
	seen.lookup = name_lookup_start(seen.loop, &options, on_addresses, &seen);
	until(&seen, &seen.called, 1);
	cr_assert(strstr(seen.reason, "name lookup: "), "%s", seen.reason);
	cr_assert_str_empty(seen.addresses);
	ev_loop_destroy(seen.loop);
}

static int descriptors(void)
{
	int count = 0;
	DIR *directory = opendir("/proc/self/fd");
	cr_assert(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

Test(name_lookup, given_up_while_under_way_it_calls_nobody_and_leaves_no_socket)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "silent.test", NULL);
	int before = descriptors();
	for (int i = 1; i <= 3; i++) {
		begin(&seen, "silent.test", TIMEOUT_MS);
		until(&seen, &seen.dns.asked, seen.dns.asked + 1);
		cr_assert(descriptors() > before);
		name_lookup_cancel(seen.lookup);
		cr_assert_eq(descriptors(), before);
	}
	begin(&seen, "silent.test", TIMEOUT_MS); /* and before anything was sent */
	name_lookup_cancel(seen.lookup);
	seen.lookup = NULL;
	ev_run(seen.loop, EVRUN_NOWAIT);
	cr_assert_eq(seen.called, 0);
	cr_assert_eq(descriptors(), before);
	close_all(&seen);
}

Test(name_lookup, the_next_one_may_begin_inside_the_callback)
{
	struct seen seen;
	open_all(&seen);
	dns_set(&seen.dns, "one.test", "192.0.2.1");
	dns_set(&seen.dns, "two.test", "192.0.2.2");
	seen.looks_again = true;
	begin(&seen, "one.test", TIMEOUT_MS);
	until(&seen, &seen.called, 2);
	cr_assert_str_eq(seen.addresses, "192.0.2.2");
	close_all(&seen);
}

Test(name_lookup, what_etc_hosts_says_needs_no_server)
{
	struct seen seen;
	open_all(&seen);
	look_up(&seen, "localhost", TIMEOUT_MS);
	cr_assert(strstr(seen.addresses, "127.0.0.1") || strstr(seen.addresses, "::1"), "%s",
		  seen.reason);
	cr_assert_eq(seen.dns.asked, 0);
	close_all(&seen);
}

Test(name_lookup, what_is_no_name_is_refused)
{
	struct seen seen;
	open_all(&seen);
	static const char *const names[] = {
		"", ".", "a..b", "no spaces.test",
		"label-of-more-than-63-bytes-label-of-more-than-63-bytes-label-of-more-than.test"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		look_up(&seen, names[i], TIMEOUT_MS);
		cr_assert(strstr(seen.reason, "name lookup: "), "%s: %s", names[i], seen.addresses);
	}
	close_all(&seen);
}

Test(name_lookup, numbers_are_told_from_names)
{
	static const char *const numbers[] = {"127.0.0.1", "127.1", "::1", "fe80::1%eth0",
					      "10.0.0.7"};
	static const char *const names[] = {"localhost", "redis.internal", "10.0.0.7.nip.test",
					    "redis-1", ""};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		cr_assert(name_is_numeric(numbers[i]), "%s", numbers[i]);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		cr_assert_not(name_is_numeric(names[i]), "%s", names[i]);
}
