/* load_publisher.c — see load.h: HTTP connections, each with one request at a time.
 *
 * With a rate, messages are due at fixed times and their latency counts from then: a server that
 * stalls does not look better for having been asked less. */
#include "load.h"

#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define INPUT_LEN 65536

struct publisher {
	int fd;
	bool busy;
	uint64_t sent_ns;
	struct buffer request; /* owned; built once, the time stamped in anew */
	size_t digits_at;      /* 0: nowhere */
	struct buffer reply;   /* owned; the head, until it is complete */
	size_t body_left;
	bool in_body;
};

/* ---- requests ---- */

static void build_body(const struct load_options *options, unsigned number, struct buffer *body,
		       size_t *ret_digits)
{
	*ret_digits = 0;
	for (const char *at = options->body ? options->body : ""; *at; at++) {
		if (at[0] != '%' || !strchr("TPi", at[1])) {
			buffer_append_char(body, *at);
			continue;
		}
		switch (*++at) {
		case 'T':
			*ret_digits = body->len;
			buffer_printf(body, "%0*d", LOAD_DIGITS, 0);
			break;
		case 'P':
			memset(buffer_reserve(body, options->size), 'x', options->size);
			body->len += options->size;
			break;
		default:
			buffer_printf(body, "%u", number);
		}
	}
}

static void build_request(const struct load_options *options, unsigned number,
			  struct publisher *publisher)
{
	CLEANUP(buffer_fini) struct buffer body = {0};
	struct buffer *request = &publisher->request;
	size_t digits;
	build_body(options, number, &body, &digits);
	buffer_printf(request, "%s ", options->method);
	load_expand(request, options->path, number, 0);
	buffer_printf(request, " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", options->port);
	if (body.len)
		buffer_printf(request, "Content-Type: %s\r\nContent-Length: %zu\r\n", options->type,
			      body.len);
	buffer_append_string(request, "\r\n");
	publisher->digits_at = digits ? request->len + digits : 0;
	buffer_append_span(request, buffer_span(&body));
}

static void publish(struct load *load, struct publisher *publisher, uint64_t due_ns)
{
	char digits[LOAD_DIGITS + 8];
	struct buffer *request = &publisher->request;
	if (publisher->digits_at) {
		snprintf(digits, sizeof(digits), "%0*lu", LOAD_DIGITS, (unsigned long)due_ns);
		memcpy(request->at + publisher->digits_at, digits, LOAD_DIGITS);
	}
	publisher->busy = true;
	publisher->sent_ns = due_ns;
	load->totals.published++;
	/* Blocks where the server does not read: it has one request of ours only. */
	for (size_t sent = 0; sent < request->len;) {
		ssize_t n =
			send(publisher->fd, request->at + sent, request->len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			load_die("a publisher cannot send: %s", strerror(errno));
		sent += (size_t)n;
	}
}

/* ---- answers ---- */

static void take_end(struct load *load, struct publisher *publisher)
{
	publisher->busy = publisher->in_body = false;
	load->totals.answered++;
	load->changed_ns = load_now_ns();
	load_sample(&load->totals.answer, load->changed_ns - publisher->sent_ns);
}

static size_t content_length(const char *head)
{
	for (const char *line = head; (line = strchr(line, '\n')); line++)
		if (strncasecmp(line + 1, "content-length:", 15) == 0)
			return strtoul(line + 16, NULL, 10);
	if (strcasestr(head, "transfer-encoding:"))
		load_die("chunked answers are not understood");
	return 0;
}

/* True: the head is complete and taken off. */
static bool take_head(struct load *load, struct publisher *publisher)
{
	struct buffer *reply = &publisher->reply;
	char *end = memmem(reply->at, reply->len, "\r\n\r\n", 4);
	if (!end)
		return false;
	*end = 0;
	int status = reply->len > 12 ? atoi(reply->at + 9) : 0;
	if ((status < 200 || status > 299) && status != 304 && !load->totals.refused++)
		fprintf(stderr, "load: refused: %s\n", reply->at);
	publisher->body_left = content_length(reply->at);
	publisher->in_body = true;
	buffer_consume(reply, (size_t)(end + 4 - reply->at));
	return true;
}

void publisher_read(struct load *load, unsigned number)
{
	struct publisher *publisher = &load->publishers[number];
	struct buffer *reply = &publisher->reply;
	ssize_t got =
		recv(publisher->fd, buffer_reserve(reply, INPUT_LEN), INPUT_LEN, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		load_die("the server closed the connection of a publisher");
	reply->len += (size_t)got;
	if (!publisher->in_body && !take_head(load, publisher))
		return;
	size_t part = reply->len < publisher->body_left ? reply->len : publisher->body_left;
	buffer_consume(reply, part);
	publisher->body_left -= part;
	if (!publisher->body_left)
		take_end(load, publisher);
}

/* ---- pace ---- */

static bool is_over(const struct load *load, uint64_t now_ns)
{
	const struct load_options *options = &load->options;
	return options->count ? load->totals.published >= options->count
			      : (double)(now_ns - load->begun_ns) >= options->seconds * 1e9;
}

static uint64_t due_ns(const struct load *load, uint64_t now_ns)
{
	if (load->options.rate > 0)
		return load->begun_ns +
		       (uint64_t)((double)load->totals.published * 1e9 / load->options.rate);
	bool waits = load->options.one_by_one &&
		     load->totals.delivered < load->totals.published * load->options.subscribers;
	return waits ? UINT64_MAX : now_ns;
}

static struct publisher *find_free(struct load *load)
{
	static unsigned next;
	unsigned count = load->options.publishers;
	for (unsigned i = 0; i < count; i++) {
		struct publisher *publisher = &load->publishers[next++ % count];
		if (!publisher->busy)
			return publisher;
	}
	return NULL;
}

bool publishers_go_on(struct load *load)
{
	for (;;) {
		uint64_t now_ns = load_now_ns();
		if (is_over(load, now_ns))
			return false;
		uint64_t due = due_ns(load, now_ns);
		struct publisher *publisher = due <= now_ns ? find_free(load) : NULL;
		if (!publisher)
			return true;
		publish(load, publisher, due);
	}
}

void publishers_open(struct load *load)
{
	load->publishers = calloc(load->options.publishers + 1, sizeof(load->publishers[0]));
	MUST(load->publishers);
	for (unsigned i = 0; i < load->options.publishers; i++) {
		struct publisher *publisher = &load->publishers[i];
		publisher->fd = load_dial(load, i);
		build_request(&load->options, i, publisher);
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_C(1) << 32 | i};
		if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, publisher->fd, &event))
			load_die("epoll_ctl: %s", strerror(errno));
	}
}
