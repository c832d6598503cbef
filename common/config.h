/* config.h — syncdocd.conf through libconfuse, and -o overrides. Read by the supervisor; workers
 * inherit the result. The table in config.c is the one source: file keys, -o names, defaults,
 * limits, what a reload may change. */
#ifndef SYNCDOC_CONFIG_H
#define SYNCDOC_CONFIG_H

#include "log.h"

#define CONFIG_PATH "/etc/syncdoc/syncdocd.conf"

struct auth_secrets;
struct tls_files;

struct config_list {
	char **items; /* owned, each NUL-terminated */
	size_t count;
};

enum config_auth_mode {
	CONFIG_AUTH_UNSET, /* no auth; only loopback and unix listeners */
	CONFIG_AUTH_NONE,  /* no auth, written out: any listener */
	CONFIG_AUTH_JWT,
	CONFIG_AUTH_TOKEN,
};
#define CONFIG_AUTH_IS_ON(config)                                                                  \
	((config)->auth_mode == CONFIG_AUTH_JWT || (config)->auth_mode == CONFIG_AUTH_TOKEN)

enum config_encoding { CONFIG_ENCODING_AUTO, CONFIG_ENCODING_JSON, CONFIG_ENCODING_STRING };

/* All strings owned, never NULL ("" = not set) unless said. Sizes in bytes, times in milliseconds
 * (the file has seconds where etc/syncdocd.conf says so). */
struct config {
	struct config_list listen; /* "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock" */
	unsigned workers;          /* 0 in the file: CPUs; here always >= 1 */
	char *user, *group, *state_dir, *pid_file, *node;
	struct config_list hosts, trusted_proxies;
	int64_t worker_timeout_ms, drain_timeout_ms;
	unsigned drain_rate; /* goaways per second and worker */
	bool seccomp;

	size_t ring_size;

	bool fanout_io_uring;

	char *redis_url; /* "embedded", redis://[user:password@]host[:port][/db],
			    unix:///path[?db=N], sentinel://host[:port],…/name[/db] */
	enum config_encoding redis_encoding;
	int64_t redis_timeout_ms;
	char *redis_password_file;
	char *redis_sentinel_user, *redis_sentinel_password_file;
	bool redis_cluster;
	unsigned redis_wait_replicas;

	size_t documents_max_size;
	unsigned documents_max_depth;
	size_t documents_cache;
	int64_t documents_tombstone_ttl_ms;

	unsigned history_max;
	size_t history_max_bytes;

	size_t ws_max_message; /* 0 in the file: documents.max_size + 4 KiB; here always set */
	unsigned ws_rate, ws_burst;
	size_t ws_queue, ws_queue_total;
	int64_t ws_stall_timeout_ms;
	unsigned ws_max_subscriptions;
	int64_t ws_ping_interval_ms;
	bool ws_deflate;

	unsigned limits_connections, limits_per_address, limits_requests_per_address,
		limits_streams; /* 0: none */
	int64_t limits_request_timeout_ms;

	enum config_auth_mode auth_mode;
	struct config_list auth_key;
	char *auth_algorithm, *auth_audience, *auth_issuer, *auth_tokens;
	/* owned; no key of the file: what the files named by auth.key and auth.tokens held when the
	 * supervisor read them (auth_secrets.h). NULL: not read. */
	struct auth_secrets *auth_secrets;
	struct config_list cors_origins;
	char *tls_cert, *tls_key;
	struct tls_files *tls_files; /* as auth_secrets */

	char *log_target;
	enum log_level log_level;
	enum log_format log_format;
	bool log_access;
	bool admin_enabled;
};

/* Reads `path` (NULL: CONFIG_PATH if it exists, else defaults), then applies `overrides`
 * ("redis.url=embedded"; lists separated by commas), then checks values and what they mean
 * together. On any fault: -EINVAL and one line in `ret_error` (owned buffer of the caller,
 * NUL-terminated): file, line and key, or the -o text: `/etc/syncdoc/syncdocd.conf:12: ws.rate:
 * must be 1 to 100000`. -ENOENT: `path` was given and cannot be read. On success *ret_config is the
 * caller's, see config_destroy(). */
int config_load(const char *path, const char *const *overrides, size_t override_count,
		struct config **ret_config, char *ret_error, size_t error_len);
void config_destroy(struct config *config); /* NULL is fine */

/* Appends the effective configuration as a file that config_load() reads back to the same;
 * passwords in URLs become `***`. */
struct buffer;
void config_print(const struct config *config, struct buffer *ret);

/* Calls `fn` with the name of each key that differs and needs a restart (workers, listen,
 * ring.size…). Returns how many. */
size_t config_needs_restart(const struct config *old, const struct config *new,
			    void (*fn)(const char *key, void *arg), void *arg);
/* On a reload, after config_needs_restart(): sets those keys of `next` to what `running` has, so
 * that new workers get what is really in force. -EINVAL and one line in `ret_error`: they do not go
 * together with the rest of `next` (ring.size and documents.max_size, listen and auth.mode); then
 * `next` must not be used. */
int config_carry_over(struct config *next, const struct config *running, char *ret_error,
		      size_t error_len);

/* The places to listen on, parsed. */
struct sockaddr_storage;
/* "address:port", "[v6]:port" or "unix:/path" into an address; no name lookup. -EINVAL. */
int config_listen_parse(const char *text, struct sockaddr_storage *ret, unsigned *ret_len);

#endif
