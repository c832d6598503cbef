/* log_fixture.h — a log file of its own for each test, and what stands in it, for test_log*.c. */
#ifndef SYNCDOC_TEST_LOG_FIXTURE_H
#define SYNCDOC_TEST_LOG_FIXTURE_H

#include "buffer.h"
#include "log.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

static char directory[] = "/tmp/syncdoc-log-XXXXXX";
static char path[64], renamed[64];
static struct buffer content;

static inline void init(void)
{
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/log", directory);
	snprintf(renamed, sizeof(renamed), "%s/log.1", directory);
}

static inline void fini(void)
{
	log_open("stderr", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	unlink(path);
	unlink(renamed);
	rmdir(directory);
	buffer_fini(&content);
}

static inline void open_as(enum log_format format)
{
	cr_assert_eq(log_open(path, LOG_LEVEL_INFO, format), 0);
	log_set_process("worker 3");
}

/* What the file holds, NUL-terminated. */
static inline const char *read_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s", name);
	content.len = 0;
	ssize_t got;
	while ((got = read(fd, buffer_reserve(&content, 65536), 65536)) > 0)
		content.len += (size_t)got;
	close(fd);
	buffer_append_char(&content, '\0');
	return content.at;
}

/* The message of the only line in the file: what stands behind `info: `, without the newline. */
static inline const char *read_message(void)
{
	char *text = (char *)read_file(path);
	size_t len = strlen(text);
	cr_assert(len > 0 && strchr(text, '\n') == text + len - 1, "one line, not: %s", text);
	text[len - 1] = '\0';
	char *at = strstr(text, "info: ");
	cr_assert(at, "%s", text);
	return at + strlen("info: ");
}

static inline void expect_match(const char *text, const char *pattern)
{
	regex_t regex;
	cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	cr_assert_eq(regexec(&regex, text, 0, NULL, 0), 0, "%s", text);
	regfree(&regex);
}

/* Writes a message of `count` times `unit` behind `lead`; returns the whole line's length. */
static inline size_t write_long(const char *lead, const char *unit, size_t count)
{
	CLEANUP(buffer_fini) struct buffer message = {0};
	buffer_append_string(&message, lead);
	for (size_t i = 0; i < count; i++)
		buffer_append_string(&message, unit);
	buffer_append_char(&message, '\0');
	log_info("%s", message.at);
	return strlen(read_file(path));
}

#endif
