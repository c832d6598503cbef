#include "websocket_fixture.h"

#include "address_count.h"
#include "auth.h"
#include "config_table.h"
#include "event.h"
#include "http.h"
#include "ring_layout.h"
#include "shm.h"
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FINAL 0x80
#define MASKED 0x80
#define RING_SIZE RING_SIZE_MIN
#define EPOCH UINT64_C(0x5eed5eed5eed5eed)

struct fixture fixture;

/* --- what worker.c and operations.c would be --------------------------------- */

int64_t worker_now_ms(void)
{
	return fixture.wall_ahead_ms + fixture.now_ms;
}

int64_t worker_monotonic_ms(void)
{
	return fixture.now_ms;
}

void worker_random_name(char *ret, size_t len)
{
	static unsigned count;

	snprintf(ret, len + 1, "%0*u", (int)len, ++count);
}

static void ask(operation_done_fn done, void *arg)
{
	if (fixture.answered_count == fixture.asked_count)
		fixture.answered_count = fixture.asked_count = 0;
	MUST(fixture.asked_count < ARRAY_LEN(fixture.asked));
	fixture.asked[fixture.asked_count++] = (struct asked){done, arg};
	if (fixture.answer_at_once)
		fixture_answer("{\"at\":\"once\"}");
}

void operations_write(struct operations *operations, const struct write_request *request,
		      operation_done_fn done, void *arg)
{
	(void)operations;
	(void)request;
	ask(done, arg);
}

void operations_read(struct operations *operations, const struct read_request *request,
		     operation_done_fn done, void *arg)
{
	(void)operations;
	(void)request;
	ask(done, arg);
}

void operations_list(struct operations *operations, const struct store_list_query *query,
		     operation_done_fn done, void *arg)
{
	(void)operations;
	(void)query;
	ask(done, arg);
}

int operations_parse_members(const struct json *doc, uint32_t object, const char *const *others,
			     bool data_needed, struct write_request *ret, struct outcome *ret_fault)
{
	uint32_t data = json_member(doc, object, SPAN("data"));

	(void)others;
	if (data)
		ret->data = json_raw(doc, data);
	else if (data_needed)
		*ret_fault = outcome_refusal(422, "data_missing", "\"data\" is missing");
	return data || !data_needed ? 0 : -EINVAL;
}

void operations_history(struct operations *operations, const struct history_query *query,
			operation_done_fn done, void *arg)
{
	(void)operations;
	(void)query;
	ask(done, arg);
}

int operations_parse_restore(const struct json *doc, uint32_t object, const char *const *others,
			     struct write_request *ret, struct outcome *ret_fault)
{
	return operations_parse_members(doc, object, others, false, ret, ret_fault);
}

void fixture_answer(const char *envelope)
{
	struct outcome outcome = {.status = 200, .envelope = span_string(envelope)};

	MUST(fixture.answered_count < fixture.asked_count);
	struct asked asked = fixture.asked[fixture.answered_count++];
	asked.done(&outcome, asked.arg);
}

/* --- life -------------------------------------------------------------------- */

static void make_ring(struct inherit *inherit)
{
	size_t len = ring_memory_len(RING_SIZE);
	void *memory, *shared;

	MUST(!shm_create("ring", SHM_PAGE + len, &inherit->ring_fd));
	MUST(!shm_map(inherit->ring_fd, 0, SHM_PAGE, true, &shared));
	MUST(!shm_map(inherit->ring_fd, SHM_PAGE, len, true, &memory));
	fixture.shared = shared;
	fixture.shared->epoch = EPOCH;
	ring_writer_init(&fixture.ring, memory, RING_SIZE, EPOCH);
	inherit->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void fixture_init(void)
{
	static struct inherit inherit;

	fixture.config = config_create();
	fixture.config->ring_size = RING_SIZE;
	fixture.config->ws_max_message = 8192;
	fixture.config->fanout_io_uring = getenv("SYNCDOC_TEST_IO_URING");
	make_ring(&inherit);
	inherit.config = fixture.config;
	fixture.now_ms = 1000000;
	fixture.wall_ahead_ms = 1700000000000;
	fixture.worker = (struct worker){
		.inherit = &inherit,
		.config = fixture.config,
		.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV),
		.slot = calloc(1, sizeof(struct slot)),
		.shared = fixture.shared,
		.hash_seed = EPOCH,
	};
	MUST(fixture.worker.loop && fixture.worker.slot);
	fixture.worker.auth = auth_create(fixture.config, fixture.worker.slot);
	fixture.worker.addresses = address_count_create(EPOCH);
}

void fixture_start(void)
{
	fixture.worker.websockets = websockets_create(&fixture.worker);
	MUST(fixture.worker.websockets);
}

void fixture_fini(void)
{
	websockets_destroy(fixture.worker.websockets);
	while (fixture.answered_count < fixture.asked_count)
		fixture_answer("{}");
	auth_destroy(fixture.worker.auth);
	address_count_destroy(fixture.worker.addresses);
	ev_loop_destroy(fixture.worker.loop);
	close(fixture.worker.inherit->ring_fd);
	close(fixture.worker.inherit->wake_fd);
	munmap(fixture.ring.memory, ring_memory_len(RING_SIZE));
	munmap(fixture.shared, SHM_PAGE);
	free(fixture.worker.slot);
	config_destroy(fixture.config);
}

void fixture_turn(void)
{
	for (int i = 0; i < 6; i++)
		ev_run(fixture.worker.loop, EVRUN_NOWAIT);
}

/* --- the ring ---------------------------------------------------------------- */

static void publish(struct buffer *record)
{
	MUST(!ring_publish(&fixture.ring, 1, buffer_span(record)));
	buffer_fini(record);
}

void fixture_mark(const char *position)
{
	struct buffer record = {0};

	event_record_format_mark(&record, span_string(position));
	publish(&record);
}

void fixture_activate(const char *position)
{
	atomic_store(&fixture.shared->subscription_active, 1);
	fixture_mark(position);
	fixture_turn();
}

static void publish_event(enum topic_event name, const char *id, uint64_t revision,
			  struct span data)
{
	struct event event = {.name = name,
			      .service = SPAN("s"),
			      .id = span_string(id),
			      .revision = revision,
			      .timestamp_ms = 1,
			      .data = data,
			      .diff = SPAN("{}")};
	struct buffer text = {0}, record = {0};
	struct event_segments segments;
	struct json scratch = {0};

	event_format(&text, &event);
	MUST(!event_parse(buffer_span(&text), &scratch, &segments));
	event_record_format(&record, &segments, SPAN("p-1"), EPOCH);
	publish(&record);
	buffer_fini(&text);
	json_fini(&scratch);
}

void fixture_publish(const char *id, uint64_t revision, struct span data)
{
	publish_event(TOPIC_UPDATED, id, revision, data);
}

void fixture_publish_deleted(const char *id, uint64_t revision)
{
	publish_event(TOPIC_DELETED, id, revision, SPAN("{}"));
}

void fixture_publish_presence(const char *id)
{
	struct event_presence presence = {SPAN("[]"), SPAN("[]"), SPAN("[]"), 1};
	struct buffer text = {0}, record = {0};
	struct event_segments segments;
	struct json scratch = {0};

	event_format_presence(&text, SPAN("s"), span_string(id), 1, &presence);
	MUST(!event_parse(buffer_span(&text), &scratch, &segments));
	event_record_format(&record, &segments, SPAN("p-1"), EPOCH);
	publish(&record);
	buffer_fini(&text);
	json_fini(&scratch);
}

/* --- peers ------------------------------------------------------------------- */

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

void fixture_publish_run(uint64_t revision, size_t len)
{
	struct buffer data = {0};

	buffer_append_string(&data, "{\"x\":\"");
	memset(buffer_reserve(&data, len), 'x', len);
	data.len += len;
	buffer_append_string(&data, "\"}");
	fixture_publish("d", revision, buffer_span(&data));
	buffer_fini(&data);
}

struct batch *fixture_batch(char c, size_t len)
{
	struct buffer payload = {0}, frame = {0};

	memset(buffer_reserve(&payload, len), c, len);
	payload.len = len;
	ws_frame_append(&frame, WS_TEXT, buffer_span(&payload));
	struct batch *batch = batch_of_bytes(buffer_span(&frame));
	buffer_fini(&payload);
	buffer_fini(&frame);
	return batch;
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
