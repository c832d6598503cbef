/* floor.c — the floor under any fan-out: no topics, no JSON, no Redis. The body of each POST is one
 * WebSocket text frame, sent to every connection with a bare send(2). What the program takes is
 * what the kernel takes; no server that sends one message at a time to each socket can be cheaper.
 *
 *     floor each|joined      listens on a port of the kernel's choice, which it prints
 *
 * `joined`: all messages that wait go to each connection in one send. */
#include "buffer.h"
#include "ws_frame.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 65536
#define READ_LEN 65536

struct peer {
	struct buffer input; /* owned; of an HTTP connection */
	bool is_open, is_subscriber;
};

static struct peer peers[FDS_MAX];
static int subscribers[FDS_MAX], count;
static struct buffer waiting; /* frames */
static bool is_joined;

static void drop(int fd)
{
	buffer_fini(&peers[fd].input);
	for (int i = 0; i < count; i++)
		if (subscribers[i] == fd)
			subscribers[i--] = subscribers[--count];
	peers[fd] = (struct peer){0};
	close(fd);
}

/* Spins where a socket is full: the floor has no queues, and no client here is slow. */
static void send_all(int fd, const char *at, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent < 0) {
			sched_yield();
			continue;
		}
		at += sent;
		len -= (size_t)sent;
	}
}

static void fan_out(void)
{
	for (int i = 0; i < count; i++)
		send_all(subscribers[i], waiting.at, waiting.len);
	waiting.len = 0;
}

static void upgrade(int fd)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n\r\n";
	send_all(fd, answer, sizeof(answer) - 1);
	buffer_fini(&peers[fd].input);
	peers[fd].is_subscriber = true;
	subscribers[count++] = fd;
}

static void take_post(int fd, struct span body)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	ws_frame_append(&waiting, WS_TEXT, body);
	if (!is_joined)
		fan_out();
	send_all(fd, answer, sizeof(answer) - 1);
}

/* True: one request was taken off the input. */
static bool take_request(int fd)
{
	struct buffer *input = &peers[fd].input;
	char *end = input->len ? memmem(input->at, input->len, "\r\n\r\n", 4) : NULL;
	if (!end)
		return false;
	if (input->at[0] == 'G') {
		upgrade(fd);
		return false;
	}
	*end = 0;
	const char *header = strcasestr(input->at, "content-length:");
	size_t head = (size_t)(end + 4 - input->at),
	       body = header ? strtoul(header + 15, NULL, 10) : 0;
	*end = '\r';
	if (input->len < head + body)
		return false;
	take_post(fd, span_of(input->at + head, body));
	buffer_consume(input, head + body);
	return true;
}

static void take_input(int fd)
{
	static char ignored[READ_LEN];
	struct peer *peer = &peers[fd];
	char *to = peer->is_subscriber ? ignored : buffer_reserve(&peer->input, READ_LEN);
	ssize_t got = recv(fd, to, READ_LEN, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		drop(fd);
		return;
	}
	if (peer->is_subscriber)
		return;
	peer->input.len += (size_t)got;
	while (take_request(fd))
		;
}

static void take_connection(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
	if (fd < 0)
		return;
	MUST(fd < FDS_MAX);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	peers[fd] = (struct peer){.is_open = true};
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static int listen_anywhere(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 4096) == 0 &&
	     getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct epoll_event events[256];
	if (argc != 2 || (strcmp(argv[1], "each") != 0 && strcmp(argv[1], "joined") != 0)) {
		fprintf(stderr, "usage: floor each|joined\n");
		return 2;
	}
	is_joined = strcmp(argv[1], "joined") == 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_anywhere();
	events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
	MUST(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]) == 0);
	for (;;) {
		int n = epoll_wait(epoll, events, ARRAY_LEN(events), -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take_connection(epoll, listener);
			else if (peers[events[i].data.fd].is_open)
				take_input(events[i].data.fd);
		}
		if (waiting.len)
			fan_out();
	}
}
