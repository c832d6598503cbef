/* config_load.c — the order of things: defaults, file, -o, what "choose for me" means, what the
 * values mean together. */
#define _GNU_SOURCE
#include "config_table.h"

#include <sched.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define MESSAGE_OVERHEAD 4096 /* of a WebSocket message around the document in it */

/* The fault of a key's value, with the place that set it. */
static int fail_key(struct config_loader *loader, const struct config_key *key,
		    const struct buffer *reason)
{
	const struct config_origin *origin = config_origin_of(loader, key);

	if (origin->override && key->secret)
		buffer_printf(&loader->error, "-o %s=***: ", key->name);
	else if (origin->override)
		buffer_printf(&loader->error, "-o %s: ", origin->override);
	else if (origin->line)
		buffer_printf(&loader->error, "%s:%u: %s: ", loader->path, origin->line, key->name);
	else
		buffer_printf(&loader->error, "%s: ", key->name);
	buffer_append_span(&loader->error, buffer_span(reason));
	return -EINVAL;
}

int config_loader_set(struct config_loader *loader, const struct config_key *key,
		      const char *const *texts, size_t count)
{
	struct buffer reason = {0};
	int error = config_value_set(loader->config, key, texts, count, &reason);

	if (error < 0)
		fail_key(loader, key, &reason);
	buffer_fini(&reason);
	return error;
}

/* ---- -o ---- */

static int set_list(struct config_loader *loader, const struct config_key *key, const char *value)
{
	char *copy = strdup(value);
	size_t count = 0;
	const char **texts = calloc(strlen(value) + 1, sizeof(*texts));
	int error;

	MUST(copy != NULL && texts != NULL);
	for (char *rest = copy; value[0] && rest;)
		texts[count++] = strsep(&rest, ",");
	error = config_loader_set(loader, key, texts, count);
	free(texts);
	free(copy);
	return error;
}

/* An unknown key's value is not echoed: it may be a mistyped redis.url with a password. */
static int load_override(struct config_loader *loader, const char *text)
{
	const char *equals = strchr(text, '=');
	const struct config_key *key;

	if (!equals) {
		buffer_printf(&loader->error, "-o %s: must be key=value", text);
		return -EINVAL;
	}
	key = config_key_find(span_of(text, (size_t)(equals - text)));
	if (!key) {
		buffer_printf(&loader->error, "-o %.*s: unknown key", (int)(equals - text), text);
		return -EINVAL;
	}
	config_origin_of(loader, key)->override = text;
	if (key->type == CONFIG_TYPE_LIST)
		return set_list(loader, key, equals + 1);
	text = equals + 1;
	return config_loader_set(loader, key, &text, 1);
}

/* ---- what the values mean ---- */

static unsigned cpu_count(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	count = CPU_COUNT(&set);
	return count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static int resolve_node(struct config_loader *loader)
{
	CLEANUP(buffer_fini) struct buffer reason = {0};
	const struct config_key *key = config_key_find(SPAN("node"));
	char name[256] = "";

	if (loader->config->node[0])
		return 0;
	if (gethostname(name, sizeof(name) - 1) == 0 && name[0] &&
	    config_check_node(name, &reason) == 0) {
		const char *text = name;
		return config_loader_set(loader, key, &text, 1);
	}
	reason.len = 0;
	buffer_append_string(&reason, "the host name ");
	config_reason_quote(name, &reason);
	buffer_append_string(&reason, " cannot be the name of the node: set node");
	return fail_key(loader, key, &reason);
}

/* What stands for "choose for me" in the file is never seen outside of it. */
static int resolve(struct config_loader *loader)
{
	struct config *config = loader->config;

	if (config->workers == 0)
		config->workers = cpu_count();
	if (config->ws_max_message == 0)
		config->ws_max_message = config->documents_max_size + MESSAGE_OVERHEAD;
	return resolve_node(loader);
}

static int check_together(struct config_loader *loader)
{
	CLEANUP(buffer_fini) struct buffer reason = {0};
	const char *name, *other;

	if (config_check_together(loader->config, &name, &other, &reason) == 0)
		return 0;
	const struct config_key *key = config_key_find(span_string(name));
	const struct config_origin *origin = config_origin_of(loader, key);
	if (other && !origin->line && !origin->override)
		key = config_key_find(span_string(other));
	return fail_key(loader, key, &reason);
}

static int load(struct config_loader *loader, bool with_file, const char *const *overrides,
		size_t count)
{
	int error = with_file ? config_file_load(loader) : 0;

	for (size_t i = 0; error == 0 && i < count; i++)
		error = load_override(loader, overrides[i]);
	if (error == 0)
		error = resolve(loader);
	return error == 0 ? check_together(loader) : error;
}

/* One line, whatever stands in a path or behind -o. */
static void hand_out_error(const struct buffer *error, char *ret_error, size_t error_len)
{
	snprintf(ret_error, error_len, "%.*s", (int)error->len, error->at);
	for (size_t i = 0; i < error_len && ret_error[i]; i++) {
		if ((unsigned char)ret_error[i] < 0x20 || ret_error[i] == 0x7f)
			ret_error[i] = '?';
	}
}

int config_load(const char *path, const char *const *overrides, size_t override_count,
		struct config **ret_config, char *ret_error, size_t error_len)
{
	struct config_loader loader = {.config = config_create(),
				       .path = path ? path : CONFIG_PATH};
	bool with_file = path || access(CONFIG_PATH, F_OK) == 0 || errno != ENOENT;
	int error;

	loader.origins = calloc(config_key_count, sizeof(*loader.origins));
	MUST(loader.origins != NULL);
	error = load(&loader, with_file, overrides, override_count);
	if (error == 0) {
		*ret_config = loader.config;
	} else {
		hand_out_error(&loader.error, ret_error, error_len);
		config_destroy(loader.config);
	}
	free(loader.origins);
	buffer_fini(&loader.error);
	return error;
}

int config_carry_over(struct config *next, const struct config *running, char *ret_error,
		      size_t error_len)
{
	CLEANUP(buffer_fini) struct buffer reason = {0};
	const char *name, *other;
	int error;

	for (size_t i = 0; i < config_key_count; i++) {
		if (config_keys[i].restart)
			config_value_copy(next, running, &config_keys[i]);
	}
	error = config_check_together(next, &name, &other, &reason);
	if (error < 0)
		snprintf(ret_error, error_len,
			 "%s: %.*s (keys that need a restart keep their value)", name,
			 (int)reason.len, reason.at);
	return error;
}
