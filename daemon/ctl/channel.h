/* channel.h — a connection to the server or to the control socket: TCP, unix, or TLS over TCP
 * (GnuTLS). Never blocks by itself; who wants to wait says until when, by
 * clock_monotonic_ms(). Belongs to one thread. */
#ifndef SYNCDOC_CTL_CHANNEL_H
#define SYNCDOC_CTL_CHANNEL_H

#include "clock.h"
#include "server_url.h"
#include <sys/types.h>

struct channel;

/* Connects, with the handshake of TLS. `ca_file` NULL: the system's certificates. -ETIMEDOUT or
 * another -errno; one line in ret_error, without a newline. */
int channel_open(const struct server_url *url, const char *ca_file, int64_t deadline_ms,
		 struct channel **ret, char *ret_error, size_t error_len);
void channel_close(struct channel *channel); /* NULL is fine */
int channel_fd(const struct channel *channel);

/* As much as goes at once. -EAGAIN: nothing for now; 0 from receive: the end. Other -errno; what
 * TLS says is -EPROTO. Read until -EAGAIN before waiting for the descriptor: TLS may hold bytes. */
ssize_t channel_receive(struct channel *channel, void *bytes, size_t len);
ssize_t channel_send(struct channel *channel, const void *bytes, size_t len);

/* The same, waiting. -ETIMEDOUT. channel_send_all() sends everything. */
ssize_t channel_receive_until(struct channel *channel, void *bytes, size_t len,
			      int64_t deadline_ms);
int channel_send_all(struct channel *channel, struct span bytes, int64_t deadline_ms);

#endif
