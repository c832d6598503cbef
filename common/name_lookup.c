/* name_lookup.c — see name_lookup.h. c-ares 1.18 (Debian 12) to 1.34 (13). */
#include "name_lookup.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

/* A UDP and a TCP socket for each of so many servers. What is beyond is not watched: such a server
 * counts as silent. */
#define SOCKETS_MAX 16
/* Two rounds, the second twice as long as the first: a server that answers for one family only is
 * through with the other before the deadline. */
#define TRIES 2
#define ROUND_SHARE 4
#define ROUND_LEAST_MS 50
#define REASON_MAX 160

struct socket_watch {
	ev_io io;
	struct name_lookup *lookup;
};

struct name_lookup {
	struct ev_loop *loop; /* borrowed */
	name_lookup_fn fn;
	void *arg;
	struct ares_channeldata *channel; /* owned; not to be destroyed from inside its callback */
	struct socket_watch sockets[SOCKETS_MAX];
	/* Timers, as libev's are monotonic and its ev_now() is not: a clock may be set. */
	ev_timer deadline;
	ev_timer timer; /* c-ares' own; none: it waits for a socket. Or the end */
	int64_t timeout_ms;
	bool is_over; /* c-ares has answered: `fn` is called when it has returned */
	int status;   /* of c-ares */
	struct name_addresses addresses;
};

bool name_is_numeric(const char *name)
{
	struct in_addr address;

	return strchr(name, ':') || inet_aton(name, &address);
}

/* --- what c-ares has found -------------------------------------------------- */

static bool address_format(const struct sockaddr *address, char ret[NAME_ADDRESS_TEXT_MAX])
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;
		return inet_ntop(AF_INET, &v4->sin_addr, ret, NAME_ADDRESS_TEXT_MAX);
	}
	if (address->sa_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *v6 = (const void *)address;
	if (!inet_ntop(AF_INET6, &v6->sin6_addr, ret, NAME_ADDRESS_TEXT_MAX))
		return false;
	size_t len = strlen(ret);
	if (v6->sin6_scope_id)
		snprintf(ret + len, NAME_ADDRESS_TEXT_MAX - len, "%%%u", v6->sin6_scope_id);
	return true;
}

/* /etc/hosts may say the same twice. */
static bool address_is_known(const struct name_addresses *addresses, const char *text)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (strcmp(addresses->text[i], text) == 0)
			return true;
	return false;
}

static void take_addresses(struct name_addresses *addresses, const struct ares_addrinfo *found)
{
	const struct ares_addrinfo_node *node = found->nodes;

	for (; node && addresses->count < NAME_ADDRESSES_MAX; node = node->ai_next) {
		char *text = addresses->text[addresses->count];
		if (address_format(node->ai_addr, text) && !address_is_known(addresses, text))
			addresses->count++;
	}
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct name_lookup *lookup = arg;

	(void)timeouts;
	lookup->is_over = true;
	lookup->status = status;
	if (found) {
		if (status == ARES_SUCCESS)
			take_addresses(&lookup->addresses, found);
		ares_freeaddrinfo(found);
	}
}

/* --- its life in the loop ------------------------------------------------------ */

static void lookup_arm(struct name_lookup *lookup)
{
	struct timeval left = {0};

	ev_timer_stop(lookup->loop, &lookup->timer);
	if (!lookup->is_over && !ares_timeout(lookup->channel, NULL, &left))
		return;
	/* One millisecond more: c-ares cuts off its part, and would be asked in vain until that is
	 * over, too. */
	ev_tstamp wait =
		lookup->is_over ? 0. : (double)left.tv_sec + (double)left.tv_usec / 1e6 + 0.001;
	ev_timer_set(&lookup->timer, wait, 0.);
	ev_timer_start(lookup->loop, &lookup->timer);
}

static void lookup_free(struct name_lookup *lookup)
{
	ev_timer_stop(lookup->loop, &lookup->timer);
	ev_timer_stop(lookup->loop, &lookup->deadline);
	lookup->fn = NULL;
	/* Closes its sockets, which stops their watchers, and calls on_answer() if it has not. */
	ares_destroy(lookup->channel);
	ares_library_cleanup();
	free(lookup);
}

static void lookup_finish(struct name_lookup *lookup)
{
	char reason[REASON_MAX] = "";

	if (!lookup->is_over)
		snprintf(reason, sizeof(reason),
			 "name lookup: the name servers have not answered within %lld ms",
			 (long long)lookup->timeout_ms);
	else if (lookup->status != ARES_SUCCESS)
		snprintf(reason, sizeof(reason), "name lookup: %s", ares_strerror(lookup->status));
	else if (!lookup->addresses.count)
		snprintf(reason, sizeof(reason), "name lookup: the name has no address");
	lookup->fn(*reason ? NULL : &lookup->addresses, *reason ? reason : NULL, lookup->arg);
	lookup_free(lookup);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct name_lookup *lookup = timer->data;

	(void)loop;
	(void)revents;
	if (lookup->is_over) {
		lookup_finish(lookup);
		return;
	}
	ares_process_fd(lookup->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	lookup_arm(lookup);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	lookup_finish(timer->data);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int revents)
{
	struct socket_watch *watch = io->data;
	struct name_lookup *lookup = watch->lookup;

	(void)loop;
	ares_process_fd(lookup->channel, revents & EV_READ ? io->fd : ARES_SOCKET_BAD,
			revents & EV_WRITE ? io->fd : ARES_SOCKET_BAD);
	lookup_arm(lookup);
}

static struct socket_watch *socket_find(struct name_lookup *lookup, int fd)
{
	struct socket_watch *free_one = NULL;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		struct socket_watch *watch = &lookup->sockets[i];
		bool is_used = ev_is_active(&watch->io);
		if (is_used && watch->io.fd == fd)
			return watch;
		if (!is_used && !free_one)
			free_one = watch;
	}
	return free_one;
}

/* Neither to be read nor written: c-ares is about to close it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct name_lookup *lookup = arg;
	struct socket_watch *watch = socket_find(lookup, fd);
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);

	if (!watch)
		return;
	ev_io_stop(lookup->loop, &watch->io);
	if (!events)
		return;
	ev_io_set(&watch->io, fd, events);
	ev_io_start(lookup->loop, &watch->io);
}

static int channel_open(struct name_lookup *lookup, const struct name_lookup_options *options)
{
	int64_t round_ms = options->timeout_ms / ROUND_SHARE;
	struct ares_options wanted = {
		.timeout = (int)(round_ms > ROUND_LEAST_MS ? round_ms : ROUND_LEAST_MS),
		.tries = TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = lookup,
	};
	int error = ares_library_init(ARES_LIB_INIT_ALL);

	if (error)
		return error;
	error = ares_init_options(&lookup->channel, &wanted,
				  ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (!error && options->servers)
		error = ares_set_servers_ports_csv(lookup->channel, options->servers);
	return error;
}

struct name_lookup *name_lookup_start(struct ev_loop *loop,
				      const struct name_lookup_options *options, name_lookup_fn fn,
				      void *arg)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct name_lookup *lookup = calloc(1, sizeof(*lookup));

	MUST(lookup);
	lookup->loop = loop;
	lookup->fn = fn;
	lookup->arg = arg;
	lookup->timeout_ms = options->timeout_ms;
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		ev_init(&lookup->sockets[i].io, on_socket);
		lookup->sockets[i].io.data = &lookup->sockets[i];
		lookup->sockets[i].lookup = lookup;
	}
	ev_init(&lookup->timer, on_timer);
	lookup->timer.data = lookup;
	/* A turn of the loop may have been long: the time given counts from here. */
	ev_now_update(loop);
	ev_timer_init(&lookup->deadline, on_deadline, (double)options->timeout_ms / 1000., 0.);
	lookup->deadline.data = lookup;
	ev_timer_start(loop, &lookup->deadline);
	lookup->status = channel_open(lookup, options);
	if (lookup->status)
		lookup->is_over = true;
	else
		ares_getaddrinfo(lookup->channel, options->name, NULL, &hints, on_answer, lookup);
	lookup_arm(lookup);
	return lookup;
}

void name_lookup_cancel(struct name_lookup *lookup)
{
	if (lookup)
		lookup_free(lookup);
}
