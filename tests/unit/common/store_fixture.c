#include "store_fixture.h"
#include "clock.h"

#include <criterion/criterion.h>

static void keep(struct buffer *buffer, struct span text)
{
	buffer->len = 0;
	buffer_append_span(buffer, text);
	buffer_append_char(buffer, '\0');
	buffer->len--;
}

const char *store_fixture_text(const struct buffer *buffer)
{
	return buffer->at ? buffer->at : "";
}

void store_fixture_open(struct store_fixture *fixture, enum config_encoding encoding)
{
	if (encoding == CONFIG_ENCODING_JSON && !fixture_has_json())
		cr_skip_test("SYNCDOC_TEST_REDIS_ARGS names no server with JSON.SET");
	*fixture = (struct store_fixture){0};
	fixture->now_ms = clock_real_ms();
	fixture->config = (struct config){
		.redis_encoding = encoding,
		.redis_timeout_ms = 30000, /* not to be met */
		.redis_password_file = (char *)"",
		.redis_sentinel_user = (char *)"",
		.redis_sentinel_password_file = (char *)"",
		.documents_tombstone_ttl_ms = INT64_C(7) * 24 * 3600 * 1000,
		.history_max = 100,
		.history_max_bytes = 1024 * 1024,
	};
	fixture_open(&fixture->redis, NULL);
	store_fixture_open_again(fixture);
}

void store_fixture_open_again(struct store_fixture *fixture)
{
	store_destroy(fixture->store);
	fixture->store = store_create(fixture->redis.loop, &fixture->config, fixture->redis.url, 7);
	for (int i = 0; i < 6000 && !store_is_ready(fixture->store); i++)
		fixture_run_for(&fixture->redis, 5);
	cr_assert(store_is_ready(fixture->store));
}

void store_fixture_close(struct store_fixture *fixture)
{
	store_destroy(fixture->store);
	fixture_close(&fixture->redis);
	buffer_fini(&fixture->envelope);
	buffer_fini(&fixture->token);
}

void store_fixture_on_write(int error, const struct store_write_result *result, void *arg)
{
	struct store_fixture *fixture = arg;
	fixture->calls++;
	fixture->error = error;
	cr_assert_eq(result == NULL, error != 0);
	if (!result)
		return;
	fixture->answer = result->answer;
	fixture->first_sequence = result->first_sequence;
	fixture->key_index = result->key_index;
	fixture->key_revision = result->key_revision;
	keep(&fixture->envelope, result->envelope);
}

void store_fixture_write_begin(struct store_fixture *fixture, struct writer *writer, const char *op,
			       const char *data, size_t count)
{
	struct store_revision revisions[16] = {0};
	char requests[16][32], events[16][32];
	struct document *document = &writer->document;
	struct store_batch batch = {
		.service = SERVICE,
		.id = writer->id,
		.base_revision = document->revision,
		.base_updated_at_ms = document->updated_at_ms,
		.base_expires_at_ms = document->revision ? document->expires_at_ms : 0,
		.base_deleted = document->deleted,
		.final = *document,
		.revisions = revisions,
		.count = count,
	};
	cr_assert_leq(count, 16);
	batch.final.service = SERVICE;
	batch.final.id = writer->id;
	batch.final.data = span_string(data);
	batch.final.deleted = strcmp(op, "delete") == 0 || strcmp(op, "expire") == 0;
	if (!batch.final.created_at_ms)
		batch.final.created_at_ms = batch.final.updated_at_ms = fixture->now_ms;
	for (size_t i = 0; i < count; i++) {
		batch.final.revision++;
		batch.final.updated_at_ms++;
		snprintf(requests[i], sizeof(requests[i]), "req-%.*s-%llu", (int)writer->id.len,
			 writer->id.at, (unsigned long long)batch.final.revision);
		snprintf(events[i], sizeof(events[i]), "event %llu",
			 (unsigned long long)batch.final.revision);
		revisions[i] = (struct store_revision){
			.op = span_string(op),
			.at_ms = batch.final.updated_at_ms,
			.by = SPAN("ann"),
			.request = span_string(requests[i]),
			.key = writer->key,
			.reversible = writer->reversible.len ? writer->reversible : SPAN("{}"),
			.event = span_string(events[i]),
		};
	}
	store_write(fixture->store, &batch, store_fixture_on_write, fixture);
	writer->document = batch.final;
}

enum store_write_answer store_fixture_write(struct store_fixture *fixture, struct writer *writer,
					    const char *op, const char *data, size_t count)
{
	struct document before = writer->document;
	int calls = fixture->calls;
	store_fixture_write_begin(fixture, writer, op, data, count);
	cr_assert_eq(fixture->calls, calls, "not from inside the call");
	fixture_run_until(&fixture->redis, &fixture->calls, calls + 1);
	cr_assert_eq(fixture->error, 0, "write: %s", strerror(-fixture->error));
	if (fixture->answer != STORE_WRITTEN)
		writer->document = before;
	return fixture->answer;
}

void store_fixture_on_read(int error, struct span envelope, void *arg)
{
	struct store_fixture *fixture = arg;
	fixture->calls++;
	fixture->error = error;
	keep(&fixture->envelope, envelope);
}

const char *store_fixture_read(struct store_fixture *fixture, const char *id)
{
	int calls = fixture->calls;
	store_read(fixture->store, SERVICE, span_string(id), store_fixture_on_read, fixture);
	cr_assert_eq(fixture->calls, calls);
	fixture_run_until(&fixture->redis, &fixture->calls, calls + 1);
	return store_fixture_text(&fixture->envelope);
}

static void on_list(int error, struct span items, struct span token, void *arg)
{
	struct store_fixture *fixture = arg;
	fixture->calls++;
	fixture->error = error;
	keep(&fixture->envelope, items);
	keep(&fixture->token, token);
}

const char *store_fixture_list(struct store_fixture *fixture, struct store_list_query query,
			       bool goes_on)
{
	int calls = fixture->calls;
	CLEANUP(buffer_fini) struct buffer token = {0};
	query.service = SERVICE;
	query.now_ms = fixture->now_ms;
	if (goes_on) {
		buffer_append_span(&token, buffer_span(&fixture->token));
		query.page_token = buffer_span(&token);
	}
	store_list(fixture->store, &query, on_list, fixture);
	cr_assert_eq(fixture->calls, calls);
	fixture_run_until(&fixture->redis, &fixture->calls, calls + 1);
	return store_fixture_text(&fixture->envelope);
}

const char *store_fixture_ids(const struct store_fixture *fixture)
{
	static struct buffer ids;
	CLEANUP(json_fini) struct json doc = {0};
	struct json_fault fault;
	cr_assert_eq(json_parse(&doc, buffer_span(&fixture->envelope), 64, &fault), 0, "%s: %s",
		     fault.reason, store_fixture_text(&fixture->envelope));
	ids.len = 0;
	for (uint32_t i = 1; i < doc.tokens[0].next; i = doc.tokens[i].next) {
		if (ids.len)
			buffer_append_char(&ids, ' ');
		cr_assert_eq(json_string(&doc, json_member(&doc, i, SPAN("id")), &ids), 0);
	}
	buffer_append_char(&ids, '\0');
	return ids.at;
}

void store_fixture_assert_mismatch(struct store_fixture *fixture, struct writer stale,
				   const char *envelope)
{
	cr_assert_eq(store_fixture_write(fixture, &stale, "replace", "{\"stale\":1}", 1),
		     STORE_MISMATCH);
	cr_assert_str_eq(store_fixture_text(&fixture->envelope), envelope);
}

void store_fixture_assert_ttl(struct store_fixture *fixture, const char *command, int64_t until_ms)
{
	int64_t ttl = strtoll(fixture_ask(&fixture->redis, command), NULL, 10);
	cr_assert(ttl > until_ms - fixture->now_ms - 20000 && ttl <= until_ms - fixture->now_ms,
		  "%s: %lld ms, not about %lld", command, (long long)ttl,
		  (long long)(until_ms - fixture->now_ms));
}

static void on_found(int error, const struct store_found *found, void *arg)
{
	struct store_fixture *fixture = arg;
	fixture->error = error;
	if (found) {
		fixture->found = *found;
		store_fixture_on_read(error, found->envelope, fixture);
	} else {
		fixture->calls++;
	}
}

bool store_fixture_find(struct store_fixture *fixture, const char *request)
{
	int calls = fixture->calls;
	store_find_request(fixture->store, SERVICE, SPAN("a"), span_string(request), on_found,
			   fixture);
	fixture_run_until(&fixture->redis, &fixture->calls, calls + 1);
	cr_assert_eq(fixture->error, 0);
	return fixture->found.found;
}
