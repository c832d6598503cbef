/* load.c — see load.h: options, the loop, the figures.
 *
 * Says `ready` when all subscribers are, waits for a line on stdin, runs, says its figures as one
 * line of JSON, and holds its connections until stdin ends; so who measures the server's CPU and
 * memory can look between. With neither publishers nor a line it only holds connections. */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_S 5 /* without another delivery: the rest will not come */
#define PER_ADDRESS 8192

void load_die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
	exit(1);
}

int load_dial(const struct load *load, unsigned number)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PER_ADDRESS);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)load->options.port);
	if (fd < 0)
		load_die("socket: %s", strerror(errno));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		load_die("connection %u to port %d: %s", number, load->options.port,
			 strerror(errno));
	return fd;
}

void load_sample(struct load_samples *samples, uint64_t ns)
{
	uint64_t us = ns / 1000;
	if (samples->len < LOAD_SAMPLES_MAX)
		samples->us[samples->len++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void load_expand(struct buffer *ret, const char *template, unsigned i, unsigned j)
{
	for (const char *at = template; *at; at++) {
		if (at[0] == '%' && (at[1] == 'i' || at[1] == 'j'))
			buffer_append_u64(ret, *++at == 'i' ? i : j);
		else
			buffer_append_char(ret, *at);
	}
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load_samples *samples, double part)
{
	return samples->len ? samples->us[(size_t)((double)(samples->len - 1) * part)] / 1000. : 0;
}

static void print_samples(const char *name, struct load_samples *samples)
{
	qsort(samples->us, samples->len, sizeof(samples->us[0]), compare);
	printf(",\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}", name,
	       percentile_ms(samples, .5), percentile_ms(samples, .9), percentile_ms(samples, .99),
	       percentile_ms(samples, .999), percentile_ms(samples, 1));
}

static void report(struct load *load)
{
	struct load_totals *totals = &load->totals;
	printf("{\"seconds\":%.6f,\"published\":%lu,\"answered\":%lu,\"refused\":%lu,"
	       "\"delivered\":%lu,\"expected\":%lu,\"orderErrors\":%lu,\"lost\":%lu,\"bytes\":%lu",
	       (double)(load->changed_ns - load->begun_ns) / 1e9, (unsigned long)totals->published,
	       (unsigned long)totals->answered, (unsigned long)totals->refused,
	       (unsigned long)totals->delivered,
	       (unsigned long)totals->published * load->options.subscribers,
	       (unsigned long)totals->order_errors, (unsigned long)totals->lost,
	       (unsigned long)totals->bytes);
	print_samples("deliveryMs", &totals->delivery);
	print_samples("answerMs", &totals->answer);
	printf("}\n");
	fflush(stdout);
}

/* ---- the run ---- */

static void dispatch(struct load *load, int timeout_ms)
{
	struct epoll_event events[512];
	int count = epoll_wait(load->epoll, events, ARRAY_LEN(events), timeout_ms);
	for (int i = 0; i < count; i++) {
		uint64_t number = events[i].data.u64;
		if (number >> 32)
			publisher_read(load, (unsigned)number);
		else
			subscriber_read(load, (unsigned)number);
	}
}

/* What a server sends to those who have done nothing is read on. True: a line; false: the end. */
static bool await_line(struct load *load)
{
	char line[64];
	struct pollfd watched = {.fd = STDIN_FILENO, .events = POLLIN};
	while (poll(&watched, 1, 0) == 0)
		dispatch(load, 10);
	return read(STDIN_FILENO, line, sizeof(line)) > 0;
}

static bool is_finished(const struct load *load)
{
	const struct load_totals *totals = &load->totals;
	uint64_t due =
		(totals->answered - totals->refused) * (load->options.subscribers - totals->lost);
	return totals->answered == totals->published && totals->delivered >= due;
}

static void run(struct load *load)
{
	struct load_totals *totals = &load->totals;
	*totals = (struct load_totals){.delivery = totals->delivery, .answer = totals->answer};
	load->begun_ns = load->changed_ns = load_now_ns();
	while (publishers_go_on(load))
		dispatch(load, load->options.rate > 0 ? 1 : 100);
	while (!is_finished(load) &&
	       load_now_ns() - load->changed_ns < QUIET_S * UINT64_C(1000000000))
		dispatch(load, 10);
}

/* ---- options ---- */

static const struct option names[] = {
	{"port", 1, NULL, 'p'},          {"ws-path", 1, NULL, 'w'},   {"subscribers", 1, NULL, 'n'},
	{"subscriptions", 1, NULL, 'k'}, {"subscribe", 1, NULL, 's'}, {"ready", 1, NULL, 'r'},
	{"publishers", 1, NULL, 'x'},    {"method", 1, NULL, 'm'},    {"path", 1, NULL, 'u'},
	{"body", 1, NULL, 'b'},          {"type", 1, NULL, 't'},      {"size", 1, NULL, 'z'},
	{"rate", 1, NULL, 'q'},          {"count", 1, NULL, 'c'},     {"seconds", 1, NULL, 'd'},
	{"one-by-one", 0, NULL, 'o'},    {NULL, 0, NULL, 0},
};

static void take_option(struct load_options *options, int name)
{
	switch (name) {
	case 'p':
		options->port = atoi(optarg);
		break;
	case 'w':
		options->ws_path = optarg;
		break;
	case 'n':
		options->subscribers = (unsigned)atoi(optarg);
		break;
	case 'k':
		options->subscriptions = (unsigned)atoi(optarg);
		break;
	case 's':
		if (options->templates == LOAD_TEMPLATES_MAX)
			load_die("too many --subscribe");
		options->subscribe[options->templates++] = optarg;
		break;
	case 'r':
		options->ready = optarg;
		break;
	case 'x':
		options->publishers = (unsigned)atoi(optarg);
		break;
	case 'm':
		options->method = optarg;
		break;
	case 'u':
		options->path = optarg;
		break;
	case 'b':
		options->body = optarg;
		break;
	case 't':
		options->type = optarg;
		break;
	case 'z':
		options->size = strtoul(optarg, NULL, 10);
		break;
	case 'q':
		options->rate = atof(optarg);
		break;
	case 'c':
		options->count = strtoull(optarg, NULL, 10);
		break;
	case 'd':
		options->seconds = atof(optarg);
		break;
	case 'o':
		options->one_by_one = true;
		break;
	default:
		exit(2);
	}
}

static void check_options(struct load_options *options)
{
	if (options->templates && !options->subscriptions)
		options->subscriptions = options->templates;
	if (options->subscriptions && (!options->templates || !options->ready))
		load_die("--subscriptions needs --subscribe and --ready");
	if (options->ready && (strlen(options->ready) < 2 || strlen(options->ready) > 20))
		load_die("--ready: 2 to 20 bytes");
	if (options->publishers && !options->count && options->seconds <= 0)
		load_die("--count or --seconds is needed");
	if (options->port < 1 || options->port > 65535)
		load_die("--port is needed");
}

int main(int argc, char **argv)
{
	struct load load = {
		.options = {.ws_path = "/",
			    .method = "POST",
			    .path = "/",
			    .type = "application/json"},
		.epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	struct rlimit limit;
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) >= 0;)
		take_option(&load.options, name);
	check_options(&load.options);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	load.totals.delivery.us = malloc(LOAD_SAMPLES_MAX * sizeof(uint32_t));
	load.totals.answer.us = malloc(LOAD_SAMPLES_MAX * sizeof(uint32_t));
	MUST(load.totals.delivery.us && load.totals.answer.us);
	subscribers_open(&load);
	publishers_open(&load);
	puts("ready");
	fflush(stdout);
	if (!await_line(&load) || !load.options.publishers)
		return 0;
	run(&load);
	report(&load);
	while (await_line(&load))
		;
	return 0;
}
