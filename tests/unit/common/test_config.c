#include "config_fixture.h"

#ifndef SYNCDOC_SOURCE_DIR
#define SYNCDOC_SOURCE_DIR NULL
#endif

TestSuite(config, .timeout = 100);

#define EXPECT_NUMBER(field, number) cr_expect_eq(config->field, number, #field)
#define EXPECT_TEXT(field, text) cr_expect_str_eq(config->field, text, #field)

static void expect_list(const struct config_list *list, size_t count, const char *first,
			const char *last)
{
	cr_assert_eq(list->count, count, "%zu entries", list->count);
	if (count) {
		cr_expect_str_eq(list->items[0], first);
		cr_expect_str_eq(list->items[count - 1], last);
	}
}

/* ---- defaults ---- */

static void expect_default_numbers(const struct config *config)
{
	EXPECT_NUMBER(worker_timeout_ms, 10000);
	EXPECT_NUMBER(seccomp, true);
	EXPECT_NUMBER(drain_timeout_ms, 30000);
	EXPECT_NUMBER(drain_rate, 200);
	EXPECT_NUMBER(seccomp, true);
	EXPECT_NUMBER(ring_size, 64 << 20);
	EXPECT_NUMBER(fanout_io_uring, false);
	EXPECT_NUMBER(redis_encoding, CONFIG_ENCODING_AUTO);
	EXPECT_NUMBER(redis_timeout_ms, 2000);
	EXPECT_NUMBER(redis_cluster, false);
	EXPECT_NUMBER(redis_wait_replicas, 0);
	EXPECT_NUMBER(documents_max_size, 1 << 20);
	EXPECT_NUMBER(documents_max_depth, 32);
	EXPECT_NUMBER(documents_cache, 64 << 20);
	EXPECT_NUMBER(documents_tombstone_ttl_ms, 7 * 86400 * 1000);
	EXPECT_NUMBER(history_max, 100);
	EXPECT_NUMBER(history_max_bytes, 1 << 20);
	EXPECT_NUMBER(ws_max_message, (1 << 20) + 4096);
	EXPECT_NUMBER(ws_rate, 200);
	EXPECT_NUMBER(ws_burst, 400);
	EXPECT_NUMBER(ws_queue, 256 << 10);
	EXPECT_NUMBER(ws_queue_total, 64 << 20);
	EXPECT_NUMBER(ws_stall_timeout_ms, 30000);
	EXPECT_NUMBER(ws_max_subscriptions, 1000);
	EXPECT_NUMBER(ws_ping_interval_ms, 25000);
	EXPECT_NUMBER(ws_deflate, true);
	EXPECT_NUMBER(limits_connections, 10000);
	EXPECT_NUMBER(limits_per_address, 1000);
	EXPECT_NUMBER(limits_requests_per_address, 0);
	EXPECT_NUMBER(limits_streams, 500);
	EXPECT_NUMBER(limits_request_timeout_ms, 10000);
	EXPECT_NUMBER(auth_mode, CONFIG_AUTH_UNSET);
	EXPECT_NUMBER(log_level, LOG_LEVEL_INFO);
	EXPECT_NUMBER(log_format, LOG_FORMAT_TEXT);
	EXPECT_NUMBER(log_access, false);
	EXPECT_NUMBER(admin_enabled, true);
}

static void expect_default_texts(const struct config *config)
{
	expect_list(&config->listen, 1, "127.0.0.1:8080", "127.0.0.1:8080");
	expect_list(&config->hosts, 0, NULL, NULL);
	expect_list(&config->trusted_proxies, 0, NULL, NULL);
	expect_list(&config->cors_origins, 0, NULL, NULL);
	expect_list(&config->auth_key, 0, NULL, NULL);
	EXPECT_TEXT(user, "");
	EXPECT_TEXT(group, "");
	EXPECT_TEXT(state_dir, "/var/lib/syncdoc");
	EXPECT_TEXT(pid_file, "");
	EXPECT_TEXT(redis_url, "embedded");
	EXPECT_TEXT(redis_password_file, "");
	EXPECT_TEXT(redis_sentinel_user, "");
	EXPECT_TEXT(redis_sentinel_password_file, "");
	EXPECT_TEXT(auth_algorithm, "");
	EXPECT_TEXT(auth_audience, "");
	EXPECT_TEXT(auth_issuer, "");
	EXPECT_TEXT(auth_tokens, "");
	EXPECT_TEXT(tls_cert, "");
	EXPECT_TEXT(tls_key, "");
	EXPECT_TEXT(log_target, "stderr");
}

Test(config, an_empty_file_gives_the_defaults)
{
	struct config *config = must_load("");
	char host[256] = "";

	expect_default_numbers(config);
	expect_default_texts(config);
	gethostname(host, sizeof(host) - 1);
	EXPECT_TEXT(node, host);
	config_destroy(config);
}

Test(config, zero_workers_means_one_for_each_cpu)
{
	struct config *config = must_load("workers = 0\n");

	cr_expect(config->workers >= 1 && config->workers <= 256);
	cr_expect(config->workers <= (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	config_destroy(config);
}

Test(config, the_largest_message_follows_the_largest_document)
{
	struct config *config = must_load("documents { max_size = 65536 }\n");

	EXPECT_NUMBER(ws_max_message, 65536 + 4096);
	config_destroy(config);
}

Test(config, without_a_path_a_missing_standard_file_means_defaults)
{
	struct config *config = NULL;
	char error[ERROR_MAX_LEN];

	if (access(CONFIG_PATH, F_OK) == 0)
		cr_skip_test("this machine has a " CONFIG_PATH);
	cr_assert_eq(config_load(NULL, NULL, 0, &config, error, sizeof(error)), 0);
	expect_default_numbers(config);
	expect_default_texts(config);
	config_destroy(config);
}

/* ---- every key, set ---- */

struct setting {
	const char *section, *name, *file, *override;
};

/* Values differ from each other, so that a key which lands in another's field is seen. */
static const struct setting settings[] = {
	{"", "listen", "{\"127.0.0.2:81\", '[::1]:82', unix:/run/s.sock}",
	 "127.0.0.2:81,[::1]:82,unix:/run/s.sock"},
	{"", "workers", "3", "3"},
	{"", "user", "\"alice\"", "alice"},
	{"", "group", "wheel", "wheel"},
	{"", "state_dir", "\"/srv/sync doc\"", "/srv/sync doc"},
	{"", "pid_file", "/run/s.pid", "/run/s.pid"},
	{"", "node", "\"node-1.example\"", "node-1.example"},
	{"", "hosts", "{\"sync.example\", \"[2001:db8::1]\"}", "sync.example,[2001:db8::1]"},
	{"", "trusted_proxies", "{\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.1\"}",
	 "10.0.0.0/8,fd00::/8,192.0.2.1"},
	{"", "cors_origins", "{\"https://app.example\", \"http://localhost:3000\"}",
	 "https://app.example,http://localhost:3000"},
	{"", "worker_timeout", "11", "11"},
	{"", "drain_timeout", "0.25", "0.25"},
	{"", "drain_rate", "12", "12"},
	{"", "seccomp", "no", "no"},
	{"ring", "size", "\"128MiB\"", "128MiB"},
	{"fanout", "io_uring", "yes", "yes"},
	{"redis", "url", "\"sentinel://u:p@db.example:6380/main/3\"",
	 "sentinel://u:p@db.example:6380/main/3"},
	{"redis", "encoding", "string", "string"},
	{"redis", "timeout", "1.5", "1.5"},
	{"redis", "password_file", "\"/etc/pw\"", "/etc/pw"},
	{"redis", "sentinel_user", "\"watcher@1\"", "watcher@1"},
	{"redis", "sentinel_password_file", "\"/etc/pw2\"", "/etc/pw2"},
	{"redis", "cluster", "off", "off"},
	{"redis", "wait_replicas", "2", "2"},
	{"documents", "max_size", "2MiB", "2MiB"},
	{"documents", "max_depth", "13", "13"},
	{"documents", "cache", "\"3MiB\"", "3MiB"},
	{"documents", "tombstone_ttl", "86400", "86400"},
	{"history", "max", "14", "14"},
	{"history", "max_bytes", "4096", "4096"},
	{"ws", "max_message", "\"5KiB\"", "5KiB"},
	{"ws", "rate", "15", "15"},
	{"ws", "burst", "16", "16"},
	{"ws", "queue", "\"6KiB\"", "6KiB"},
	{"ws", "queue_total", "\"7MiB\"", "7MiB"},
	{"ws", "stall_timeout", "17", "17"},
	{"ws", "max_subscriptions", "18", "18"},
	{"ws", "ping_interval", "19", "19"},
	{"ws", "deflate", "false", "false"},
	{"limits", "connections", "20", "20"},
	{"limits", "per_address", "21", "21"},
	{"limits", "requests_per_address", "22", "22"},
	{"limits", "streams", "23", "23"},
	{"limits", "request_timeout", "24.125", "24.125"},
	{"auth", "mode", "\"none\"", "none"},
	{"auth", "key", "{}", ""},
	{"auth", "algorithm", "\"\"", ""},
	{"auth", "audience", "\"\"", ""},
	{"auth", "issuer", "\"\"", ""},
	{"auth", "tokens", "\"\"", ""},
	{"tls", "cert", "\"\"", ""},
	{"tls", "key", "\"\"", ""},
	{"log", "target", "\"/var/log/s\"", "/var/log/s"},
	{"log", "level", "\"warning\"", "warning"},
	{"log", "format", "json", "json"},
	{"log", "access", "yes", "yes"},
	{"admin", "enabled", "no", "no"},
};

static void expect_set_texts(const struct config *config)
{
	expect_list(&config->listen, 3, "127.0.0.2:81", "unix:/run/s.sock");
	EXPECT_TEXT(listen.items[1], "[::1]:82");
	expect_list(&config->hosts, 2, "sync.example", "[2001:db8::1]");
	expect_list(&config->trusted_proxies, 3, "10.0.0.0/8", "192.0.2.1");
	expect_list(&config->cors_origins, 2, "https://app.example", "http://localhost:3000");
	expect_list(&config->auth_key, 0, NULL, NULL);
	EXPECT_TEXT(user, "alice");
	EXPECT_TEXT(group, "wheel");
	EXPECT_TEXT(state_dir, "/srv/sync doc");
	EXPECT_TEXT(pid_file, "/run/s.pid");
	EXPECT_TEXT(node, "node-1.example");
	EXPECT_TEXT(redis_url, "sentinel://u:p@db.example:6380/main/3");
	EXPECT_TEXT(redis_password_file, "/etc/pw");
	EXPECT_TEXT(redis_sentinel_user, "watcher@1");
	EXPECT_TEXT(redis_sentinel_password_file, "/etc/pw2");
	EXPECT_TEXT(log_target, "/var/log/s");
}

static void expect_set_numbers(const struct config *config)
{
	EXPECT_NUMBER(workers, 3);
	EXPECT_NUMBER(worker_timeout_ms, 11000);
	EXPECT_NUMBER(seccomp, false);
	EXPECT_NUMBER(drain_timeout_ms, 250);
	EXPECT_NUMBER(drain_rate, 12);
	EXPECT_NUMBER(seccomp, false);
	EXPECT_NUMBER(ring_size, 128 << 20);
	EXPECT_NUMBER(fanout_io_uring, true);
	EXPECT_NUMBER(redis_encoding, CONFIG_ENCODING_STRING);
	EXPECT_NUMBER(redis_timeout_ms, 1500);
	EXPECT_NUMBER(redis_cluster, false);
	EXPECT_NUMBER(redis_wait_replicas, 2);
	EXPECT_NUMBER(documents_max_size, 2 << 20);
	EXPECT_NUMBER(documents_max_depth, 13);
	EXPECT_NUMBER(documents_cache, 3 << 20);
	EXPECT_NUMBER(documents_tombstone_ttl_ms, 86400000);
	EXPECT_NUMBER(history_max, 14);
	EXPECT_NUMBER(history_max_bytes, 4096);
	EXPECT_NUMBER(ws_max_message, 5 << 10);
	EXPECT_NUMBER(ws_rate, 15);
	EXPECT_NUMBER(ws_burst, 16);
	EXPECT_NUMBER(ws_queue, 6 << 10);
	EXPECT_NUMBER(ws_queue_total, 7 << 20);
	EXPECT_NUMBER(ws_stall_timeout_ms, 17000);
	EXPECT_NUMBER(ws_max_subscriptions, 18);
	EXPECT_NUMBER(ws_ping_interval_ms, 19000);
	EXPECT_NUMBER(ws_deflate, false);
	EXPECT_NUMBER(limits_connections, 20);
	EXPECT_NUMBER(limits_per_address, 21);
	EXPECT_NUMBER(limits_requests_per_address, 22);
	EXPECT_NUMBER(limits_streams, 23);
	EXPECT_NUMBER(limits_request_timeout_ms, 24125);
	EXPECT_NUMBER(auth_mode, CONFIG_AUTH_NONE);
	EXPECT_NUMBER(log_level, LOG_LEVEL_WARNING);
	EXPECT_NUMBER(log_format, LOG_FORMAT_JSON);
	EXPECT_NUMBER(log_access, true);
	EXPECT_NUMBER(admin_enabled, false);
}

Test(config, every_key_can_be_set_in_the_file)
{
	struct buffer text = {0};
	const char *section = "";

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *setting = &settings[i];
		if (strcmp(section, setting->section) != 0)
			buffer_printf(&text, "%s%s {\n", *section ? "}\n" : "", setting->section);
		section = setting->section;
		buffer_printf(&text, "%s = %s # remark\n", setting->name, setting->file);
	}
	buffer_append(&text, "}\n", 3);
	struct config *config = must_load(text.at);
	expect_set_texts(config);
	expect_set_numbers(config);
	config_destroy(config);
	buffer_fini(&text);
}

Test(config, every_key_can_be_set_by_an_override_which_beats_the_file)
{
	static const char file[] = "workers = 7\nws { rate = 99 }\nlisten = {\"127.0.0.1:99\"}\n";
	char texts[ARRAY_LEN(settings)][128];
	const char *overrides[ARRAY_LEN(settings)];

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *setting = &settings[i];
		snprintf(texts[i], sizeof(texts[i]), "%s%s%s=%s", setting->section,
			 *setting->section ? "." : "", setting->name, setting->override);
		overrides[i] = texts[i];
	}
	struct outcome outcome = load_bytes(file, strlen(file), overrides, ARRAY_LEN(overrides));
	cr_assert(outcome.error == 0, "%s", outcome.text);
	expect_set_texts(outcome.config);
	expect_set_numbers(outcome.config);
	config_destroy(outcome.config);
}

Test(config, of_two_overrides_of_a_key_the_later_holds)
{
	static const char *const overrides[] = {"workers=2", "workers=5"};
	struct outcome outcome = load_bytes("", 0, overrides, 2);

	cr_assert_eq(outcome.error, 0);
	cr_expect_eq(outcome.config->workers, 5);
	config_destroy(outcome.config);
}

Test(config, an_override_with_nothing_behind_the_equals_sign_empties_a_list)
{
	static const char file[] = "hosts = {\"a\", \"b\"}\n";
	static const char *const override = "hosts=";
	struct outcome outcome = load_bytes(file, strlen(file), &override, 1);

	cr_assert_eq(outcome.error, 0);
	cr_expect_eq(outcome.config->hosts.count, 0);
	config_destroy(outcome.config);
}

Test(config, zero_is_taken_where_it_means_none)
{
	struct config *config =
		must_load("drain_timeout = 0\ndocuments { cache = 0 }\nhistory { max = 0 }\n"
			  "limits { connections = 0 per_address = 0 requests_per_address = 0\n"
			  "streams = 0 request_timeout = 0 }\n");

	EXPECT_NUMBER(drain_timeout_ms, 0);
	EXPECT_NUMBER(documents_cache, 0);
	EXPECT_NUMBER(history_max, 0);
	EXPECT_NUMBER(limits_connections, 0);
	EXPECT_NUMBER(limits_per_address, 0);
	EXPECT_NUMBER(limits_streams, 0);
	EXPECT_NUMBER(limits_request_timeout_ms, 0);
	config_destroy(config);
}

/* ---- the form of the file ---- */

Test(config, comments_of_all_kinds_and_crlf_are_skipped)
{
	struct config *config =
		must_load("# one\r\n// two\r\n/* three\r\n} */ workers = 4 // four\r\n"
			  "ws /* five */ { rate = 5 # } six\r\n}\r\n");

	EXPECT_NUMBER(workers, 4);
	EXPECT_NUMBER(ws_rate, 5);
	config_destroy(config);
}

Test(config, quoted_texts_keep_comment_signs_and_dollars)
{
	struct config *config =
		must_load("user = ''\nstate_dir = \"/a//b #c \\${D} \\\"e\\\\ {f}\"\n"
			  "pid_file = '/g/*h ${I} \\'j'\n");

	EXPECT_TEXT(state_dir, "/a//b #c ${D} \"e\\ {f}");
	EXPECT_TEXT(pid_file, "/g/*h ${I} 'j");
	config_destroy(config);
}

Test(config, an_unquoted_url_keeps_its_slashes)
{
	struct config *config = must_load("redis { url = unix:///run//redis.sock }\n");

	EXPECT_TEXT(redis_url, "unix:///run//redis.sock");
	config_destroy(config);
}

Test(config, a_list_may_be_one_text_and_may_end_with_a_comma)
{
	struct config *config = must_load("listen = 127.0.0.3:80\nhosts = {\"a\",\n\"b\",\n}\n");

	expect_list(&config->listen, 1, "127.0.0.3:80", "127.0.0.3:80");
	expect_list(&config->hosts, 2, "a", "b");
	config_destroy(config);
}

/* ---- the shipped file ---- */

static char *shipped_file(void)
{
	const char *dir = getenv("SYNCDOC_SOURCE_DIR");
	char path[4096];
	struct buffer text = {0};
	size_t got;

	dir = dir ? dir : SYNCDOC_SOURCE_DIR;
	cr_assert(dir != NULL, "set SYNCDOC_SOURCE_DIR");
	snprintf(path, sizeof(path), "%s/etc/syncdocd.conf", dir);
	FILE *file = fopen(path, "re");
	cr_assert(file != NULL, "%s", path);
	while ((got = fread(buffer_reserve(&text, 4096), 1, 4096, file)) > 0)
		text.len += got;
	fclose(file);
	buffer_append_char(&text, '\0');
	return text.at;
}

static void expect_shipped(const struct config *config)
{
	expect_default_numbers(config);
	EXPECT_TEXT(user, "syncdoc");
	EXPECT_TEXT(group, "syncdoc");
	EXPECT_TEXT(state_dir, "/var/lib/syncdoc");
	EXPECT_TEXT(pid_file, "/run/syncdoc/syncdocd.pid");
	EXPECT_TEXT(log_target, "/var/log/syncdoc/syncdocd.log");
	EXPECT_TEXT(redis_url, "embedded");
	expect_list(&config->listen, 1, "127.0.0.1:8080", "127.0.0.1:8080");
	cr_expect_eq(config->hosts.count + config->trusted_proxies.count +
			     config->cors_origins.count,
		     0);
}

Test(config, the_shipped_file_equals_the_defaults_but_for_what_packaging_sets)
{
	char *text = shipped_file();
	struct config *config = must_load(text);

	expect_shipped(config);
	config_destroy(config);
	free(text);
}

/* `#key = value` is a default, `# text` an explanation. */
static size_t uncomment(char *text)
{
	size_t count = 0;

	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *sign = line + strspn(line, "\t");
		size_t name_len =
			*sign == '#' ? strspn(sign + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
		if (name_len && strncmp(sign + 1 + name_len, " = ", 3) == 0) {
			*sign = ' ';
			count++;
		}
	}
	return count;
}

Test(config, the_defaults_that_the_shipped_file_documents_are_the_defaults)
{
	char *text = shipped_file();
	size_t set = 5; /* user, group, state_dir, pid_file, log.target */

	cr_expect_eq(uncomment(text) + set, ARRAY_LEN(settings),
		     "a key is missing in the shipped file");
	struct config *config = must_load(text);
	expect_shipped(config);
	config_destroy(config);
	free(text);
}

Test(config, destroying_nothing_is_fine)
{
	config_destroy(NULL);
}
