#define _GNU_SOURCE
#include "redis_fixture.h"
#include "buffer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN_MAX_S 60 /* less than the timeouts of suites, so that it is said what did not come */
#define WORDS_MAX 64

/* Bound, not listening: nobody who asks the kernel for any port gets this one, and redis-server,
 * which reuses addresses too, may take it. */
static int port_claim(unsigned *ret)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&address, len) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*ret = ntohs(address.sin_port);
	return fd;
}

static size_t words_from_environment(char *words[], size_t count, size_t max)
{
	const char *text = getenv("SYNCDOC_TEST_REDIS_ARGS");
	char *rest = text ? strdup(text) : NULL;
	for (char *word = rest ? strtok(rest, " ") : NULL; word && count < max;
	     word = strtok(NULL, " "))
		words[count++] = word;
	return count;
}

/* In the child: no assertion may fail here. */
static void server_exec(const struct redis_fixture *fixture, const char *const *extra)
{
	char port[16], *words[WORDS_MAX];
	size_t count = 0;
	const char *fixed[] = {"redis-server",     "--port",      port,
			       "--bind",           "127.0.0.1",   "--unixsocket",
			       fixture->socket,    "--save",      "",
			       "--appendonly",     "no",          "--dir",
			       fixture->directory, "--daemonize", "no",
			       "--loglevel",       "warning"};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int log = open("/dev/null", O_WRONLY);
	dup2(log, 1);
	dup2(log, 2);
	snprintf(port, sizeof(port), "%u", fixture->port);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		words[count++] = (char *)fixed[i];
	while (extra && *extra && count < WORDS_MAX - 1)
		words[count++] = (char *)*extra++;
	count = words_from_environment(words, count, WORDS_MAX - 1);
	words[count] = NULL;
	execvp(words[0], words);
	_exit(127);
}

/* Answers anything, if only that it wants a password or still loads its data. */
static bool server_answers(struct redis_fixture *fixture)
{
	redisContext *context = redisConnectUnix(fixture->socket);
	if (!context || context->err) {
		redisFree(context);
		return false;
	}
	redisReply *reply = redisCommand(context, "PING");
	bool is_up = reply && (reply->type == REDIS_REPLY_STATUS || strstr(reply->str, "NOAUTH") ||
			       strstr(reply->str, "LOADING"));
	freeReplyObject(reply);
	if (is_up)
		fixture->direct = context;
	else
		redisFree(context);
	return is_up;
}

void fixture_start(struct redis_fixture *fixture, const char *const *extra)
{
	fixture->pid = fork();
	cr_assert(fixture->pid >= 0);
	if (fixture->pid == 0)
		server_exec(fixture, extra);
	for (int i = 0; i < RUN_MAX_S * 100; i++) {
		if (server_answers(fixture))
			return;
		int status;
		cr_assert(waitpid(fixture->pid, &status, WNOHANG) == 0,
			  "redis-server ended at once: is it installed, are the arguments right?");
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	cr_assert_fail("redis-server does not answer");
}

void fixture_open(struct redis_fixture *fixture, const char *const *extra)
{
	*fixture = (struct redis_fixture){.directory = "/tmp/syncdoc-test-XXXXXX"};
	cr_assert(mkdtemp(fixture->directory));
	snprintf(fixture->socket, sizeof(fixture->socket), "%s/redis.sock", fixture->directory);
	snprintf(fixture->url, sizeof(fixture->url), "unix://%s", fixture->socket);
	fixture->port_fd = port_claim(&fixture->port);
	fixture->loop = ev_loop_new(EVFLAG_AUTO);
	cr_assert(fixture->loop);
	signal(SIGPIPE, SIG_IGN);
	fixture_start(fixture, extra);
}

void fixture_signal(const struct redis_fixture *fixture, int signal)
{
	cr_assert(kill(fixture->pid, signal) == 0);
}

void fixture_kill(struct redis_fixture *fixture)
{
	if (!fixture->pid)
		return;
	kill(fixture->pid, SIGKILL);
	waitpid(fixture->pid, NULL, 0);
	fixture->pid = 0;
	redisFree(fixture->direct);
	fixture->direct = NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

void fixture_close(struct redis_fixture *fixture)
{
	fixture_kill(fixture);
	close(fixture->port_fd);
	ev_loop_destroy(fixture->loop);
	nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_guard(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	*(bool *)timer->data = true;
}

static void run(struct redis_fixture *fixture, const int *counter, int value, double seconds,
		bool *is_over)
{
	ev_timer guard;
	ev_now_update(fixture->loop);
	ev_timer_init(&guard, on_guard, seconds, 0.);
	guard.data = is_over;
	ev_timer_start(fixture->loop, &guard);
	while (!*is_over && (!counter || *counter < value))
		ev_run(fixture->loop, EVRUN_ONCE);
	ev_timer_stop(fixture->loop, &guard);
}

void fixture_run_until(struct redis_fixture *fixture, const int *counter, int value)
{
	bool is_over = false;
	run(fixture, counter, value, RUN_MAX_S, &is_over);
	cr_assert(*counter >= value, "still %d of %d after %d s", *counter, value, RUN_MAX_S);
}

void fixture_run_for(struct redis_fixture *fixture, int64_t ms)
{
	bool is_over = false;
	run(fixture, NULL, 0, (double)ms / 1000, &is_over);
}

static void reply_print(struct buffer *ret, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_INTEGER)
		buffer_append_i64(ret, reply->integer);
	else if (reply->type == REDIS_REPLY_NIL)
		buffer_append_string(ret, "(nil)");
	else if (reply->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < reply->elements; i++) {
			if (i)
				buffer_append_char(ret, ' ');
			reply_print(ret, reply->element[i]);
		}
	else
		buffer_append(ret, reply->str, reply->len);
}

const char *fixture_ask(struct redis_fixture *fixture, const char *format, ...)
{
	static struct buffer text; /* of the process, which is one test */
	va_list arguments;
	va_start(arguments, format);
	redisReply *reply = redisvCommand(fixture->direct, format, arguments);
	va_end(arguments);
	cr_assert(reply, "%s: %s", format, fixture->direct->errstr);
	text.len = 0;
	reply_print(&text, reply);
	buffer_append_char(&text, '\0');
	freeReplyObject(reply);
	return text.at;
}

bool fixture_has_json(void)
{
	const char *text = getenv("SYNCDOC_TEST_REDIS_ARGS");
	return text && *text;
}
