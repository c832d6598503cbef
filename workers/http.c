/* http.c — the MHD daemon inside the worker's loop: its callbacks and its clock. */
#include "http_private.h"

#include "client_address.h"
#include "host_check.h"
#include "linger.h"
#include "request_private.h"
#include "slow_reader.h"
#include "slow_sender.h"
#include "tls_front.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Half of it takes the head of a request: 8 KiB of headers pass. */
#define CONNECTION_MEMORY (24u << 10)
#define IDLE_TIMEOUT_S 75u     /* without any byte; suspended requests do not count */
#define RUNS_MAX 16            /* MHD_run() calls before the rest of the loop has its turn */
#define WAITING_MS 5           /* without a run: those whose answers wait are looked at */
#define DESCRIPTOR_HEADROOM 64 /* for Redis, files and what libraries open */

/* --- the loop -------------------------------------------------------------- */

/* MHD's next wish, in milliseconds. False: it has none. */
static bool next_run(struct http *http, uint64_t *ret_ms)
{
#if MHD_VERSION >= 0x00097701
	return MHD_get_timeout64(http->mhd, ret_ms) == MHD_YES;
#else
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(http->mhd, &ms) != MHD_YES)
		return false;
	*ret_ms = ms;
	return true;
#endif
}

/* Only ever moved forwards: an early look is cheap, and most timeouts never come. */
static void set_timer(struct http *http, uint64_t ms)
{
	double after = (double)(ms < 3600000 ? ms : 3600000) / 1000.;

	if (ev_is_active(&http->timer)) {
		if (ev_timer_remaining(http->worker->loop, &http->timer) <= after)
			return;
		ev_timer_stop(http->worker->loop, &http->timer);
	}
	ev_timer_set(&http->timer, after, 0.);
	ev_timer_start(http->worker->loop, &http->timer);
}

static void run(struct http *http)
{
	uint64_t ms = 0;
	bool wish = true;

	if (http->running) { /* a handler answered: the loop below goes on */
		http->run_soon = true;
		return;
	}
	http->running = true;
	http->run_soon = true;
	for (int i = 0; i < RUNS_MAX && (http->run_soon || (wish && !ms && !http->waiting)); i++) {
		http->run_soon = false;
		MHD_run(http->mhd);
		wish = next_run(http, &ms);
	}
	http->running = false;
	if (http->run_soon)
		set_timer(http, 0);
	else if (http->waiting) /* of them MHD says 0 */
		set_timer(http, WAITING_MS);
	else if (wish)
		set_timer(http, ms);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	run(CONTAINER_OF(watcher, struct http, watcher));
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	run(CONTAINER_OF(timer, struct http, timer));
}

/* What was answered in this turn of the loop goes out together, before the loop sleeps. */
static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct http *http = CONTAINER_OF(watcher, struct http, prepare);

	(void)loop;
	(void)events;
	if (http->run_soon)
		run(http);
}

void http_run_soon(struct http *http)
{
	http->run_soon = true;
}

static void set_deadline_timer(struct http *http, int64_t at_ms, int64_t now_ms)
{
	if (at_ms >= http->deadline_ms)
		return;
	http->deadline_ms = at_ms;
	ev_timer_stop(http->worker->loop, &http->deadline_timer);
	/* One more: the loop's own time may be a little behind, and early is not late enough. */
	ev_timer_set(&http->deadline_timer, (double)(at_ms - now_ms + 1) / 1000., 0.);
	ev_timer_start(http->worker->loop, &http->deadline_timer);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http *http = CONTAINER_OF(timer, struct http, deadline_timer);
	int64_t now_ms = worker_monotonic_ms();

	(void)loop;
	(void)events;
	http->deadline_ms = DEADLINE_NEVER;
	for (size_t i = 0; i < ARRAY_LEN(http->deadlines); i++) {
		int64_t at_ms = deadline_meet_late(&http->deadlines[i], now_ms);
		set_deadline_timer(http, at_ms, now_ms);
	}
}

void http_start_deadline(struct http *http, enum http_deadline which, struct deadline *deadline)
{
	int64_t now_ms = worker_monotonic_ms();
	int64_t at_ms = deadline_start(&http->deadlines[which], deadline, now_ms);

	set_deadline_timer(http, at_ms, now_ms);
}

/* Between two requests a client may be silent as long as MHD lets it; but MHD starts anew with each
 * byte, and this does not. */
static void init_deadlines(struct http *http)
{
	int64_t limit_ms = http->worker->config->limits_request_timeout_ms;
	const int64_t idle_ms = INT64_C(1000) * IDLE_TIMEOUT_S;

	http->deadlines[HTTP_DEADLINE_FIRST] = (struct deadline_list){
		.limit_ms = limit_ms ? limit_ms : idle_ms, .meet = http_client_meet_deadline};
	http->deadlines[HTTP_DEADLINE_NEXT] =
		(struct deadline_list){.limit_ms = idle_ms, .meet = http_client_meet_deadline};
	http->deadlines[HTTP_DEADLINE_ANSWER] =
		(struct deadline_list){.limit_ms = limit_ms, .meet = request_meet_deadline};
	http->deadlines[HTTP_DEADLINE_READER] =
		(struct deadline_list){.limit_ms = SLOW_READER_PERIOD_MS, .meet = slow_reader_meet};
	http->deadlines[HTTP_DEADLINE_SENDER] =
		(struct deadline_list){.limit_ms = SLOW_SENDER_PERIOD_MS, .meet = slow_sender_meet};
	http->deadlines[HTTP_DEADLINE_HANDSHAKE] = (struct deadline_list){
		.limit_ms = limit_ms ? limit_ms : idle_ms, .meet = tls_front_meet_deadline};
	http->deadlines[HTTP_DEADLINE_TAIL] = (struct deadline_list){
		.limit_ms = SLOW_READER_PERIOD_MS, .meet = tls_front_meet_deadline};
	http->deadline_ms = DEADLINE_NEVER;
	ev_timer_init(&http->deadline_timer, on_deadline, 0., 0.);
}

/* --- callbacks of MHD ------------------------------------------------------ */

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	MUST(info && info->socket_context);
	return info->socket_context;
}

int http_connection_socket(struct MHD_Connection *connection)
{
	return http_client_socket(client_of(connection));
}

/* The first line has come, still as it was sent: MHD's own decoding would hide bad escapes and
 * NULs. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct http *http = arg;

	struct request *request =
		request_create(http, client_of(connection), connection, uri ? uri : "");
	char *query = uri ? strchr(uri, '?') : NULL;

	/* target.c has read the query. MHD would read it again, each parameter costs it 64 bytes of
	 * the connection's memory, and 0.9.75 hangs when that is used up. The string is in MHD's
	 * writable buffer and meant to be cut there. */
	if (query)
		query[1] = '\0';
	return request;
}

/* Called once for the headers, for each piece of the body, and once when all of it has come. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *bytes,
				  size_t *len, void **context)
{
	struct request *request = *context;

	(void)arg;
	(void)connection;
	(void)url;
	if (request && request_ask(request))
		return MHD_YES;
	/* MHD runs once more while the worker ends, with whatever stands in its sockets. */
	if (!request || request->given_up || request->http->worker->stopping)
		return MHD_NO;
	if (!request->headers_seen) {
		request_check_headers(request, method, version);
	} else if (*len) {
		request_take_body(request, span_of(bytes, *len));
		*len = 0;
	} else if (request->state == REQUEST_READING) {
		request_run(request);
	}
	return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct http *http = arg;
	struct request *request = *context;

	(void)connection;
	*context = NULL;
	if (!request)
		return;
	/* With TLS the front lingers: see tls_front.c. */
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && request->body_unread &&
	    !request->client->front)
		linger_on(http->lingers, request->client->fd);
	request_complete(request);
}

static void on_log(void *arg, const char *format, va_list arguments)
{
	static struct log_limit limit;
	char line[256];

	(void)arg;
	/* 0.9.75 tries TCP options on added unix sockets at every answer, and complains. */
	if (strncmp(format, "Setting %s option", 17) == 0 ||
	    strncmp(format, "Failed to push", 14) == 0)
		return;
	if (!log_allow(&limit))
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_info("http: libmicrohttpd: %s", line);
}

static void on_panic(void *arg, const char *file, unsigned line, const char *reason)
{
	(void)arg;
	log_error("http: libmicrohttpd: %s:%u: %s, ending", file, line,
		  reason ? reason : "internal fault");
	abort();
}

/* --- life ------------------------------------------------------------------ */

static void find_limits(struct http *http)
{
	const struct config *config = http->worker->config;
	struct rlimit descriptors;

	http->connection_max = config->limits_connections ? config->limits_connections : INT_MAX;
	http->descriptor_max = SIZE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &descriptors) || descriptors.rlim_cur == RLIM_INFINITY)
		return;
	http->descriptor_max = descriptors.rlim_cur > 2 * DESCRIPTOR_HEADROOM
				       ? descriptors.rlim_cur - DESCRIPTOR_HEADROOM
				       : descriptors.rlim_cur / 2;
	if (http->connection_max <= http->descriptor_max)
		return;
	if (config->limits_connections)
		log_warning("http: limits.connections is %u, but only %llu descriptors may be "
			    "open: taking %zu",
			    http->connection_max, (unsigned long long)descriptors.rlim_cur,
			    http->descriptor_max);
	http->connection_max = (unsigned)http->descriptor_max;
}

/* To MHD 1.0 a daemon may belong to several threads, unless told: then what is added waits in a
 * list until it runs, and the next one is judged by limits that do not count it yet. */
#if MHD_VERSION >= 0x00097707
#define ONE_THREAD MHD_USE_NO_THREAD_SAFETY
#else
#define ONE_THREAD 0u
#endif

static int start_daemon(struct http *http)
{
	MHD_set_panic_func(on_panic, NULL);
	/* The logger first, or what goes wrong at the start is printed to stderr. */
	http->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
			MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG | ONE_THREAD,
		0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, http_connection_changed, http,
		MHD_OPTION_CONNECTION_LIMIT, http->connection_max, MHD_OPTION_CONNECTION_TIMEOUT,
		IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (http->mhd)
		return 0;
	log_error("http: libmicrohttpd does not start: %s", strerror(errno));
	return -EIO;
}

static int start_tls(struct http *http)
{
	const struct tls_files *files = http->worker->config->tls_files;

	if (files)
		http->fronts = tls_fronts_create(http, files);
	return files && !http->fronts ? -EIO : 0;
}

static void start_watchers(struct http *http)
{
	struct ev_loop *loop = http->worker->loop;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);

	MUST(info);
	ev_io_init(&http->watcher, on_readable, info->epoll_fd, EV_READ);
	ev_io_start(loop, &http->watcher);
	ev_timer_init(&http->timer, on_timer, 0., 0.);
	ev_prepare_init(&http->prepare, on_prepare);
	/* Behind all others that may answer, before the turn is measured. */
	ev_set_priority(&http->prepare, EV_MINPRI + 1);
	ev_prepare_start(loop, &http->prepare);
}

struct http *http_create(struct worker *worker)
{
	struct http *http = calloc(1, sizeof(*http));
	MUST(http);
	http->worker = worker;
	find_limits(http);
	stat_set(worker->slot, STAT_connections_max, http->connection_max);
	if (start_tls(http) || start_daemon(http)) {
		tls_fronts_destroy(http->fronts);
		free(http);
		return NULL;
	}
	http->host_check = host_check_create(worker->config);
	http->lingers = lingers_create(worker->loop);
	client_address_start(http);
	init_deadlines(http);
	start_watchers(http);
	http_listen_start(http);
	return http;
}

static void stop_watchers(struct http *http)
{
	struct ev_loop *loop = http->worker->loop;

	http_listen_stop(http);
	ev_timer_stop(loop, &http->drain_sweep);
	ev_io_stop(loop, &http->watcher);
	ev_timer_stop(loop, &http->timer);
	ev_prepare_stop(loop, &http->prepare);
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	for (struct deadline *at = http->deadlines[HTTP_DEADLINE_ANSWER].first; at; at = at->later)
		MUST(CONTAINER_OF(at, struct request, deadline)->state != REQUEST_SUSPENDED);
	stop_watchers(http);
	run(http); /* the last answers; what a socket does not take is lost */
	ev_timer_stop(http->worker->loop, &http->timer);
	MHD_stop_daemon(http->mhd);
	tls_fronts_destroy(http->fronts);
	ev_timer_stop(http->worker->loop, &http->deadline_timer);
	MUST(!http->client_count && !http->active);
	lingers_destroy(http->lingers);
	host_check_destroy(http->host_check);
	client_address_stop(http);
	free(http);
}
