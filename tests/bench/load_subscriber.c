/* load_subscriber.c — see load.h: the connections that get what is published. */
#include "load.h"
#include "ws_frame.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define READ_LEN 262144
#define CARRY_MAX (LOAD_MARK_LEN + LOAD_DIGITS)
#define UNREADY_MAX 200 /* opened and not yet ready: servers have backlogs */
#define READY_S 120

struct subscriber {
	int fd;
	unsigned answers; /* of its subscribes; then it is ready */
	uint64_t last_ns;
	uint8_t carry_len;
	char carry[CARRY_MAX]; /* the end of what came, where a mark may have begun */
};

static char bytes[CARRY_MAX + READ_LEN];

/* ---- what comes ---- */

static void take_mark(struct load *load, struct subscriber *subscriber, const char *digits,
		      uint64_t now_ns)
{
	uint64_t at_ns = 0;
	for (unsigned i = 0; i < LOAD_DIGITS; i++)
		at_ns = at_ns * 10 + (uint64_t)(digits[i] - '0');
	if (!at_ns)
		return;
	load->totals.delivered++;
	load->totals.order_errors += at_ns < subscriber->last_ns;
	subscriber->last_ns = at_ns;
	load_sample(&load->totals.delivery, now_ns - at_ns);
}

static void count_marks(struct load *load, struct subscriber *subscriber, const char *at,
			const char *end)
{
	uint64_t now_ns = load_now_ns();
	for (;;) {
		const char *mark = memmem(at, (size_t)(end - at), LOAD_MARK, LOAD_MARK_LEN);
		if (!mark || (size_t)(end - mark) < CARRY_MAX) {
			at = mark ? mark : at;
			break;
		}
		take_mark(load, subscriber, mark + LOAD_MARK_LEN, now_ns);
		at = mark + CARRY_MAX;
		load->changed_ns = now_ns;
	}
	size_t left = (size_t)(end - at);
	subscriber->carry_len = (uint8_t)(left < CARRY_MAX ? left : CARRY_MAX - 1);
	memcpy(subscriber->carry, end - subscriber->carry_len, subscriber->carry_len);
}

static void count_answers(struct load *load, struct subscriber *subscriber, const char *at,
			  const char *end)
{
	size_t len = strlen(load->options.ready);
	for (const char *found;
	     (found = memmem(at, (size_t)(end - at), load->options.ready, len));) {
		at = found + len;
		if (++subscriber->answers == load->options.subscriptions)
			load->ready++;
	}
	/* One byte less than the word: it cannot be counted twice. */
	size_t left = (size_t)(end - at) < len ? (size_t)(end - at) : len - 1;
	subscriber->carry_len = (uint8_t)left;
	memcpy(subscriber->carry, end - left, left);
}

static void take(struct load *load, struct subscriber *subscriber, size_t len)
{
	char *at = bytes + CARRY_MAX - subscriber->carry_len, *end = bytes + CARRY_MAX + len;
	memcpy(at, subscriber->carry, subscriber->carry_len);
	if (subscriber->answers < load->options.subscriptions)
		count_answers(load, subscriber, at, end);
	else
		count_marks(load, subscriber, at, end);
}

void subscriber_read(struct load *load, unsigned number)
{
	struct subscriber *subscriber = &load->subscribers[number];
	ssize_t got = recv(subscriber->fd, bytes + CARRY_MAX, READ_LEN, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		epoll_ctl(load->epoll, EPOLL_CTL_DEL, subscriber->fd, NULL);
		close(subscriber->fd);
		load->totals.lost++;
		return;
	}
	load->totals.bytes += (uint64_t)got;
	take(load, subscriber, (size_t)got);
}

/* ---- opening ---- */

static void send_all(int fd, const struct buffer *text)
{
	if (send(fd, text->at, text->len, MSG_NOSIGNAL) != (ssize_t)text->len)
		load_die("a subscriber cannot send: %s", strerror(errno));
}

static void shake_hands(const struct load *load, int fd, unsigned number)
{
	CLEANUP(buffer_fini) struct buffer request = {0};
	buffer_append_string(&request, "GET ");
	load_expand(&request, load->options.ws_path, number, 0);
	buffer_printf(&request,
		      " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
		      "Connection: Upgrade\r\nSec-WebSocket-Key: c3luY2RvYy1iZW5jaC0wMA==\r\n"
		      "Sec-WebSocket-Version: 13\r\n\r\n",
		      load->options.port);
	send_all(fd, &request);
	/* Byte by byte, so that what comes behind the head stays in the socket. */
	char head[HEAD_MAX];
	size_t len = 0;
	while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0)
		if (len == sizeof(head) || recv(fd, head + len++, 1, 0) != 1)
			load_die("subscriber %u: the handshake was cut", number);
	if (len < 12 || memcmp(head, "HTTP/1.1 101", 12) != 0)
		load_die("subscriber %u: %.*s", number, (int)len, head);
}

/* Masked with zeros: the payload stays as it is. */
static void append_masked(struct buffer *ret, const struct buffer *payload)
{
	unsigned char header[WS_HEADER_MAX];
	size_t len = ws_frame_header(header, WS_TEXT, payload->len);
	header[1] |= 0x80;
	buffer_append(ret, header, len);
	buffer_append(ret, "\0\0\0\0", 4);
	buffer_append(ret, payload->at, payload->len);
}

static void subscribe(const struct load *load, int fd, unsigned number)
{
	const struct load_options *options = &load->options;
	CLEANUP(buffer_fini) struct buffer frames = {0};
	CLEANUP(buffer_fini) struct buffer payload = {0};
	for (unsigned j = 0; j < options->subscriptions; j++) {
		payload.len = 0;
		load_expand(&payload, options->subscribe[j % options->templates], number, j);
		append_masked(&frames, &payload);
	}
	if (frames.len)
		send_all(fd, &frames);
}

static void read_some(struct load *load)
{
	struct epoll_event events[256];
	int count = epoll_wait(load->epoll, events, ARRAY_LEN(events), 20);
	for (int i = 0; i < count; i++)
		subscriber_read(load, (unsigned)events[i].data.u64);
}

static void await_ready(struct load *load, unsigned wanted)
{
	uint64_t end_ns = load_now_ns() + READY_S * UINT64_C(1000000000);
	while (load->ready < wanted) {
		read_some(load);
		if (load->totals.lost || load_now_ns() > end_ns)
			load_die("%u of %u subscribers ready, %lu lost", load->ready, wanted,
				 (unsigned long)load->totals.lost);
	}
}

void subscribers_open(struct load *load)
{
	unsigned count = load->options.subscribers;
	load->subscribers = calloc(count + 1, sizeof(load->subscribers[0]));
	MUST(load->subscribers);
	for (unsigned i = 0; i < count; i++) {
		struct subscriber *subscriber = &load->subscribers[i];
		*subscriber = (struct subscriber){.fd = load_dial(load, i)};
		shake_hands(load, subscriber->fd, i);
		subscribe(load, subscriber->fd, i);
		if (!load->options.ready) {
			subscriber->answers = load->options.subscriptions;
			load->ready++;
		}
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
		if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, subscriber->fd, &event))
			load_die("epoll_ctl: %s", strerror(errno));
		if (i + 1 > UNREADY_MAX)
			await_ready(load, i + 1 - UNREADY_MAX);
	}
	await_ready(load, count);
}
