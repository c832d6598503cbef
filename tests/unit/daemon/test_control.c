/* The control socket: who may, and lines in and out, over real sockets in this process. */
#define _GNU_SOURCE
#include "control.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(control, .timeout = 100);

static struct ev_loop *loop;
static struct control *control;
static char directory[] = "/tmp/syncdoc-control-XXXXXX";
static char error_text[256];

/* Answers with the line; with 100,000 of it where it begins with L. */
static void echo(struct span line, struct buffer *ret, void *arg)
{
	(void)arg;
	buffer_append_char(ret, '<');
	for (size_t i = 0; i < (line.len && line.at[0] == 'L' ? 100000u : 1u); i++)
		buffer_append_span(ret, line);
	buffer_append_char(ret, '>');
}

static int open_control(void)
{
	return control_open(loop, directory, echo, NULL, &control, error_text, sizeof(error_text));
}

static void begin(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(open_control(), 0, "%s", error_text);
}

static void end(void)
{
	control_close(control);
	ev_loop_destroy(loop);
	cr_assert_eq(rmdir(directory), 0, "something was left");
}

static int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CONTROL_SOCKET, directory);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turns the loop until `len` bytes have come, or the end. */
static void hear(int fd, size_t len, struct buffer *ret)
{
	while (ret->len < len) {
		ev_run(loop, EVRUN_NOWAIT);
		char *to = buffer_reserve(ret, 65536);
		ssize_t got = recv(fd, to, 65536, 0);
		if (got == 0)
			return;
		if (got > 0)
			ret->len += (size_t)got;
	}
}

static void assert_hears(int fd, const char *expected)
{
	struct buffer text = {0};
	hear(fd, strlen(expected), &text);
	cr_assert(span_equals(buffer_span(&text), span_string(expected)), "%.*s",
		  SPAN_ARGS(buffer_span(&text)));
	buffer_fini(&text);
}

static void assert_ends(int fd)
{
	char byte;
	ssize_t got;
	do {
		ev_run(loop, EVRUN_NOWAIT);
		got = recv(fd, &byte, 1, 0);
	} while (got < 0);
	cr_assert_eq(got, 0);
	close(fd);
}

Test(control, root_and_the_own_user_may)
{
	cr_assert(control_may(0, 1000));
	cr_assert(control_may(1000, 1000));
	cr_assert(!control_may(1001, 1000));
	cr_assert(!control_may(1000, 0));
	cr_assert(control_may(0, 0));
}

Test(control, lines_are_answered_in_their_order_however_they_come, .init = begin, .fini = end)
{
	int fd = connect_client();
	say(fd, "one\ntwo\n\nthr");
	assert_hears(fd, "<one>\n<two>\n<>\n");
	say(fd, "ee");
	for (unsigned i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	say(fd, "\n");
	assert_hears(fd, "<three>\n");
	close(fd);
}

Test(control, a_long_answer_comes_whole_and_the_next_request_waits_for_it, .init = begin,
     .fini = end)
{
	struct buffer text = {0};
	int fd = connect_client();
	say(fd, "Long\nnext\n");
	hear(fd, 400003 + 7, &text);
	cr_assert_eq(text.len, 400003 + 7);
	cr_assert(span_equals(span_of(text.at + 400003, 7), SPAN("<next>\n")));
	buffer_fini(&text);
	close(fd);
}

Test(control, a_line_without_end_is_refused_and_cut, .init = begin, .fini = end)
{
	char line[CONTROL_LINE_MAX + 1];
	struct control_counts counts;
	int fd = connect_client();
	memset(line, 'x', CONTROL_LINE_MAX);
	line[CONTROL_LINE_MAX] = '\0';
	say(fd, line);
	assert_hears(fd,
		     "{\"ok\":false,\"code\":\"too_long\",\"detail\":\"a request is one line of at "
		     "most 4096 bytes\"}\n");
	assert_ends(fd);
	control_count(control, &counts);
	cr_assert_eq(counts.refused_line, 1);
	cr_assert_eq(counts.clients, 0);
}

Test(control, the_longest_line_is_taken, .init = begin, .fini = end)
{
	char line[CONTROL_LINE_MAX + 1];
	struct buffer text = {0};
	int fd = connect_client();
	memset(line, 'x', CONTROL_LINE_MAX - 1);
	strcpy(line + CONTROL_LINE_MAX - 1, "\n");
	say(fd, line);
	hear(fd, CONTROL_LINE_MAX + 2, &text);
	cr_assert_eq(text.len, CONTROL_LINE_MAX + 2);
	buffer_fini(&text);
	close(fd);
}

Test(control, more_clients_than_places_are_told_and_counted, .init = begin, .fini = end)
{
	int fds[CONTROL_CLIENTS_MAX];
	struct control_counts counts;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = connect_client();
		say(fds[i], "x\n");
		assert_hears(fds[i], "<x>\n");
	}
	int fd = connect_client();
	assert_hears(fd,
		     "{\"ok\":false,\"code\":\"busy\",\"detail\":\"too many clients on the control "
		     "socket\"}\n");
	assert_ends(fd);
	close(fds[3]);
	for (unsigned i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	fds[3] = connect_client();
	say(fds[3], "y\n");
	assert_hears(fds[3], "<y>\n");
	control_count(control, &counts);
	cr_assert_eq(counts.refused_busy, 1);
	cr_assert_eq(counts.clients, CONTROL_CLIENTS_MAX);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
}

Test(control, a_stale_socket_is_replaced_and_anything_else_is_not, .init = begin, .fini = end)
{
	char path[128];
	struct stat status;
	struct control *first = control;
	cr_assert_eq(open_control(), 0, "a socket is there: %s", error_text);
	snprintf(path, sizeof(path), "%s/" CONTROL_SOCKET, directory);
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0600);
	int fd = connect_client();
	say(fd, "x\n");
	assert_hears(fd, "<x>\n");
	close(fd);
	control_close(first); /* takes the name away */
	struct control *second = control;
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(open_control(), -EEXIST);
	cr_assert_not_null(strstr(error_text, "no socket"), "%s", error_text);
	cr_assert_eq(rmdir(path), 0);
	control = second;
}
