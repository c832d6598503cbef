/* config_fixture.h — configuration texts through a file of their own and back, for test_config*.c.
 */
#ifndef SYNCDOC_TEST_CONFIG_FIXTURE_H
#define SYNCDOC_TEST_CONFIG_FIXTURE_H

#include <criterion/criterion.h>
#include <unistd.h>

#include "buffer.h"
#include "config.h"

#define ERROR_MAX_LEN 1024

struct outcome {
	int error;
	struct config *config;    /* NULL after a fault */
	char text[ERROR_MAX_LEN]; /* the fault, the file's path written as FILE */
};

static inline void path_hide(char *text, const char *path)
{
	char *at = strstr(text, path);

	if (!at)
		return;
	memcpy(at, "FILE", 4);
	memmove(at + 4, at + strlen(path), strlen(at + strlen(path)) + 1);
}

/* Loads `len` bytes of a file (NULL: no file at all, if the machine has none at CONFIG_PATH) with
 * overrides. */
static inline struct outcome load_bytes(const char *bytes, size_t len, const char *const *overrides,
					size_t count)
{
	struct outcome outcome = {0};
	char path[] = "/tmp/syncdoc-test-config-XXXXXX";
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	cr_assert(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
	outcome.error = config_load(path, overrides, count, &outcome.config, outcome.text,
				    sizeof(outcome.text));
	unlink(path);
	path_hide(outcome.text, path);
	return outcome;
}

static inline struct outcome load_text(const char *text)
{
	return load_bytes(text, strlen(text), NULL, 0);
}

static inline struct outcome load_override(const char *override)
{
	return load_bytes("", 0, &override, 1);
}

/* What must load; the caller destroys it. */
static inline struct config *must_load(const char *text)
{
	struct outcome outcome = load_text(text);

	cr_assert(outcome.error == 0, "%s", outcome.text);
	return outcome.config;
}

static inline void must_refuse(const char *text, const char *expected)
{
	struct outcome outcome = load_text(text);

	cr_expect(outcome.error == -EINVAL, "taken: %s", text);
	cr_expect_str_eq(outcome.text, expected);
	config_destroy(outcome.config);
}

static inline void must_refuse_override(const char *override, const char *expected)
{
	struct outcome outcome = load_override(override);

	cr_expect(outcome.error == -EINVAL, "taken: -o %s", override);
	cr_expect_str_eq(outcome.text, expected);
	config_destroy(outcome.config);
}

/* NUL-terminated; the caller frees it. */
static inline char *printed(const struct config *config)
{
	struct buffer text = {0};

	config_print(config, &text);
	buffer_append_char(&text, '\0');
	return text.at;
}

#endif
