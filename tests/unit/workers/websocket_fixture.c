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
#include <unistd.h>

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
