#include "config_fixture.h"

TestSuite(config_reload, .timeout = 100);

static void collect(const char *key, void *arg)
{
	buffer_printf(arg, "%s ", key);
}

Test(config_reload, a_reload_names_the_keys_that_need_a_restart_and_only_those)
{
	struct config *old = must_load("workers = 2\n");
	struct config *new =
		must_load("workers = 3 listen = {\"127.0.0.1:81\"} drain_rate = 9\n"
			  "ring { size = \"128MiB\" } ws { rate = 7 } log { level = debug }\n");
	struct buffer names = {0};

	cr_expect_eq(config_needs_restart(old, new, collect, &names), 3);
	cr_expect(span_equals(buffer_span(&names), SPAN("listen workers ring.size ")));
	cr_expect_eq(config_needs_restart(old, old, collect, &names), 0);
	buffer_fini(&names);
	config_destroy(old);
	config_destroy(new);
}

Test(config_reload, what_needs_a_restart_is_carried_over_and_the_rest_is_new)
{
	struct config *running = must_load("workers = 2 hosts = {\"old\"}\n");
	struct config *config =
		must_load("workers = 3 listen = {\"127.0.0.1:81\"} hosts = {\"new\"}\n"
			  "ring { size = \"128MiB\" } redis { url = \"redis://h\" }\n");
	char error[ERROR_MAX_LEN];

	cr_assert_eq(config_carry_over(config, running, error, sizeof(error)), 0);
	cr_expect_eq(config_needs_restart(running, config, NULL, NULL), 0);
	cr_expect_eq(config->workers, 2);
	cr_expect_eq(config->ring_size, 64 << 20);
	cr_expect_str_eq(config->redis_url, "embedded");
	cr_expect_str_eq(config->listen.items[0], "127.0.0.1:8080");
	cr_expect_str_eq(config->hosts.items[0], "new");
	config_destroy(running);
	config_destroy(config);
}

Test(config_reload, a_larger_document_size_is_refused_while_the_ring_must_stay_small)
{
	struct config *running = must_load("");
	struct config *next =
		must_load("ring { size = \"256MiB\" } documents { max_size = \"4MiB\" }\n");
	char error[ERROR_MAX_LEN];

	cr_assert_eq(config_carry_over(next, running, error, sizeof(error)), -EINVAL);
	cr_expect_str_eq(
		error,
		"ring.size: ring.size is 67108864 bytes; documents.max_size of 4194304 needs at "
		"least 32 times that: 134217728 (keys that need a restart keep their value)");
	config_destroy(running);
	config_destroy(next);
}
