/* test_sentinel_watch.c — what Sentinels tell of another primary. Any server that publishes may be
 * the Sentinel here. */
#include "redis_fixture.h"
#include "sentinel_watch.h"

#include <criterion/criterion.h>

TestSuite(sentinel_watch, .timeout = 30);

#define SWITCH "PUBLISH +switch-master %s", "main 127.0.0.1 1 127.0.0.9 6390"

static void on_switch(const char *host, unsigned port, void *arg)
{
	cr_assert_str_eq(host, "127.0.0.9");
	cr_assert_eq(port, 6390);
	++*(int *)arg;
}

/* Asked by turns of the loop: nobody calls when it is so. */
static void wait_until_listening(struct redis_fixture *fixture, const struct sentinel_watch *watch,
				 unsigned count)
{
	while (sentinel_watch_listening(watch) != count)
		ev_run(fixture->loop, EVRUN_ONCE);
}

Test(sentinel_watch, the_same_primary_is_news_again_when_none_was_listened_to_in_between)
{
	struct redis_fixture fixture;
	struct redis_options options = {.timeout_ms = 2000, .name = "watch"};
	char url[64];
	int switches = 0;

	fixture_open(&fixture, NULL);
	snprintf(url, sizeof(url), "sentinel://127.0.0.1:%u/main", fixture.port);
	options.url = url;
	struct sentinel_watch *watch =
		sentinel_watch_create(fixture.loop, &options, on_switch, &switches);
	wait_until_listening(&fixture, watch, 1);
	cr_assert_str_eq(fixture_ask(&fixture, SWITCH), "1");
	cr_assert_str_eq(fixture_ask(&fixture, SWITCH), "1");
	fixture_run_until(&fixture, &switches, 1);

	cr_assert_str_eq(fixture_ask(&fixture, "CLIENT KILL TYPE pubsub"), "1");
	wait_until_listening(&fixture, watch, 0);
	wait_until_listening(&fixture, watch, 1);
	cr_assert_eq(switches, 1, "told twice, %d times taken", switches);
	fixture_ask(&fixture, SWITCH);
	fixture_run_until(&fixture, &switches, 2);
	cr_assert_eq(sentinel_watch_switches(watch), 2);
	sentinel_watch_destroy(watch);
	fixture_close(&fixture);
}
