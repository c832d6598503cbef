/* config_file.c — a file into values: config_scan() says which keys stand where, libconfuse what
 * their values are. */
#include "config_table.h"

#include <confuse.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)

static int fail_line(struct config_loader *loader, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_line(struct config_loader *loader, unsigned line, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buffer_printf(&loader->error, "%s:%u: %s", loader->path, line, text);
	return -EINVAL;
}

/* ---- what the scanner reports ---- */

static int scanned_section(struct config_loader *loader, struct span name, unsigned line)
{
	size_t first = 0;

	if (!config_section_exists(name))
		return fail_line(loader, line, "%.*s: unknown section", SPAN_ARGS(name));
	while (!span_equals(
		span_of(config_keys[first].name, config_key_section_len(&config_keys[first])),
		name))
		first++;
	if (loader->origins[first].section_line)
		return fail_line(loader, line, "%.*s: this section stands already at line %u",
				 SPAN_ARGS(name), loader->origins[first].section_line);
	loader->origins[first].section_line = line;
	return 0;
}

static int unknown_key(struct config_loader *loader, struct span section, struct span name,
		       struct span dotted, unsigned line)
{
	const char *dot = memchr(name.at, '.', name.len);

	if (section.len == 0 && config_section_exists(name))
		return fail_line(loader, line, "%.*s: is a section, write %.*s { ... }",
				 SPAN_ARGS(name), SPAN_ARGS(name));
	if (section.len == 0 && dot && config_key_find(name))
		return fail_line(loader, line, "%.*s: in a file it is written %.*s { %.*s = ... }",
				 SPAN_ARGS(name), (int)(dot - name.at), name.at,
				 (int)(name.at + name.len - dot - 1), dot + 1);
	return fail_line(loader, line, "%.*s: unknown key", SPAN_ARGS(dotted));
}

static int scanned_key(struct config_loader *loader, struct span section, struct span name,
		       struct span dotted, unsigned line)
{
	const struct config_key *key = config_key_find(dotted);

	/* With section "" the dotted name is the name itself, and must not reach into a section. */
	if (!key || (section.len == 0 && config_key_section_len(key)))
		return unknown_key(loader, section, name, dotted, line);
	if (config_origin_of(loader, key)->line)
		return fail_line(loader, line, "%s: is set already at line %u", key->name,
				 config_origin_of(loader, key)->line);
	config_origin_of(loader, key)->line = line;
	return 0;
}

static int scanned(enum config_scan_kind kind, struct span section, struct span name, unsigned line,
		   void *arg)
{
	struct config_loader *loader = arg;
	struct buffer dotted = {0};
	int error;

	if (section.len)
		buffer_printf(&dotted, "%.*s.", SPAN_ARGS(section));
	buffer_append_span(&dotted, name);
	if (kind == CONFIG_SCAN_SECTION)
		error = scanned_section(loader, buffer_span(&dotted), line);
	else
		error = scanned_key(loader, section, name, buffer_span(&dotted), line);
	buffer_fini(&dotted);
	return error;
}

/* ---- what libconfuse reports ---- */

/* libconfuse passes nothing of ours to its error function. Set only while it parses; there is one
 * thread. */
static struct config_loader *parsing;

static void parse_error(cfg_t *cfg, const char *format, va_list arguments)
{
	char text[256];
	const char *name = "", *colon = "";

	if (!parsing || parsing->error.len)
		return;
	for (size_t i = 0; i < config_key_count; i++) {
		if (cfg->line > 0 && parsing->origins[i].line == (unsigned)cfg->line) {
			name = config_keys[i].name;
			colon = ": ";
		}
	}
	vsnprintf(text, sizeof(text), format, arguments);
	fail_line(parsing, (unsigned)cfg->line, "%s%s%s", name, colon, text);
}

/* Every value is text to libconfuse: its own numbers take octal, signs and stale errno. */
static cfg_opt_t option_of(const struct config_key *key, const char *name)
{
	cfg_opt_t text = CFG_STR(name, NULL, CFGF_NODEFAULT);
	cfg_opt_t list = CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);

	return key->type == CONFIG_TYPE_LIST ? list : text;
}

/* cfg_init() copies the options, so they are ours to free. */
static cfg_t *parser_create(void)
{
	cfg_opt_t *top = calloc(config_key_count + 1, sizeof(*top));
	cfg_opt_t *inner = calloc(2 * config_key_count + 1, sizeof(*inner));
	size_t top_count = 0, inner_count = 0;
	struct span section = SPAN_NONE;

	MUST(top != NULL && inner != NULL);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		struct span next = span_of(key->name, config_key_section_len(key));
		if (next.len == 0) {
			top[top_count++] = option_of(key, key->name);
			continue;
		}
		if (!span_equals(section, next)) {
			inner_count++; /* an option of zeros ends the section before */
			char *name = strndup(next.at, next.len);
			MUST(name != NULL);
			cfg_opt_t option = CFG_SEC(name, &inner[inner_count], CFGF_NONE);
			top[top_count++] = option;
			section = next;
		}
		inner[inner_count++] = option_of(key, key->name + next.len + 1);
	}
	cfg_t *cfg = cfg_init(top, CFGF_NONE);
	MUST(cfg != NULL);
	for (size_t i = 0; i < top_count; i++) {
		if (top[i].type == CFGT_SEC)
			free((char *)top[i].name);
	}
	free(top);
	free(inner);
	cfg_set_error_function(cfg, parse_error);
	return cfg;
}

static int take_key(struct config_loader *loader, cfg_t *cfg, const struct config_key *key)
{
	char path[64];
	const char **texts;
	int error;

	snprintf(path, sizeof(path), "%s", key->name);
	if (strchr(path, '.'))
		*strchr(path, '.') = '|';
	cfg_opt_t *option = cfg_getopt(cfg, path);
	MUST(option != NULL);
	size_t count = cfg_opt_size(option);
	if (count != 1 && key->type != CONFIG_TYPE_LIST)
		return fail_line(loader, config_origin_of(loader, key)->line, "%s: takes one value",
				 key->name);
	texts = calloc(count + 1, sizeof(*texts));
	MUST(texts != NULL);
	for (size_t i = 0; i < count; i++)
		texts[i] = cfg_opt_getnstr(option, (unsigned)i);
	error = config_loader_set(loader, key, texts, count);
	free(texts);
	return error;
}

static int parse_text(struct config_loader *loader, const char *text)
{
	cfg_t *cfg = parser_create();
	int error = 0;

	parsing = loader;
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS) {
		if (loader->error.len == 0)
			buffer_printf(&loader->error, "%s: cannot be parsed", loader->path);
		error = -EINVAL;
	}
	parsing = NULL;
	for (size_t i = 0; error == 0 && i < config_key_count; i++) {
		if (loader->origins[i].line)
			error = take_key(loader, cfg, &config_keys[i]);
	}
	cfg_free(cfg);
	return error;
}

static int read_file(struct config_loader *loader, struct buffer *ret)
{
	int fd = open(loader->path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd >= 0) {
		do {
			got = read(fd, buffer_reserve(ret, 65536), 65536);
			ret->len += got > 0 ? (size_t)got : 0;
		} while ((got > 0 && ret->len <= FILE_MAX) || (got < 0 && errno == EINTR));
	}
	if (got < 0)
		buffer_printf(&loader->error, "%s: cannot be read: %s", loader->path,
			      strerror(errno));
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return -ENOENT;
	if (ret->len > FILE_MAX) {
		buffer_printf(&loader->error, "%s: is larger than 1 MiB, that is no configuration",
			      loader->path);
		return -EINVAL;
	}
	return 0;
}

int config_file_load(struct config_loader *loader)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	const char *reason = NULL;
	unsigned line;
	int error = read_file(loader, &text);

	if (error < 0)
		return error;
	error = config_scan(text.at, text.len, scanned, loader, &line, &reason);
	if (reason)
		return fail_line(loader, line, "%s", reason);
	if (error < 0)
		return error;
	buffer_append_char(&text, '\0');
	return parse_text(loader, text.at);
}
