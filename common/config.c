/* config.c — the table: every key, its default and its limits. */
#include "config_table.h"

#include "auth_secrets.h"
#include "tls_files.h"
#include "inherit.h"
#include "ring.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECONDS ((uint64_t)1000)
#define HOURS (3600 * SECONDS)
#define DAYS (24 * HOURS)
#define ITEMS_MAX 256
#define AUTH_KEYS_MAX 16

#define FIELD(field) .offset = offsetof(struct config, field)

static const char *const encodings[] = {"auto", "json", "string", NULL};
static const char *const auth_modes[] = {"", "none", "jwt", "token", NULL};
static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

#define COUNT(key, field, text, low, high, ...)                                                    \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_COUNT, FIELD(field), .value = text, .min = low,   \
		.max = high, __VA_ARGS__                                                           \
	}
#define SIZE(key, field, text, low, high, ...)                                                     \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_SIZE, FIELD(field), .value = text, .min = low,    \
		.max = high, __VA_ARGS__                                                           \
	}
#define TIME(key, field, text, low, high, ...)                                                     \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_TIME, FIELD(field), .value = text, .min = low,    \
		.max = high, __VA_ARGS__                                                           \
	}
#define FLAG(key, field, text, ...)                                                                \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_FLAG, FIELD(field), .value = text, __VA_ARGS__    \
	}
#define CHOICE(key, field, text, names, ...)                                                       \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_CHOICE, FIELD(field), .value = text,              \
		.choices = names, __VA_ARGS__                                                      \
	}
#define STRING(key, field, text, function, ...)                                                    \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_STRING, FIELD(field), .value = text,              \
		.check = function, __VA_ARGS__                                                     \
	}
#define LIST(key, field, text, function, most, ...)                                                \
	{                                                                                          \
		.name = key, .type = CONFIG_TYPE_LIST, FIELD(field), .value = text,                \
		.check = function, .items_max = most, __VA_ARGS__                                  \
	}
#define ZERO(meaning) .zero = meaning
#define RESTART .restart = true
#define SECRET .secret = true

/* Sections must stand together, keys outside sections first: config_print() writes them in this
 * order. */
const struct config_key config_keys[] = {
	LIST("listen", listen, "127.0.0.1:8080", config_check_listen, INHERIT_LISTENERS_MAX,
	     RESTART),
	COUNT("workers", workers, "0", 1, 256, ZERO("one per CPU"), RESTART),
	STRING("user", user, "", config_check_user, RESTART),
	STRING("group", group, "", config_check_user, RESTART),
	STRING("state_dir", state_dir, "/var/lib/syncdoc", config_check_state_dir, RESTART),
	STRING("pid_file", pid_file, "", config_check_path_or_none, RESTART),
	STRING("node", node, "", config_check_node, RESTART),
	LIST("hosts", hosts, "", config_check_host, ITEMS_MAX),
	LIST("trusted_proxies", trusted_proxies, "", config_check_proxy, ITEMS_MAX),
	LIST("cors_origins", cors_origins, "", config_check_origin, ITEMS_MAX),
	TIME("worker_timeout", worker_timeout_ms, "10", 1 * SECONDS, 1 * HOURS),
	TIME("drain_timeout", drain_timeout_ms, "30", 1, 1 * HOURS, ZERO("at once")),
	COUNT("drain_rate", drain_rate, "200", 1, 100000),
	FLAG("seccomp", seccomp, "yes"),

	SIZE("ring.size", ring_size, "64MiB", RING_SIZE_MIN, 4 * GIB, RESTART),

	FLAG("fanout.io_uring", fanout_io_uring, "no"),

	STRING("redis.url", redis_url, "embedded", config_check_redis_url, RESTART, SECRET),
	CHOICE("redis.encoding", redis_encoding, "auto", encodings),
	TIME("redis.timeout", redis_timeout_ms, "2", 100, 60 * SECONDS),
	STRING("redis.password_file", redis_password_file, "", config_check_path_or_none, RESTART),
	STRING("redis.sentinel_user", redis_sentinel_user, "", config_check_sentinel_user, RESTART),
	STRING("redis.sentinel_password_file", redis_sentinel_password_file, "",
	       config_check_path_or_none, RESTART),
	FLAG("redis.cluster", redis_cluster, "no"),
	COUNT("redis.wait_replicas", redis_wait_replicas, "0", 1, 16, ZERO("none")),

	SIZE("documents.max_size", documents_max_size, "1MiB", 1 * KIB, 64 * MIB),
	COUNT("documents.max_depth", documents_max_depth, "32", 1, 1000),
	SIZE("documents.cache", documents_cache, "64MiB", 64 * KIB, 64 * GIB, ZERO("no cache")),
	TIME("documents.tombstone_ttl", documents_tombstone_ttl_ms, "604800", 1 * SECONDS,
	     3650 * DAYS),

	COUNT("history.max", history_max, "100", 1, 10000, ZERO("no history")),
	SIZE("history.max_bytes", history_max_bytes, "1MiB", 1 * KIB, 1 * GIB),

	SIZE("ws.max_message", ws_max_message, "0", 1 * KIB, 128 * MIB,
	     ZERO("documents.max_size and 4KiB")),
	COUNT("ws.rate", ws_rate, "200", 1, 100000),
	COUNT("ws.burst", ws_burst, "400", 1, 1000000),
	SIZE("ws.queue", ws_queue, "256KiB", 4 * KIB, 1 * GIB),
	SIZE("ws.queue_total", ws_queue_total, "64MiB", 64 * KIB, 64 * GIB),
	TIME("ws.stall_timeout", ws_stall_timeout_ms, "30", 1 * SECONDS, 1 * HOURS),
	COUNT("ws.max_subscriptions", ws_max_subscriptions, "1000", 1, 100000),
	TIME("ws.ping_interval", ws_ping_interval_ms, "25", 1 * SECONDS, 1 * HOURS),
	FLAG("ws.deflate", ws_deflate, "yes"),

	COUNT("limits.connections", limits_connections, "10000", 1, 1000000, ZERO("no limit")),
	COUNT("limits.per_address", limits_per_address, "1000", 1, 1000000, ZERO("no limit")),
	COUNT("limits.requests_per_address", limits_requests_per_address, "0", 1, 1000000,
	      ZERO("no limit")),
	COUNT("limits.streams", limits_streams, "500", 1, 1000000, ZERO("no limit")),
	TIME("limits.request_timeout", limits_request_timeout_ms, "10", 100, 1 * HOURS,
	     ZERO("no limit")),

	CHOICE("auth.mode", auth_mode, "", auth_modes),
	LIST("auth.key", auth_key, "", config_check_auth_key, AUTH_KEYS_MAX),
	STRING("auth.algorithm", auth_algorithm, "", config_check_auth_algorithm),
	STRING("auth.audience", auth_audience, "", NULL),
	STRING("auth.issuer", auth_issuer, "", NULL),
	STRING("auth.tokens", auth_tokens, "", config_check_path_or_none),

	STRING("tls.cert", tls_cert, "", config_check_path_or_none),
	STRING("tls.key", tls_key, "", config_check_path_or_none),

	STRING("log.target", log_target, "stderr", config_check_log_target),
	CHOICE("log.level", log_level, "info", log_levels),
	CHOICE("log.format", log_format, "text", log_formats),
	FLAG("log.access", log_access, "no"),

	FLAG("admin.enabled", admin_enabled, "yes"),
};

const size_t config_key_count = ARRAY_LEN(config_keys);

const struct config_key *config_key_find(struct span name)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (span_equals(span_string(config_keys[i].name), name))
			return &config_keys[i];
	}
	return NULL;
}

size_t config_key_section_len(const struct config_key *key)
{
	const char *dot = strchr(key->name, '.');
	return dot ? (size_t)(dot - key->name) : 0;
}

bool config_section_exists(struct span name)
{
	for (size_t i = 0; i < config_key_count; i++) {
		size_t len = config_key_section_len(&config_keys[i]);
		if (len > 0 && span_equals(span_of(config_keys[i].name, len), name))
			return true;
	}
	return false;
}

struct config *config_create(void)
{
	struct config *config = calloc(1, sizeof(*config));
	MUST(config != NULL);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		bool empty_list = key->type == CONFIG_TYPE_LIST && key->value[0] == '\0';
		struct buffer reason = {0};
		MUST(config_value_set(config, key, &key->value, empty_list ? 0 : 1, &reason) == 0);
		buffer_fini(&reason);
	}
	return config;
}

void config_destroy(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config_key_count; i++)
		config_value_free(config, &config_keys[i]);
	auth_secrets_destroy(config->auth_secrets);
	tls_files_destroy(config->tls_files);
	free(config);
}

size_t config_needs_restart(const struct config *old, const struct config *new,
			    void (*fn)(const char *key, void *arg), void *arg)
{
	size_t count = 0;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (!key->restart || config_value_equals(old, new, key))
			continue;
		count++;
		if (fn)
			fn(key->name, arg);
	}
	return count;
}
