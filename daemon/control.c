/* control.c — see control.h. */
#define _GNU_SOURCE
#include "control.h"

#include "log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16
#define ACCEPT_PAUSE_S 1.

struct client {
	struct control *control; /* NULL: the place is free */
	int fd;                  /* owned */
	ev_io io;
	ev_timer idle;
	char line[CONTROL_LINE_MAX];
	size_t line_len;
	struct buffer answer; /* owned: what the socket has not taken yet */
	bool closing;         /* when the answer is out */
};

struct control {
	struct ev_loop *loop;
	int fd; /* owned */
	struct sockaddr_un address;
	ev_io accept;
	ev_timer pause; /* active: no descriptors left; accept is tried again when it ends */
	control_answer_fn answer;
	void *arg;
	struct control_counts counts;
	struct log_limit refused_limit, accept_limit;
	struct client clients[CONTROL_CLIENTS_MAX];
};

bool control_may(unsigned peer_uid, unsigned own_uid)
{
	return peer_uid == 0 || peer_uid == own_uid;
}

/* ---- one client ---- */

static void client_drop(struct client *client)
{
	struct control *control = client->control;
	ev_io_stop(control->loop, &client->io);
	ev_timer_stop(control->loop, &client->idle);
	close(client->fd);
	buffer_fini(&client->answer);
	client->control = NULL;
	control->counts.clients--;
}

static void client_watch(struct client *client, int events)
{
	struct ev_loop *loop = client->control->loop;
	ev_io_stop(loop, &client->io);
	ev_io_set(&client->io, client->fd, events);
	ev_io_start(loop, &client->io);
}

/* False: the client is gone. */
static bool client_send(struct client *client)
{
	while (client->answer.len) {
		ssize_t sent = send(client->fd, client->answer.at, client->answer.len,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return true;
		if (sent < 0) {
			client_drop(client);
			return false;
		}
		buffer_consume(&client->answer, (size_t)sent);
	}
	if (client->closing) {
		client_drop(client);
		return false;
	}
	return true;
}

/* Takes one whole line off the buffer and answers it. False: there is none. */
static bool client_answer_line(struct client *client)
{
	char *end = memchr(client->line, '\n', client->line_len);
	if (!end)
		return false;
	struct control *control = client->control;
	size_t len = (size_t)(end - client->line);
	control->counts.requests++;
	control->answer(span_of(client->line, len), &client->answer, control->arg);
	buffer_append_char(&client->answer, '\n');
	client->line_len -= len + 1;
	memmove(client->line, end + 1, client->line_len);
	return true;
}

/* Answers what has come, one line after the other, and only while each answer is taken: so the
 * answers that wait are never more than one. */
static void client_go_on(struct client *client)
{
	while (!client->answer.len && client_answer_line(client)) {
		ev_timer_again(client->control->loop, &client->idle);
		if (!client_send(client))
			return;
	}
	if (!client->answer.len && client->line_len == sizeof(client->line)) {
		client->control->counts.refused_line++;
		buffer_printf(&client->answer,
			      "{\"ok\":false,\"code\":\"too_long\",\"detail\":\"a request is one "
			      "line of at most %d bytes\"}\n",
			      CONTROL_LINE_MAX);
		client->closing = true;
		if (!client_send(client))
			return;
	}
	client_watch(client, client->answer.len ? EV_WRITE : EV_READ);
}

static void client_read(struct client *client)
{
	ssize_t got = recv(client->fd, client->line + client->line_len,
			   sizeof(client->line) - client->line_len, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_drop(client);
		return;
	}
	client->line_len += (size_t)got;
	client_go_on(client);
}

static void on_client(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	struct client *client = watcher->data;
	if (events & EV_WRITE) {
		if (client_send(client))
			client_go_on(client);
		return;
	}
	client_read(client);
}

static void on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	struct client *client = timer->data;
	client->control->counts.closed_idle++;
	client_drop(client);
}

/* ---- who comes ---- */

static struct client *find_free(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (!control->clients[i].control)
			return &control->clients[i];
	return NULL;
}

static void client_start(struct control *control, struct client *client, int fd)
{
	*client = (struct client){.control = control, .fd = fd};
	control->counts.clients++;
	ev_io_init(&client->io, on_client, fd, EV_READ);
	client->io.data = client;
	ev_io_start(control->loop, &client->io);
	ev_init(&client->idle, on_idle);
	client->idle.repeat = CONTROL_IDLE_S;
	client->idle.data = client;
	ev_timer_again(control->loop, &client->idle);
}

/* One send: a socket that is new has room for a line. */
static void refuse(int fd, const char *answer)
{
	if (send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control: %s", strerror(errno));
	close(fd);
}

static bool peer_may(struct control *control, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (control_may(peer.uid, geteuid()))
		return true;
	control->counts.refused_peer++;
	if (log_allow(&control->refused_limit))
		log_warning("control: refused process %d of user %u", (int)peer.pid,
			    (unsigned)peer.uid);
	return false;
}

static void on_pause_end(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	struct control *control = timer->data;
	ev_io_start(loop, &control->accept);
}

/* A connection that cannot be taken stays in the queue, and the descriptor readable: without a
 * pause the loop would turn for nothing else. */
static void pause_accept(struct control *control)
{
	if (log_allow(&control->accept_limit))
		log_warning("control: accept: %s, trying again in %.0f s", strerror(errno),
			    ACCEPT_PAUSE_S);
	ev_io_stop(control->loop, &control->accept);
	ev_timer_set(&control->pause, ACCEPT_PAUSE_S, 0.);
	ev_timer_start(control->loop, &control->pause);
}

static void on_accept(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct control *control = watcher->data;
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accept(control);
		return;
	}
	if (!peer_may(control, fd)) {
		refuse(fd, "{\"ok\":false,\"code\":\"forbidden\",\"detail\":\"only root and the "
			   "daemon's own user may use this socket\"}\n");
		return;
	}
	struct client *client = find_free(control);
	if (!client) {
		control->counts.refused_busy++;
		refuse(fd, "{\"ok\":false,\"code\":\"busy\",\"detail\":\"too many clients on the "
			   "control socket\"}\n");
		return;
	}
	client_start(control, client, fd);
}

/* ---- open and close ---- */

/* Listens on a name beside the real one, which is then put in its place by rename(): at no time can
 * anybody meet a socket with other rights, or a stale one once we are there. */
static int bind_and_replace(struct control *control, const char *path)
{
	struct sockaddr_un new = {.sun_family = AF_UNIX};
	if ((size_t)snprintf(new.sun_path, sizeof(new.sun_path), "%s.new", path) >=
	    sizeof(new.sun_path))
		return -ENAMETOOLONG;
	struct stat stat;
	if (lstat(path, &stat) == 0 && !S_ISSOCK(stat.st_mode))
		return -EEXIST;
	if (unlink(new.sun_path) < 0 && errno != ENOENT)
		return -errno;
	mode_t mask = umask(0177);
	int error = bind(control->fd, (const struct sockaddr *)&new, sizeof(new)) < 0 ? -errno : 0;
	umask(mask);
	if (!error && listen(control->fd, BACKLOG) < 0)
		error = -errno;
	if (!error && rename(new.sun_path, path) < 0)
		error = -errno;
	if (error && error != -EADDRINUSE)
		unlink(new.sun_path);
	return error;
}

int control_open(struct ev_loop *loop, const char *state_dir, control_answer_fn answer, void *arg,
		 struct control **ret, char *ret_error, size_t error_len)
{
	struct control *control = calloc(1, sizeof(*control));
	MUST(control);
	control->loop = loop;
	control->answer = answer;
	control->arg = arg;
	char *path = control->address.sun_path;
	int error = 0;
	if ((size_t)snprintf(path, sizeof(control->address.sun_path), "%s/" CONTROL_SOCKET,
			     state_dir) >= sizeof(control->address.sun_path))
		error = -ENAMETOOLONG;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!error && control->fd < 0)
		error = -errno;
	if (!error)
		error = bind_and_replace(control, path);
	if (error) {
		snprintf(ret_error, error_len, "%s/" CONTROL_SOCKET ": %s", state_dir,
			 error == -EEXIST ? "something that is no socket stands there"
					  : strerror(-error));
		if (control->fd >= 0)
			close(control->fd);
		free(control);
		return error;
	}
	ev_io_init(&control->accept, on_accept, control->fd, EV_READ);
	control->accept.data = control;
	ev_init(&control->pause, on_pause_end);
	control->pause.data = control;
	ev_io_start(loop, &control->accept);
	*ret = control;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].control)
			client_drop(&control->clients[i]);
	ev_io_stop(control->loop, &control->accept);
	ev_timer_stop(control->loop, &control->pause);
	unlink(control->address.sun_path);
	close(control->fd);
	free(control);
}

void control_count(const struct control *control, struct control_counts *ret)
{
	*ret = control->counts;
}
