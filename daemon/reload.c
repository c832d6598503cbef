/* reload.c — see reload.h. */
#include "reload.h"

static void log_restart_key(const char *key, void *arg)
{
	(void)arg;
	log_warning("reload: %s has changed; it is applied at the next restart", key);
}

static void keep_string(char **value, const char *old)
{
	free(*value);
	*value = strdup(old);
	MUST(*value);
}

static void keep_list(struct config_list *value, const struct config_list *old)
{
	for (size_t i = 0; i < value->count; i++)
		free(value->items[i]);
	free(value->items);
	value->count = old->count;
	value->items = calloc(old->count ? old->count : 1, sizeof(value->items[0]));
	MUST(value->items);
	for (size_t i = 0; i < old->count; i++) {
		value->items[i] = strdup(old->items[i]);
		MUST(value->items[i]);
	}
}

/* All that the table in config.c marks as needing a restart; MUST below tells when the two differ.
 */
static void keep_restart_values(struct config *config, const struct config *old)
{
	keep_list(&config->listen, &old->listen);
	config->workers = old->workers;
	keep_string(&config->user, old->user);
	keep_string(&config->group, old->group);
	keep_string(&config->state_dir, old->state_dir);
	keep_string(&config->pid_file, old->pid_file);
	keep_string(&config->node, old->node);
	config->ring_size = old->ring_size;
	keep_string(&config->redis_url, old->redis_url);
	keep_string(&config->redis_password_file, old->redis_password_file);
	MUST(config_needs_restart(old, config, NULL, NULL) == 0);
}

struct config *reload_config(const struct config *old, const char *path,
			     const char *const *overrides, size_t override_count, char *ret_error,
			     size_t error_len)
{
	struct config *config;
	if (config_load(path, overrides, override_count, &config, ret_error, error_len)) {
		log_error("reload: %s; the old configuration stays", ret_error);
		return NULL;
	}
	config_needs_restart(old, config, log_restart_key, NULL);
	keep_restart_values(config, old);
	return config;
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
