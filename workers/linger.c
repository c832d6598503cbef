#include "linger.h"

#include "base.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGERS_MAX 64
#define LINGER_S 5.
#define LINGER_BYTES (16u << 20)
#define LINGER_TURN_BYTES (256u << 10)

struct lingering {
	struct lingering *previous, *next;
	struct lingers *lingers;
	ev_io readable;
	ev_timer timer;
	size_t dropped;
};

struct lingers {
	struct ev_loop *loop;
	struct lingering *first;
	unsigned count;
};

static void lingering_end(struct lingering *lingering)
{
	struct lingers *lingers = lingering->lingers;

	ev_io_stop(lingers->loop, &lingering->readable);
	ev_timer_stop(lingers->loop, &lingering->timer);
	close(lingering->readable.fd);
	if (lingering->previous)
		lingering->previous->next = lingering->next;
	else
		lingers->first = lingering->next;
	if (lingering->next)
		lingering->next->previous = lingering->previous;
	lingers->count--;
	free(lingering);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct lingering *lingering = CONTAINER_OF(watcher, struct lingering, readable);
	static char trash[64 << 10];
	size_t turn = 0;

	(void)loop;
	(void)events;
	while (turn < LINGER_TURN_BYTES) {
		ssize_t len = recv(watcher->fd, trash, sizeof(trash), MSG_DONTWAIT);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0 || lingering->dropped + (size_t)len > LINGER_BYTES) {
			lingering_end(lingering);
			return;
		}
		lingering->dropped += (size_t)len;
		turn += (size_t)len;
	}
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	lingering_end(CONTAINER_OF(timer, struct lingering, timer));
}

struct lingers *lingers_create(struct ev_loop *loop)
{
	struct lingers *lingers = calloc(1, sizeof(*lingers));

	MUST(lingers);
	lingers->loop = loop;
	return lingers;
}

void lingers_destroy(struct lingers *lingers)
{
	if (!lingers)
		return;
	while (lingers->first)
		lingering_end(lingers->first);
	free(lingers);
}

void linger_on(struct lingers *lingers, int fd)
{
	if (lingers->count == LINGERS_MAX)
		return;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return;
	struct lingering *lingering = calloc(1, sizeof(*lingering));
	MUST(lingering);
	lingering->lingers = lingers;
	lingering->next = lingers->first;
	if (lingering->next)
		lingering->next->previous = lingering;
	lingers->first = lingering;
	lingers->count++;
	ev_io_init(&lingering->readable, on_readable, copy, EV_READ);
	ev_io_start(lingers->loop, &lingering->readable);
	ev_timer_init(&lingering->timer, on_timeout, LINGER_S, 0.);
	ev_timer_start(lingers->loop, &lingering->timer);
}
