/* reload.c — see reload.h. */
#include "reload.h"

#include "auth_secrets.h"
#include "tls_files.h"

#include <time.h>

#define CERTIFICATE_WARN_DAYS 14

static void tell_restart_key(const char *key, void *arg)
{
	struct buffer *keys = arg;
	if (keys->len > 1)
		buffer_append_char(keys, ',');
	buffer_append_json(keys, span_string(key));
	log_warning("reload: %s has changed; it is applied at the next restart", key);
}

struct config *reload_config(const struct config *old, const char *path,
			     const char *const *overrides, size_t override_count,
			     struct buffer *ret_restart, char *ret_error, size_t error_len)
{
	CLEANUP(buffer_fini) struct buffer keys = {0};
	struct config *config;
	if (config_load(path, overrides, override_count, &config, ret_error, error_len)) {
		log_error("reload: %s; the old configuration stays", ret_error);
		return NULL;
	}
	buffer_append_char(&keys, '[');
	config_needs_restart(old, config, tell_restart_key, &keys);
	buffer_append_char(&keys, ']');
	/* What stays in force may not go with what is new: no auth.mode, and a public listener. */
	if (config_carry_over(config, old, ret_error, error_len) ||
	    auth_secrets_load(config, &config->auth_secrets, ret_error, error_len) ||
	    tls_files_load(config, &config->tls_files, ret_error, error_len)) {
		log_error("reload: %s; the old configuration stays, keys and tokens too",
			  ret_error);
		config_destroy(config);
		return NULL;
	}
	ret_restart->len = 0;
	buffer_append_span(ret_restart, buffer_span(&keys));
	tls_files_carry_over(config->tls_files, old->tls_files);
	reload_tell_certificate(config);
	return config;
}

void reload_tell_certificate(const struct config *config)
{
	const int64_t day_ms = INT64_C(86400) * 1000;
	if (!config->tls_files)
		return;
	int64_t left_ms = config->tls_files->ends_at_ms - (int64_t)time(NULL) * 1000;
	if (left_ms <= 0)
		log_error("tls.cert: %s has expired; clients will refuse it", config->tls_cert);
	else if (left_ms < CERTIFICATE_WARN_DAYS * day_ms)
		log_warning("tls.cert: %s expires in %lld days", config->tls_cert,
			    (long long)(left_ms / day_ms));
}

const char *reload_log_target(const struct config *config, bool has_stderr)
{
	return !has_stderr && strcmp(config->log_target, "stderr") == 0 ? "syslog"
									: config->log_target;
}

void reload_log(const struct config *old, const struct config *new, bool has_stderr)
{
	const char *target = reload_log_target(new, has_stderr);
	if (strcmp(reload_log_target(old, has_stderr), target) == 0 &&
	    old->log_format == new->log_format) {
		log_set_level(new->log_level);
		return;
	}
	int error = log_open(target, new->log_level, new->log_format);
	if (error)
		log_error("reload: log.target %s: %s; the old one stays", target, strerror(-error));
}
