/* config_print.c — the configuration in force, as a file. */
#include "config_table.h"

/* redis://user:secret@host/0 as redis://user:***@host/0. */
static void url_print(const char *url, struct buffer *ret)
{
	/* A unix path may have an @ of its own. */
	bool has_hosts = span_starts_with(span_string(url), SPAN("redis://")) ||
			 span_starts_with(span_string(url), SPAN("sentinel://"));
	const char *authority = has_hosts ? strstr(url, "://") + 3 : url;
	const char *at = NULL, *colon = NULL;
	struct buffer shown = {0};

	if (has_hosts && (at = strrchr(authority, '@')))
		colon = memchr(authority, ':', (size_t)(at - authority));
	if (colon)
		buffer_printf(&shown, "%.*s***%s", (int)(colon + 1 - url), url, at);
	else
		buffer_append_string(&shown, url);
	buffer_append_char(&shown, '\0');
	config_string_print(shown.at, ret);
	buffer_fini(&shown);
}

static void key_print(const struct config *config, const struct config_key *key, struct buffer *ret)
{
	size_t section_len = config_key_section_len(key);

	buffer_printf(ret, "%s%s = ", section_len ? "\t" : "",
		      key->name + (section_len ? section_len + 1 : 0));
	if (key->secret)
		url_print(config->redis_url, ret);
	else
		config_value_print(config, key, ret);
	buffer_append_char(ret, '\n');
}

void config_print(const struct config *config, struct buffer *ret)
{
	struct span section = SPAN_NONE;

	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		struct span next = span_of(key->name, config_key_section_len(key));
		if (!span_equals(section, next)) {
			if (section.len)
				buffer_append_string(ret, "}\n");
			buffer_printf(ret, "%.*s {\n", SPAN_ARGS(next));
			section = next;
		}
		key_print(config, key, ret);
	}
	if (section.len)
		buffer_append_string(ret, "}\n");
}
