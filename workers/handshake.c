/* handshake.c — GET /v1/realtime: what a WebSocket's handshake must say, its 101, and the socket
 * that is taken over from libmicrohttpd behind it. */
#include "websocket.h"

#include "cors.h"
#include "http.h"
#include "log.h"
#include "tls_front.h"
#include "tls_session.h"
#include "websockets_private.h"
#include "ws_extension.h"
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define KEY_LEN 24                                            /* base64 of 16 bytes */
#define ACCEPT_MAX 32
#define SUBPROTOCOL "syncdoc.v1"

/* An item of a comma-separated header, any case. */
static bool header_has(const char *header, const char *item, bool ignore_case)
{
	size_t item_len = strlen(item);

	while (header && *header) {
		header += strspn(header, " \t,");
		size_t len = strcspn(header, ",");
		size_t trimmed = len;

		while (trimmed && (header[trimmed - 1] == ' ' || header[trimmed - 1] == '\t'))
			trimmed--;
		if (trimmed == item_len && (ignore_case ? strncasecmp(header, item, item_len)
							: strncmp(header, item, item_len)) == 0)
			return true;
		header += len;
	}
	return false;
}

/* RFC 6455 section 4.2.1: 16 bytes in base64. */
static bool key_is_valid(const char *key)
{
	gnutls_datum_t text = {(unsigned char *)key, KEY_LEN}, bytes;

	if (!key || strlen(key) != KEY_LEN || gnutls_base64_decode2(&text, &bytes))
		return false;
	bool valid = bytes.size == 16;
	gnutls_free(bytes.data);
	return valid;
}

static void accept_of_key(const char *key, char ret[ACCEPT_MAX])
{
	char text[KEY_LEN + sizeof(WEBSOCKET_GUID)];
	unsigned char digest[20];
	gnutls_datum_t bytes = {digest, sizeof(digest)}, encoded;

	snprintf(text, sizeof(text), "%s%s", key, WEBSOCKET_GUID);
	MUST(!gnutls_hash_fast(GNUTLS_DIG_SHA1, text, strlen(text), digest));
	MUST(!gnutls_base64_encode2(&bytes, &encoded) && encoded.size < ACCEPT_MAX);
	memcpy(ret, encoded.data, encoded.size);
	ret[encoded.size] = '\0';
	gnutls_free(encoded.data);
}

static int refuse(struct outcome *ret, int status, const char *code, const char *detail)
{
	*ret = outcome_refusal(status, code, "%s", detail);
	return -EPERM;
}

static int check_headers(struct request *request, struct outcome *ret_refusal)
{
	const char *version = request_header(request, "Sec-WebSocket-Version");

	if (!header_has(request_header(request, "Upgrade"), "websocket", true))
		return refuse(ret_refusal, 400, "not_a_websocket",
			      "this address takes WebSocket handshakes (Upgrade: websocket)");
	if (!header_has(request_header(request, "Connection"), "upgrade", true))
		return refuse(ret_refusal, 400, "handshake_invalid",
			      "the Connection header must name Upgrade");
	if (!version || strcmp(version, "13") != 0) {
		request_set_header(request, "Sec-WebSocket-Version", "13");
		return version ? refuse(ret_refusal, 426, "websocket_version",
					"only WebSocket version 13 is spoken here")
			       : refuse(ret_refusal, 400, "handshake_invalid",
					"Sec-WebSocket-Version is missing");
	}
	if (!key_is_valid(request_header(request, "Sec-WebSocket-Key")))
		return refuse(ret_refusal, 400, "handshake_invalid",
			      "Sec-WebSocket-Key must be 16 bytes in base64");
	return 0;
}

/* limits.per_address has been judged: at accept, or when a proxy sent the request. */
static int check_limits(struct worker *worker, struct outcome *ret_refusal)
{
	const char *limit;

	/* In a drain it is taken: its connection came before, and a goaway is kinder than a
	 * refusal. */
	if (worker->stopping || !worker->websockets) {
		*ret_refusal = outcome_refusal(503, "shutting_down",
					       "this process is ending; connect again");
	} else if ((limit = websockets_limit(worker->websockets, NULL))) {
		*ret_refusal = outcome_refusal(503, "too_many_connections", "%s is reached", limit);
	} else {
		return 0;
	}
	ret_refusal->retry_after_s = 1;
	stat_add(worker->slot, STAT_connections_refused, 1);
	return -EPERM;
}

static void refuse_taken_over(struct worker *worker, const char *why)
{
	static struct log_limit limit;

	stat_add(worker->slot, STAT_connections_refused, 1);
	if (log_allow(&limit))
		log_warning("websocket: connection refused after its handshake: %s", why);
}

/* Between the check of the handshake and its 101 others may have come in. */
static void add_connection(struct worker *worker, struct connection_socket *socket,
			   const struct request *request, enum audience_kind kind)
{
	struct in6_addr address = request_address(request);
	const char *limit = websockets_limit(worker->websockets, &address);

	if (limit)
		socket->unread = SPAN_NONE;
	struct connection *connection = websockets_add(worker->websockets, socket, &address, kind,
						       request_principal(request));

	if (!limit)
		return;
	refuse_taken_over(worker, limit);
	connection_close(connection, WS_CLOSE_OVERLOAD, limit, false);
}

/* The socket becomes ours (FACTS.md: MHD then frees all it kept for it): 100 bytes a connection
 * instead of thousands. */
static int duplicate(MHD_socket mhd_fd)
{
	int one = 1;
	int fd = fcntl(mhd_fd, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
			   sizeof(one)); /* a unix socket refuses it, and needs none */
	return fd;
}

static void take_plain(struct worker *worker, struct request *request, struct span extra,
		       MHD_socket mhd_fd, enum audience_kind kind)
{
	struct connection_socket socket = {.fd = duplicate(mhd_fd), .unread = extra};

	if (socket.fd < 0) {
		refuse_taken_over(worker, strerror(errno));
		return;
	}
	fcntl(socket.fd, F_SETFL, fcntl(socket.fd, F_GETFL) | O_NONBLOCK);
	request_give_place(request);
	add_connection(worker, &socket, request, kind);
}

static void take_tls(struct worker *worker, struct request *request, struct span extra,
		     struct tls_taken *taken, enum audience_kind kind)
{
	struct buffer unread = {0};

	buffer_append_span(&unread, extra);
	buffer_append_span(&unread, buffer_span(&taken->unread));
	struct connection_socket socket = {taken->fd, taken->session, buffer_span(&taken->unsent),
					   buffer_span(&unread)};
	request_give_place(request);
	add_connection(worker, &socket, request, kind);
	buffer_fini(&unread);
	buffer_fini(&taken->unread);
	buffer_fini(&taken->unsent);
}

static void take_over(struct worker *worker, struct request *request, struct span extra,
		      MHD_socket mhd_fd, struct MHD_UpgradeResponseHandle *handle,
		      enum audience_kind kind)
{
	struct tls_taken taken;

	if (!worker->websockets || !request)
		refuse_taken_over(worker, "shutting down");
	else if (request_take_tls(request, mhd_fd, &taken))
		take_tls(worker, request, extra, &taken, kind);
	else
		take_plain(worker, request, extra, mhd_fd, kind);
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
	http_run_soon(worker->http);
}

static void on_upgraded(void *arg, struct MHD_Connection *mhd_connection, void *request_arg,
			const char *extra, size_t extra_len, MHD_socket mhd_fd,
			struct MHD_UpgradeResponseHandle *handle)
{
	(void)mhd_connection;
	take_over(arg, request_arg, span_of(extra, extra_len), mhd_fd, handle, AUDIENCE_PLAIN);
}

/* The same after permessage-deflate was agreed: which of both it is is all that has to be known
 * between the answer and the socket. */
static void on_upgraded_deflate(void *arg, struct MHD_Connection *mhd_connection, void *request_arg,
				const char *extra, size_t extra_len, MHD_socket mhd_fd,
				struct MHD_UpgradeResponseHandle *handle)
{
	(void)mhd_connection;
	take_over(arg, request_arg, span_of(extra, extra_len), mhd_fd, handle, AUDIENCE_DEFLATE);
}

static enum ws_deflate_answer choose_extension(struct request *request)
{
	if (!request_worker(request)->config->ws_deflate)
		return WS_DEFLATE_NONE;
	return ws_extension_choose(
		span_string(request_header(request, "Sec-WebSocket-Extensions")));
}

static void answer_upgrade(struct request *request)
{
	struct worker *worker = request_worker(request);
	enum ws_deflate_answer extension = choose_extension(request);
	struct MHD_Response *response = MHD_create_response_for_upgrade(
		extension ? on_upgraded_deflate : on_upgraded, worker);
	char accept[ACCEPT_MAX];

	MUST(response);
	accept_of_key(request_header(request, "Sec-WebSocket-Key"), accept);
	MHD_add_response_header(response, "Upgrade", "websocket");
	MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
	if (header_has(request_header(request, "Sec-WebSocket-Protocol"), SUBPROTOCOL, false))
		MHD_add_response_header(response, "Sec-WebSocket-Protocol", SUBPROTOCOL);
	if (extension)
		MHD_add_response_header(response, "Sec-WebSocket-Extensions",
					ws_extension_answer(extension));
	request_answer_upgrade(request, response);
}

void websocket_handle_upgrade(struct request *request)
{
	struct worker *worker = request_worker(request);
	const char *origin = request_header(request, "Origin");
	struct outcome refusal;
	int error = check_headers(request, &refusal);

	/* No Origin: not a browser, so no page of somebody else's can be behind it. */
	if (!error && origin &&
	    !cors_origin_is_allowed(worker, origin, request_header(request, "Host")))
		error = refuse(&refusal, 403, "origin_not_allowed",
			       "the Origin is not in cors_origins");
	if (error) {
		stat_add(worker->slot, STAT_handshakes_failed, 1);
	} else {
		error = check_limits(worker, &refusal);
	}
	if (error)
		request_answer_problem(request, &refusal);
	else
		answer_upgrade(request);
}
