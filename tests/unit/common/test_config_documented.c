/* test_config_documented.c — etc/syncdocd.conf against the table: every key stands in its section,
 * and what the text above it says of a reload is so. */
#include "config_table.h"
#include <criterion/criterion.h>
#include <ctype.h>

TestSuite(config_documented, .timeout = 100);

static struct buffer file;

static void read_shipped(void)
{
	FILE *from = fopen(SYNCDOC_SOURCE_DIR "/etc/syncdocd.conf", "re");
	size_t got;
	cr_assert(from != NULL);
	while ((got = fread(buffer_reserve(&file, 4096), 1, 4096, from)) > 0)
		file.len += got;
	fclose(from);
	buffer_append_char(&file, '\0');
}

static void forget(void)
{
	buffer_fini(&file);
}

struct place {
	char section[40];
	struct buffer text; /* the comment above */
	bool after_key;     /* the next comment is of other keys */
};

/* `name = value` or `#name = value`. */
static bool is_setting(const char *line, struct span *ret_name)
{
	line += *line == '#';
	size_t len = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
	*ret_name = span_of(line, len);
	return len && strncmp(line + len, " = ", 3) == 0;
}

static void check_key(const struct config_key *key, const char *text)
{
	const char *reload = strstr(text, "Reload: ");
	if (strstr(text, "Not in this version"))
		return;
	cr_expect(reload, "%s: nothing is said of a reload: %s", key->name, text);
	if (reload)
		cr_expect_eq(strncmp(reload + 8, "no", 2) == 0, key->restart, "%s: %s", key->name,
			     text);
}

static void take_line(struct place *place, const char *line, bool *seen)
{
	struct span name;
	char full[80];
	line += strspn(line, " \t");
	if (is_setting(line, &name)) {
		snprintf(full, sizeof(full), "%s%s%.*s", place->section, *place->section ? "." : "",
			 SPAN_ARGS(name));
		const struct config_key *key = config_key_find(span_string(full));
		cr_assert(key, "%s is no key", full);
		cr_expect_not(seen[key - config_keys], "%s stands twice", full);
		seen[key - config_keys] = true;
		buffer_append_char(&place->text, '\0');
		check_key(key, place->text.at);
		place->text.len--;
		place->after_key = true;
	} else if (!*line) {
		place->text.len = 0;
	} else if (*line == '#') {
		if (place->after_key)
			place->text.len = 0;
		place->after_key = false;
		buffer_append_string(&place->text, line + 1);
	} else if (*line == '}') {
		*place->section = '\0';
	} else if (isalpha((unsigned char)*line)) {
		cr_assert_eq(sscanf(line, "%39[a-z] {", place->section), 1, "%s", line);
	}
}

Test(config_documented, every_key_stands_in_the_shipped_file_with_what_a_reload_does,
     .init = read_shipped, .fini = forget)
{
	struct place place = {{0}, {0}, false};
	bool *seen = calloc(config_key_count, sizeof(*seen));
	cr_assert(seen);
	char *rest = file.at, *line;
	while ((line = strsep(&rest, "\n")))
		take_line(&place, line, seen);
	for (size_t i = 0; i < config_key_count; i++)
		cr_expect(seen[i], "%s is missing in etc/syncdocd.conf", config_keys[i].name);
	free(seen);
	buffer_fini(&place.text);
}
