/* channel.c — see channel.h. */
#define _GNU_SOURCE
#include "channel.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct channel {
	int fd;                                       /* owned */
	gnutls_session_t session;                     /* owned; NULL: no TLS */
	gnutls_certificate_credentials_t credentials; /* owned; NULL: no TLS */
};

/* 0, or -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		struct pollfd poll_fd = {.fd = fd, .events = events};
		int count = poll(&poll_fd, 1,
				 left_ms < 0       ? 0
				 : left_ms > 60000 ? 60000
						   : (int)left_ms);
		if (count > 0)
			return 0;
		if (count < 0 && errno != EINTR)
			return -errno;
		if (left_ms <= 0)
			return -ETIMEDOUT;
	}
}

/* ---- connecting ---- */

static int connect_to(const struct sockaddr *address, socklen_t len, int64_t deadline_ms,
		      int *ret_fd)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = connect(fd, address, len) < 0 ? -errno : 0;
	if (error == -EINPROGRESS) {
		socklen_t error_len = sizeof(error);
		error = wait_for(fd, POLLOUT, deadline_ms);
		if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0)
			error = -error;
	}
	if (error) {
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

static int connect_unix(const char *path, int64_t deadline_ms, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect_to((const struct sockaddr *)&address, sizeof(address), deadline_ms, ret_fd);
}

/* One address of the name after the other, until one takes the connection. */
static int connect_host(const struct server_url *url, int64_t deadline_ms, int *ret_fd,
			char *ret_error, size_t error_len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int status = getaddrinfo(url->host, url->port, &hints, &list);
	if (status) {
		snprintf(ret_error, error_len, "%s: %s", url->host, gai_strerror(status));
		return -EHOSTUNREACH;
	}
	int error = -EHOSTUNREACH, fd = -1, on = 1;
	for (struct addrinfo *at = list; at && error; at = at->ai_next)
		error = connect_to(at->ai_addr, at->ai_addrlen, deadline_ms, &fd);
	freeaddrinfo(list);
	if (error)
		return error;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*ret_fd = fd;
	return 0;
}

/* ---- TLS ---- */

static int tls_refuse(const char *what, int status, char *ret_error, size_t error_len)
{
	snprintf(ret_error, error_len, "%s: %s", what, gnutls_strerror(status));
	return -EPROTO;
}

static int tls_trust(struct channel *channel, const char *ca_file, char *ret_error,
		     size_t error_len)
{
	int status = gnutls_certificate_allocate_credentials(&channel->credentials);
	if (status < 0)
		return tls_refuse("TLS", status, ret_error, error_len);
	status = ca_file ? gnutls_certificate_set_x509_trust_file(channel->credentials, ca_file,
								  GNUTLS_X509_FMT_PEM)
			 : gnutls_certificate_set_x509_system_trust(channel->credentials);
	if (ca_file && status == 0) {
		snprintf(ret_error, error_len, "%s: no certificates in it", ca_file);
		return -EINVAL;
	}
	return status < 0 ? tls_refuse(ca_file ? ca_file : "the system's certificates", status,
				       ret_error, error_len)
			  : 0;
}

static bool host_is_address(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static int tls_prepare(struct channel *channel, const struct server_url *url)
{
	int status =
		gnutls_init(&channel->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (status == 0)
		status = gnutls_set_default_priority(channel->session);
	if (status == 0)
		status = gnutls_credentials_set(channel->session, GNUTLS_CRD_CERTIFICATE,
						channel->credentials);
	if (status == 0 && !host_is_address(url->host))
		status = gnutls_server_name_set(channel->session, GNUTLS_NAME_DNS, url->host,
						strlen(url->host));
	if (status == 0) {
		gnutls_session_set_verify_cert(channel->session, url->host, 0);
		gnutls_transport_set_int(channel->session, channel->fd);
	}
	return status;
}

static void tls_say_why(struct channel *channel, int status, char *ret_error, size_t error_len)
{
	gnutls_datum_t text;
	if (status == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
	    gnutls_certificate_verification_status_print(
		    gnutls_session_get_verify_cert_status(channel->session), GNUTLS_CRT_X509, &text,
		    0) == 0) {
		snprintf(ret_error, error_len, "TLS: %s", (const char *)text.data);
		gnutls_free(text.data);
		for (size_t len = strlen(ret_error); len && ret_error[len - 1] == ' '; len--)
			ret_error[len - 1] = '\0';
		return;
	}
	snprintf(ret_error, error_len, "TLS: %s", gnutls_strerror(status));
}

static int tls_open(struct channel *channel, const struct server_url *url, const char *ca_file,
		    int64_t deadline_ms, char *ret_error, size_t error_len)
{
	int error = tls_trust(channel, ca_file, ret_error, error_len);
	if (error)
		return error;
	int status = tls_prepare(channel, url);
	while (status == 0 && !error) {
		status = gnutls_handshake(channel->session);
		if (status == 0)
			return 0;
		if (status != GNUTLS_E_AGAIN && status != GNUTLS_E_INTERRUPTED)
			break;
		error = wait_for(channel->fd,
				 gnutls_record_get_direction(channel->session) ? POLLOUT : POLLIN,
				 deadline_ms);
		status = 0;
	}
	if (error)
		return error;
	tls_say_why(channel, status, ret_error, error_len);
	return -EPROTO;
}

/* ---- open and close ---- */

int channel_open(const struct server_url *url, const char *ca_file, int64_t deadline_ms,
		 struct channel **ret, char *ret_error, size_t error_len)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	MUST(channel);
	channel->fd = -1;
	*ret_error = '\0';
	int error = url->unix_path[0]
			    ? connect_unix(url->unix_path, deadline_ms, &channel->fd)
			    : connect_host(url, deadline_ms, &channel->fd, ret_error, error_len);
	if (!error && url->tls)
		error = tls_open(channel, url, ca_file, deadline_ms, ret_error, error_len);
	if (error) {
		if (!*ret_error)
			snprintf(ret_error, error_len, "%s", strerror(-error));
		channel_close(channel);
		return error;
	}
	*ret = channel;
	return 0;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	if (channel->session) {
		gnutls_bye(channel->session, GNUTLS_SHUT_WR);
		gnutls_deinit(channel->session);
	}
	if (channel->credentials)
		gnutls_certificate_free_credentials(channel->credentials);
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel);
}

int channel_fd(const struct channel *channel)
{
	return channel->fd;
}

/* ---- bytes ---- */

static ssize_t tls_result(ssize_t status)
{
	if (status >= 0)
		return status;
	if (status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED)
		return -EAGAIN;
	/* Many peers just close. Our own messages say where they end. */
	return status == GNUTLS_E_PREMATURE_TERMINATION ? 0 : -EPROTO;
}

ssize_t channel_receive(struct channel *channel, void *bytes, size_t len)
{
	if (channel->session)
		return tls_result(gnutls_record_recv(channel->session, bytes, len));
	ssize_t got;
	do {
		got = recv(channel->fd, bytes, len, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

ssize_t channel_send(struct channel *channel, const void *bytes, size_t len)
{
	if (channel->session)
		return tls_result(gnutls_record_send(channel->session, bytes, len));
	ssize_t sent;
	do {
		sent = send(channel->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t channel_receive_until(struct channel *channel, void *bytes, size_t len, int64_t deadline_ms)
{
	for (;;) {
		ssize_t got = channel_receive(channel, bytes, len);
		if (got != -EAGAIN)
			return got;
		int error = wait_for(channel->fd, POLLIN, deadline_ms);
		if (error)
			return error;
	}
}

int channel_send_all(struct channel *channel, struct span bytes, int64_t deadline_ms)
{
	while (bytes.len) {
		ssize_t sent = channel_send(channel, bytes.at, bytes.len);
		if (sent == -EAGAIN) {
			int error = wait_for(channel->fd, POLLOUT, deadline_ms);
			if (error)
				return error;
			continue;
		}
		if (sent < 0)
			return (int)sent;
		bytes = span_of(bytes.at + sent, bytes.len - (size_t)sent);
	}
	return 0;
}
