#include "websocket_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

#define FINAL 0x80
#define MASKED 0x80

struct peer peer_connect(int sndbuf)
{
	struct in6_addr address = {0};
	struct peer peer = {0};
	int fds[2];

	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	if (sndbuf)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	peer.fd = fds[1];
	const struct connection_socket socket = {.fd = fds[0]};

	peer.connection =
		websockets_add(fixture.worker.websockets, &socket, &address, AUDIENCE_PLAIN, NULL);
	peer_expect_part(&peer, "\"welcome\"");
	return peer;
}

void peer_fini(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
	buffer_fini(&peer->got);
}

void peer_frame(struct buffer *ret, unsigned char first, struct span payload)
{
	static const unsigned char mask[4] = {0x12, 0xa5, 0x00, 0xff};
	unsigned char header[WS_HEADER_MAX];
	size_t len = ws_frame_header(header, WS_TEXT, payload.len);

	header[0] = first;
	header[1] |= MASKED;
	buffer_append(ret, header, len);
	buffer_append(ret, mask, sizeof(mask));
	for (size_t i = 0; i < payload.len; i++)
		buffer_append_char(ret, (char)((unsigned char)payload.at[i] ^ mask[i % 4]));
}

void peer_send_bytes(struct peer *peer, struct span bytes)
{
	cr_assert_eq(send(peer->fd, bytes.at, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

void peer_send(struct peer *peer, unsigned char first, struct span payload)
{
	struct buffer bytes = {0};

	peer_frame(&bytes, first, payload);
	peer_send_bytes(peer, buffer_span(&bytes));
	buffer_fini(&bytes);
}

void peer_send_text(struct peer *peer, const char *text)
{
	peer_send(peer, FINAL | WS_TEXT, span_string(text));
}

void peer_send_close(struct peer *peer, uint16_t code)
{
	char payload[] = {(char)(code >> 8), (char)code};

	peer_send(peer, FINAL | WS_CLOSE, span_of(payload, code ? 2 : 0));
}

void peer_read(struct peer *peer, size_t most)
{
	char bytes[4096];

	while (most) {
		ssize_t got = recv(peer->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);
		if (got <= 0) {
			peer->ended |= got == 0 || errno == ECONNRESET;
			return;
		}
		buffer_append(&peer->got, bytes, (size_t)got);
		most -= (size_t)got;
	}
}

/* Length of the frame at the front; 0: it is not all there. */
static size_t frame_len(const struct peer *peer, size_t *ret_header)
{
	const unsigned char *at = (const unsigned char *)peer->got.at;
	size_t have = peer->got.len, more, len = 0;

	if (have < 2)
		return 0;
	cr_assert_eq(at[1] & MASKED, 0, "a server must not mask");
	cr_assert_eq(at[0] & 0xf0, FINAL);
	more = at[1] < 126 ? 0 : at[1] == 126 ? 2 : 8;
	if (have < 2 + more)
		return 0;
	for (size_t i = 0; i < more; i++)
		len = len << 8 | at[2 + i];
	*ret_header = 2 + more;
	len = *ret_header + (more ? len : at[1]);
	return have < len ? 0 : len;
}

bool peer_next(struct peer *peer, struct frame *ret)
{
	size_t len, header;

	for (int i = 0; !(len = frame_len(peer, &header)) && i < 2000; i++) {
		size_t before = peer->got.len;

		fixture_turn();
		peer_read(peer, SIZE_MAX);
		if (peer->got.len == before)
			break;
	}
	len = frame_len(peer, &header);
	if (!len)
		return false;
	buffer_fini(&ret->payload);
	ret->opcode = peer->got.at[0] & 0x0f;
	buffer_append(&ret->payload, peer->got.at + header, len - header);
	buffer_append_char(&ret->payload, '\0');
	ret->payload.len--;
	const unsigned char *payload = (const unsigned char *)ret->payload.at;
	ret->code = ret->payload.len < 2 ? WS_CLOSE_NO_STATUS
					 : (uint16_t)(payload[0] << 8 | payload[1]);
	buffer_consume(&peer->got, len);
	return true;
}

void peer_expect(struct peer *peer, const char *text)
{
	struct frame frame = {0};

	cr_assert(peer_next(peer, &frame), "nothing came instead of %s", text);
	cr_assert_eq(frame.opcode, WS_TEXT, "opcode %d (code %u) instead of %s", frame.opcode,
		     frame.code, text);
	cr_assert_str_eq(frame.payload.at, text);
	buffer_fini(&frame.payload);
}

void peer_expect_part(struct peer *peer, const char *part)
{
	struct frame frame = {0};

	cr_assert(peer_next(peer, &frame), "nothing came instead of %s", part);
	cr_assert_eq(frame.opcode, WS_TEXT, "opcode %d (code %u) instead of %s", frame.opcode,
		     frame.code, part);
	cr_assert(strstr(frame.payload.at, part), "%s in %s", part, frame.payload.at);
	buffer_fini(&frame.payload);
}

void peer_expect_close(struct peer *peer, uint16_t code)
{
	struct frame frame = {0};

	cr_assert(peer_next(peer, &frame), "nothing came instead of a Close %u", code);
	cr_assert_eq(frame.opcode, WS_CLOSE, "opcode %d: %s", frame.opcode, frame.payload.at);
	cr_assert_eq(frame.code, code, "%u: %s", frame.code, frame.payload.at + 2);
	buffer_fini(&frame.payload);
}

void peer_expect_nothing(struct peer *peer)
{
	struct frame frame = {0};
	bool came = peer_next(peer, &frame);

	cr_assert(!came, "opcode %d: %s", frame.opcode, came ? frame.payload.at : "");
	cr_assert(!peer->ended);
}

void peer_expect_end(struct peer *peer)
{
	struct frame frame = {0};
	bool came = peer_next(peer, &frame);

	cr_assert(!came, "opcode %d: %s", frame.opcode, came ? frame.payload.at : "");
	cr_assert(peer->ended);
}

void peer_be_sent(struct peer *peer, char c, size_t len)
{
	struct batch *batch = fixture_batch(c, len);

	connection_send(peer->connection, batch);
	batch_put(batch);
}

void peer_expect_run(struct peer *peer, char c, size_t len)
{
	struct frame frame = {0};

	cr_assert(peer_next(peer, &frame), "no frame of %zu %c", len, c);
	cr_assert_eq(frame.opcode, WS_TEXT, "opcode %d code %u instead of %zu %c", frame.opcode,
		     frame.code, len, c);
	cr_assert_eq(frame.payload.len, len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(frame.payload.at[i], c);
	buffer_fini(&frame.payload);
}

void peer_expect_opcode(struct peer *peer, enum ws_opcode opcode)
{
	struct frame frame = {0};

	cr_assert(peer_next(peer, &frame));
	cr_assert_eq(frame.opcode, opcode);
	buffer_fini(&frame.payload);
}
