/* embedded_redis.c — see embedded_redis.h. */
#define _GNU_SOURCE
#include "embedded_redis.h"

#include "backoff.h"
#include "clock.h"
#include "exit_reason.h"
#include "fork_masked.h"
#include "log.h"
#include "redis.h"

#include <bsd/unistd.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_WAIT_MS 2000
#define STOP_WAIT_S 10.
#define LOCK_FD 3 /* in the child */

struct embedded_redis {
	struct ev_loop *loop;
	char *binary;    /* owned */
	char *state_dir; /* owned */
	char url[512];
	struct sockaddr_un address;
	int lock_fd; /* borrowed: from the caller */
	pid_t pid;   /* 0: not running */
	uint64_t starts;
	int64_t started_ms;
	struct backoff backoff;
	ev_child exit;
	ev_timer restart;
	ev_timer kill;
	void (*on_stopped)(void *arg); /* not NULL: stopping */
	void *stop_arg;
};

/* ---- finding it ---- */

static char *find_in(const char *directories, const char *name)
{
	char path[PATH_MAX];
	for (const char *at = directories; *at;) {
		size_t len = strcspn(at, ":");
		int path_len = snprintf(path, sizeof(path), "%.*s/%s", (int)len, at, name);
		/* An empty or relative entry of PATH would mean a directory that changes with us.
		 */
		if (*at == '/' && (size_t)path_len < sizeof(path) && access(path, X_OK) == 0)
			return strdup(path);
		at += len;
		at += *at == ':';
	}
	return NULL;
}

static char *find_binary(void)
{
	static const char *const names[] = {"redis-server", "valkey-server"};
	const char *path = getenv("PATH");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *found = path ? find_in(path, names[i]) : NULL;
		if (!found)
			found = find_in("/usr/bin:/usr/sbin:/usr/local/bin", names[i]);
		if (found)
			return found;
	}
	return NULL;
}

int embedded_redis_format_url(const char *socket_path, char *ret, size_t len)
{
	struct span safe =
		SPAN("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-");
	size_t used = (size_t)snprintf(ret, len, "unix://");
	for (const char *at = socket_path; *at && used < len; at++) {
		bool plain = memchr(safe.at, *at, safe.len);
		used += (size_t)snprintf(ret + used, len - used, plain ? "%c" : "%%%02X",
					 (unsigned char)*at);
	}
	return used < len ? 0 : -ENAMETOOLONG;
}

/* ---- running it ---- */

/* In the child. The socket's path is relative to the state directory, where the server goes anyway.
 */
static _Noreturn void exec_server(const struct embedded_redis *embedded, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	/* Away from our terminal: Ctrl-C is for the supervisor, which stops Redis last. */
	setsid();
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	umask(077); /* documents are nobody else's to read, whatever the mode of the directory */
	int log = -1, null = open("/dev/null", O_RDWR);
	if (chdir(embedded->state_dir) == 0)
		log = open(EMBEDDED_REDIS_LOG, O_WRONLY | O_CREAT | O_APPEND, 0640);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(1);
	/* dup2() clears CLOEXEC, unless it is the same number already. */
	if (embedded->lock_fd == LOCK_FD ? fcntl(LOCK_FD, F_SETFD, 0) < 0
					 : dup2(embedded->lock_fd, LOCK_FD) < 0)
		_exit(1);
	closefrom(LOCK_FD + 1);
	/* clang-format off */
	execl(embedded->binary, embedded->binary,
	      "--port", "0",
	      "--unixsocket", EMBEDDED_REDIS_SOCKET, "--unixsocketperm", "600",
	      "--dir", embedded->state_dir,
	      "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
	      "--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60",
	      "--daemonize", "no", "--logfile", EMBEDDED_REDIS_LOG, (char *)NULL);
	/* clang-format on */
	dprintf(2, "%s: %s\n", embedded->binary, strerror(errno));
	_exit(127);
}

static void on_server_exit(struct ev_loop *loop, ev_child *watcher, int events);

static int spawn(struct embedded_redis *embedded)
{
	pid_t parent = getpid();
	pid_t pid = fork_masked();
	if (pid == 0)
		exec_server(embedded, parent);
	if (pid < 0)
		return (int)pid;
	embedded->pid = pid;
	embedded->starts++;
	embedded->started_ms = clock_monotonic_ms();
	ev_child_init(&embedded->exit, on_server_exit, pid, 0);
	embedded->exit.data = embedded;
	ev_child_start(embedded->loop, &embedded->exit);
	log_info("embedded redis (pid %d): started %s", (int)pid, embedded->binary);
	return 0;
}

uint64_t embedded_redis_starts(const struct embedded_redis *embedded)
{
	return embedded->starts;
}

static void schedule_restart(struct embedded_redis *embedded, int64_t delay_ms)
{
	ev_timer_set(&embedded->restart, (double)delay_ms / 1000., 0.);
	ev_timer_start(embedded->loop, &embedded->restart);
}

static void on_restart(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct embedded_redis *embedded = watcher->data;
	int error = spawn(embedded);
	if (!error)
		return;
	int64_t delay_ms = backoff_delay_ms(&embedded->backoff, 0);
	log_error("embedded redis: fork: %s, trying again in %d ms", strerror(-error),
		  (int)delay_ms);
	schedule_restart(embedded, delay_ms);
}

static void on_server_exit(struct ev_loop *loop, ev_child *watcher, int events)
{
	(void)events;
	struct embedded_redis *embedded = watcher->data;
	char reason[EXIT_REASON_MAX], next[64];
	int pid = (int)embedded->pid;
	exit_reason(watcher->rstatus, reason);
	ev_child_stop(loop, watcher);
	ev_timer_stop(loop, &embedded->kill);
	embedded->pid = 0;
	if (embedded->on_stopped) {
		log_info("embedded redis (pid %d): stopped, %s", pid, reason);
		embedded->on_stopped(embedded->stop_arg);
		return;
	}
	int64_t delay_ms =
		backoff_delay_ms(&embedded->backoff, clock_monotonic_ms() - embedded->started_ms);
	backoff_describe(delay_ms, next, sizeof(next));
	log_error("embedded redis (pid %d): %s, %s; its own log is %s/" EMBEDDED_REDIS_LOG, pid,
		  reason, next, embedded->state_dir);
	schedule_restart(embedded, delay_ms);
}

/* ---- start and stop ---- */

static bool answers(const struct embedded_redis *embedded)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool connected = connect(fd, (const struct sockaddr *)&embedded->address,
				 sizeof(embedded->address)) == 0;
	close(fd);
	return connected;
}

/* Without this wait every first start would log refused connections, and a server that cannot run
 * at all would look like one that is restarting. A server that is slow to open its socket is not an
 * error: the connections retry. */
static int wait_for_socket(struct embedded_redis *embedded, char *ret_error, size_t error_len)
{
	while (!answers(embedded) && clock_monotonic_ms() - embedded->started_ms < START_WAIT_MS) {
		int status;
		if (waitpid(embedded->pid, &status, WNOHANG) == embedded->pid) {
			char reason[EXIT_REASON_MAX];
			ev_child_stop(embedded->loop, &embedded->exit);
			embedded->pid = 0;
			snprintf(ret_error, error_len,
				 "embedded redis: %s did not start: %s; see %s/" EMBEDDED_REDIS_LOG,
				 embedded->binary, exit_reason(status, reason),
				 embedded->state_dir);
			return -EIO;
		}
		usleep(5000);
	}
	return 0;
}

static int prepare(struct embedded_redis *embedded, const char *state_dir, char *ret_error,
		   size_t error_len)
{
	char path[PATH_MAX];
	const char *reason;
	int len = snprintf(path, sizeof(path), "%s/" EMBEDDED_REDIS_SOCKET, state_dir);
	if ((size_t)len >= sizeof(embedded->address.sun_path) ||
	    embedded_redis_format_url(path, embedded->url, sizeof(embedded->url)) ||
	    redis_url_check(embedded->url, &reason)) {
		snprintf(ret_error, error_len,
			 "state_dir %s: too long for the socket of the embedded redis", state_dir);
		return -ENAMETOOLONG;
	}
	embedded->binary = find_binary();
	if (!embedded->binary) {
		snprintf(ret_error, error_len,
			 "redis.url embedded: found neither redis-server nor valkey-server in "
			 "PATH, /usr/bin, /usr/sbin "
			 "or /usr/local/bin; install the package redis-server or valkey-server, or "
			 "set redis.url to "
			 "a running Redis");
		return -ENOENT;
	}
	embedded->address.sun_family = AF_UNIX;
	memcpy(embedded->address.sun_path, path, (size_t)len + 1);
	embedded->state_dir = strdup(state_dir);
	MUST(embedded->state_dir);
	/* Nobody is there: we hold the lock. What answers from now on is ours. */
	unlink(path);
	return 0;
}

static void on_kill(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct embedded_redis *embedded = watcher->data;
	log_error("embedded redis (pid %d): still there %d s after SIGTERM, killed",
		  (int)embedded->pid, (int)STOP_WAIT_S);
	kill(embedded->pid, SIGKILL);
}

int embedded_redis_start(struct ev_loop *loop, const char *state_dir, int lock_fd,
			 struct embedded_redis **ret, char *ret_error, size_t error_len)
{
	struct embedded_redis *embedded = calloc(1, sizeof(*embedded));
	MUST(embedded);
	embedded->loop = loop;
	embedded->lock_fd = lock_fd;
	ev_timer_init(&embedded->restart, on_restart, 0., 0.);
	embedded->restart.data = embedded;
	ev_timer_init(&embedded->kill, on_kill, STOP_WAIT_S, 0.);
	embedded->kill.data = embedded;

	int error = prepare(embedded, state_dir, ret_error, error_len);
	if (!error && (error = spawn(embedded)))
		snprintf(ret_error, error_len, "embedded redis: fork: %s", strerror(-error));
	if (!error)
		error = wait_for_socket(embedded, ret_error, error_len);
	if (error) {
		embedded_redis_destroy(embedded);
		return error;
	}
	*ret = embedded;
	return 0;
}

int embedded_redis_pid(const struct embedded_redis *embedded)
{
	return (int)embedded->pid;
}

const char *embedded_redis_url(const struct embedded_redis *embedded)
{
	return embedded->url;
}

void embedded_redis_stop(struct embedded_redis *embedded, void (*on_stopped)(void *arg), void *arg)
{
	MUST(!embedded->on_stopped);
	embedded->on_stopped = on_stopped;
	embedded->stop_arg = arg;
	ev_timer_stop(embedded->loop, &embedded->restart);
	if (!embedded->pid) {
		on_stopped(arg);
		return;
	}
	kill(embedded->pid, SIGTERM);
	ev_timer_start(embedded->loop, &embedded->kill);
}

void embedded_redis_destroy(struct embedded_redis *embedded)
{
	if (!embedded)
		return;
	ev_timer_stop(embedded->loop, &embedded->restart);
	ev_timer_stop(embedded->loop, &embedded->kill);
	ev_child_stop(embedded->loop, &embedded->exit);
	if (embedded->pid) {
		kill(embedded->pid, SIGKILL);
		waitpid(embedded->pid, NULL, 0);
	}
	free(embedded->binary);
	free(embedded->state_dir);
	free(embedded);
}
