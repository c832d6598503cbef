#define _GNU_SOURCE
#include "log_fixture.h"

#include <stdarg.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(log, .init = init, .fini = fini, .timeout = 100);

Test(log, text_line_has_time_process_pid_level_and_message)
{
	char pattern[200];
	open_as(LOG_FORMAT_TEXT);
	log_warning("relay: redis %s lost", "unix:/run/x");
	snprintf(pattern, sizeof(pattern),
		 "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z "
		 "worker 3\\[%d\\] warning: relay: redis unix:/run/x lost\n$",
		 (int)getpid());
	expect_match(read_file(path), pattern);
}

Test(log, json_line_has_the_same_as_members)
{
	char pattern[200];
	open_as(LOG_FORMAT_JSON);
	log_error("no \"room\"\n");
	snprintf(pattern, sizeof(pattern),
		 "^\\{\"time\":\"[^\"]{23}Z\",\"level\":\"error\",\"process\":\"worker "
		 "3\",\"pid\":%d,"
		 "\"message\":\"no \\\\\"room\\\\\"\\\\n\"\\}\n$",
		 (int)getpid());
	expect_match(read_file(path), pattern);
}

Test(log, lines_that_a_full_disk_does_not_take_are_counted)
{
	open_as(LOG_FORMAT_TEXT);
	log_info("written");
	cr_assert_eq(log_lines_lost(), 0);
	cr_assert_eq(log_open("/dev/full", LOG_LEVEL_INFO, LOG_FORMAT_TEXT), 0);
	log_info("lost");
	log_debug("not written anyway");
	cr_assert_eq(log_lines_lost(), 1);
	log_set_process("worker 4");
	cr_assert_eq(log_lines_lost(), 0, "those were another process's");
}

/* In a process of its own, which ends by it. A daemon's stderr is nowhere. */
Test(log, the_last_words_of_a_process_are_in_its_log_too)
{
	int status;
	open_as(LOG_FORMAT_TEXT);
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		MUST(pid > 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	expect_match(read_file(path), "error: [^ ]*test_log\\.c:[0-9]+: must hold: pid > 1\n$");
}

/* ---- the access log ---- */

Test(log, access_line_is_written_whatever_the_level_is)
{
	const struct log_member none[1] = {{"a", SPAN("b"), false}};
	open_as(LOG_FORMAT_TEXT);
	log_set_level(LOG_LEVEL_ERROR);
	log_access(none, 1, "access: %s", "GET");
	cr_assert_str_eq(read_message(), "access: GET");
}

Test(log, access_line_has_its_members_in_json)
{
	const struct log_member members[] = {
		{"path", SPAN("/\xff\"\n\x01"), false},
		{"status", SPAN("200"), true},
	};
	open_as(LOG_FORMAT_JSON);
	log_access(members, ARRAY_LEN(members), "access: %s", "not in json");
	cr_assert(strstr(read_file(path), "\"path\":\"/\xef\xbf\xbd\\\"\\n\\u0001\",\"status\":200,"
					  "\"message\":\"access\"}\n"),
		  "%s", read_file(path));
}

Test(log, access_line_of_long_members_is_still_one_json_object)
{
	char long_path[1024];
	memset(long_path, 1, sizeof(long_path));
	struct log_member members[] = {
		{"path", span_of(long_path, sizeof(long_path)), false},
		{"status", SPAN("200"), true},
		{"requestId",
		 SPAN("0123456789012345678901234567890123456789012345678901234567890123"), false},
	};
	open_as(LOG_FORMAT_JSON);
	log_access(members, ARRAY_LEN(members), "x");
	const char *text = read_file(path);
	cr_assert_leq(strlen(text), 4096);
	cr_assert(strstr(text, "...\",\"status\":200,\"requestId\":\"0123"), "%s", text);
	cr_assert(strstr(text, "\"message\":\"access\"}\n"));
}

/* ---- syslog ---- */

static struct {
	int count, priority;
	char line[256];
} sent;

/* What follows stands in for the C library's, which knows one socket only: /dev/log. Not from
 * <syslog.h>, which may bring bodies of its own. */
static void take_line(int priority, const char *format, va_list args)
{
	sent.count++;
	sent.priority = priority;
	vsnprintf(sent.line, sizeof(sent.line), format, args);
}

void syslog(int priority, const char *format, ...);
void syslog(int priority, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	take_line(priority, format, args);
	va_end(args);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;
	(void)flag;
	va_start(args, format);
	take_line(priority, format, args);
	va_end(args);
}

Test(log, syslog_gets_each_level_as_its_priority)
{
	static const int priorities[] = {3, 4, 5, 6, 7};
	cr_assert_eq(log_open("syslog", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT), 0);
	log_set_process("worker 3");
	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		log_write((enum log_level)i, "100%% of %s\n", "it");
		cr_assert_eq(sent.count, (int)i + 1);
		cr_assert_eq(sent.priority, priorities[i]);
		cr_assert_str_eq(sent.line, "worker 3: 100% of it\\n");
	}
}

Test(log, syslog_may_get_json_too)
{
	cr_assert_eq(log_open("syslog", LOG_LEVEL_INFO, LOG_FORMAT_JSON), 0);
	log_info("x");
	cr_assert_eq(sent.count, 1);
	expect_match(sent.line, "^\\{\"time\":.*\"message\":\"x\"\\}$");
}

Test(log, lines_below_the_level_are_not_written)
{
	open_as(LOG_FORMAT_TEXT);
	log_debug("no");
	cr_assert_str_eq(read_file(path), "");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("no");
	cr_assert_str_eq(read_file(path), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	expect_match(read_file(path), "debug: yes\n$");
}

Test(log, a_level_that_is_followed_is_in_force_at_once_whatever_was_set)
{
	static _Atomic uint32_t word = LOG_LEVEL_ERROR;
	open_as(LOG_FORMAT_TEXT);
	log_follow_level(&word);
	log_set_level(LOG_LEVEL_DEBUG);
	log_warning("no");
	cr_assert_str_eq(read_file(path), "");
	word = LOG_LEVEL_DEBUG;
	log_debug("yes");
	expect_match(read_file(path), "debug: yes\n$");
	/* Nonsense in shared memory is no reason to say nothing, or to read beside the table. */
	word = 77;
	cr_assert_eq(log_level_in_force(), LOG_LEVEL_DEBUG);
	cr_assert_str_eq(log_level_name(log_level_in_force()), "debug");
}

Test(log, message_cannot_forge_a_line)
{
	open_as(LOG_FORMAT_TEXT);
	log_info("name %s", "x\n2026-11-23T02:39:22.123Z supervisor[1] error: forged\r\tend");
	cr_assert_str_eq(read_message(),
			 "name x\\n2026-11-23T02:39:22.123Z supervisor[1] error: forged\\r\\tend");
}

Test(log, message_cannot_steer_a_terminal)
{
	open_as(LOG_FORMAT_TEXT);
	log_info("%s", "a\x1b[31mb\x7f"
		       "c\xc2\x9b"
		       "d\x01");
	cr_assert_str_eq(read_message(), "a\\x1b[31mb\\x7fc\\xc2\\x9bd\\x01");
}

Test(log, utf8_is_left_as_it_is)
{
	open_as(LOG_FORMAT_TEXT);
	log_info("%s", "Größe \xc2\xa0 € \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
	cr_assert_str_eq(read_message(), "Größe \xc2\xa0 € \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
}

Test(log, bytes_that_are_no_utf8_are_shown_as_numbers)
{
	open_as(LOG_FORMAT_TEXT);
	log_info("%s", "\xff|\xc0\x80|\xe0\x80\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82");
	cr_assert_str_eq(
		read_message(),
		"\\xff|\\xc0\\x80|\\xe0\\x80\\x80|\\xed\\xa0\\x80|\\xf4\\x90\\x80\\x80|\\xe2\\x82");
}

Test(log, bytes_that_are_no_utf8_become_replacement_characters_in_json)
{
	open_as(LOG_FORMAT_JSON);
	log_info("%s", "a\xff"
		       "b\xe2\x82");
	expect_match(read_file(path), "\"message\":\"a\xef\xbf\xbd"
				      "b\xef\xbf\xbd\xef\xbf\xbd\"\\}\n$");
}

Test(log, line_is_cut_at_4_kib_and_says_so)
{
	open_as(LOG_FORMAT_TEXT);
	cr_assert_eq(write_long("", "x", 20000), 4096);
	expect_match(content.at, "xxx\\.\\.\\.\n$");
}

Test(log, line_that_just_fits_is_not_cut)
{
	open_as(LOG_FORMAT_TEXT);
	size_t head = write_long("", "", 0) - 1;
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(write_long("", "x", 4095 - head), 4096);
	expect_match(content.at, "xxx\n$");
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(write_long("", "x", 4096 - head), 4096);
	expect_match(content.at, "xxx\\.\\.\\.\n$");
}

Test(log, cut_does_not_split_a_character)
{
	const char *leads[] = {"", "a", "ab", "abc"};
	open_as(LOG_FORMAT_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(leads); i++) {
		cr_assert_eq(truncate(path, 0), 0);
		cr_assert_leq(write_long(leads[i], "\xf0\x9f\x98\x80", 4000), 4096);
		expect_match(content.at, "\xf0\x9f\x98\x80\\.\\.\\.\n$");
		cr_assert_null(strstr(content.at, "\\x"));
	}
}

Test(log, cut_json_line_is_still_json)
{
	const char *units[] = {"x", "\"", "\\", "\x01", "\n", "\xff", "\xe2\x82\xac"};
	open_as(LOG_FORMAT_JSON);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		cr_assert_eq(truncate(path, 0), 0);
		size_t len = write_long("", units[i], 4090);
		cr_assert(len <= 4096 && len > 1300, "unit %zu: %zu", i, len);
		expect_match(content.at, "^\\{\"time\".*\\.\\.\\.\"\\}\n$");
		/* Quotes are paired and every backslash begins an escape, so the text ends where
		 * the object does. */
		expect_match(content.at,
			     "\"message\":\"([^\"\\]|\\\\[\"\\n]|\\\\u00[0-9a-f]{2})*\"\\}\n$");
	}
}

Test(log, unknown_target_is_refused_and_the_old_one_stays)
{
	open_as(LOG_FORMAT_TEXT);
	cr_assert_eq(log_open("relative/path", LOG_LEVEL_ERROR, LOG_FORMAT_JSON), -EINVAL);
	cr_assert_eq(log_open("", LOG_LEVEL_ERROR, LOG_FORMAT_JSON), -EINVAL);
	cr_assert_eq(log_open("/nonexistent/directory/log", LOG_LEVEL_ERROR, LOG_FORMAT_JSON),
		     -ENOENT);
	log_info("still here");
	cr_assert_str_eq(read_message(), "still here");
}

Test(log, file_is_appended_to_and_not_for_everybody)
{
	struct stat status;
	umask(022);
	open_as(LOG_FORMAT_TEXT);
	log_info("one");
	open_as(LOG_FORMAT_TEXT);
	log_info("two");
	expect_match(read_file(path), "one\n.*two\n$");
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0640);
}

Test(log, reopen_after_a_rename_writes_to_a_new_file)
{
	open_as(LOG_FORMAT_TEXT);
	int before = log_fd();
	log_info("old");
	cr_assert_eq(rename(path, renamed), 0);
	log_info("still old");
	cr_assert_eq(log_reopen(), 0);
	log_info("new");
	cr_assert_str_eq(read_message(), "new");
	expect_match(read_file(renamed), "old\n.*still old\n$");
	cr_assert_eq(log_fd(), before, "children keep that number");
	cr_assert(fcntl(log_fd(), F_GETFD) & FD_CLOEXEC);
}

Test(log, reopen_that_fails_keeps_the_old_file)
{
	open_as(LOG_FORMAT_TEXT);
	cr_assert_eq(rename(path, renamed), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(log_reopen(), -EISDIR);
	log_info("still old");
	expect_match(read_file(renamed), "still old\n$");
	rmdir(path);
}

Test(log, stderr_and_syslog_have_no_descriptor_to_keep)
{
	open_as(LOG_FORMAT_TEXT);
	cr_assert_geq(log_fd(), 3);
	cr_assert_eq(log_open("stderr", LOG_LEVEL_INFO, LOG_FORMAT_TEXT), 0);
	cr_assert_eq(log_fd(), -1);
	cr_assert_eq(log_reopen(), 0);
	cr_assert_eq(log_open("syslog", LOG_LEVEL_INFO, LOG_FORMAT_TEXT), 0);
	cr_assert_eq(log_fd(), -1);
	cr_assert_eq(log_reopen(), 0);
}

Test(log, stderr_target_writes_to_descriptor_2)
{
	int saved = dup(STDERR_FILENO);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	cr_assert_eq(log_open("stderr", LOG_LEVEL_INFO, LOG_FORMAT_TEXT), 0);
	dup2(fd, STDERR_FILENO);
	log_info("to stderr");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	cr_assert_str_eq(read_message(), "to stderr");
}

Test(log, levels_are_known_by_name)
{
	static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		enum log_level level = LOG_LEVEL_ERROR;
		cr_assert_eq(log_level_parse(names[i], &level), 0);
		cr_assert_eq(level, i);
	}
	enum log_level level = LOG_LEVEL_NOTICE;
	cr_assert_eq(log_level_parse("Error", &level), -EINVAL);
	cr_assert_eq(log_level_parse("", &level), -EINVAL);
	cr_assert_eq(level, LOG_LEVEL_NOTICE);
}

Test(log, errno_is_kept_and_can_be_shown)
{
	open_as(LOG_FORMAT_TEXT);
	errno = ENOENT;
	log_info("open: %m");
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(read_message(), "open: No such file or directory");
}

Test(log, long_process_name_is_cut)
{
	open_as(LOG_FORMAT_TEXT);
	log_set_process("a name far longer than any that we would ever give to a process");
	log_info("x");
	expect_match(read_file(path), "Z a name far longer than any that\\[");
}
