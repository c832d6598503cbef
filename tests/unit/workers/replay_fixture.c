#include "replay_fixture.h"

#define ENTRIES_MAX 4

struct replay_store store;

void store_history(struct store *unused, const struct store_history_query *query,
		   store_history_fn fn, void *arg)
{
	(void)unused;
	cr_assert_lt(store.asked, ARRAY_LEN(store.reads));
	store.reads[store.asked].history = fn;
	store.reads[store.asked].arg = arg;
	store.reads[store.asked].above = query->above;
	store.reads[store.asked++].after = query->after;
}

void store_since(struct store *unused, const struct store_since_query *query, store_since_fn fn,
		 void *arg)
{
	(void)unused;
	store.reads[store.asked].changed = fn;
	store.reads[store.asked].arg = arg;
	store.reads[store.asked++].after = query->after;
}

void answer_revision(uint64_t revision, uint64_t sequence)
{
	static char texts[ENTRIES_MAX][96];
	static struct store_history_entry entries[ENTRIES_MAX];
	size_t count = revision < ENTRIES_MAX ? revision : ENTRIES_MAX;
	struct buffer data = {0};

	buffer_printf(&data, "{\"n\":%d", (int)revision);
	if (store.pad)
		buffer_printf(&data, ",\"x\":\"%0*d\"", (int)store.pad, 0);
	buffer_append_char(&data, '}');
	for (size_t i = 0; i < count; i++) {
		int number = (int)(revision - i);

		snprintf(texts[i], sizeof(texts[i]),
			 number == 1 ? "{\"added\":{\"n\":%d},\"removed\":{},\"changed\":{}}"
				     : "{\"added\":{},\"removed\":{},\"changed\":{\"n\":{\"from\":"
				       "%d,\"to\":%d}}}",
			 number == 1 ? 1 : number - 1, number);
		entries[i] = (struct store_history_entry){.revision = revision - i,
							  .at_ms = 100 + number,
							  .sequence = sequence - i,
							  .op = number == 1 ? SPAN("create")
									    : SPAN("replace"),
							  .has_diff = true,
							  .reversible = span_string(texts[i])};
	}
	struct store_history history = {.document = {.revision = revision,
						     .updated_at_ms = 100 + (int64_t)revision,
						     .created_at_ms = 101,
						     .service = SPAN("s"),
						     .id = SPAN("d"),
						     .data = buffer_span(&data)},
					.envelope = SPAN("{\"stored\":true}"),
					.sequence = sequence,
					.entries = entries,
					.count = count};
	cr_assert_lt(store.answered, store.asked);
	size_t at = store.answered++;
	store.reads[at].history(0, &history, store.reads[at].arg);
	buffer_fini(&data);
}

void answer_error(int error)
{
	size_t at = store.answered++;

	if (store.reads[at].history)
		store.reads[at].history(error, NULL, store.reads[at].arg);
	else
		store.reads[at].changed(error, NULL, store.reads[at].arg);
}

void answer_changed(uint64_t sequence, const struct store_since_document *documents, size_t count)
{
	struct store_since changed = {.sequence = sequence, .documents = documents, .count = count};
	size_t at = store.answered++;

	store.reads[at].changed(0, &changed, store.reads[at].arg);
}

struct peer replay_start(int sndbuf)
{
	fixture_start();
	fixture_activate(RUN "-10");
	return peer_connect(sndbuf);
}

void subscribe(struct peer *peer, const char *text)
{
	peer_send_text(peer, text);
	fixture_turn();
}

void publish_padded(const char *id, uint64_t revision, int pad)
{
	struct buffer data = {0};

	buffer_printf(&data, "{\"x\":\"%0*d\"}", pad, 0);
	fixture_publish(id, revision, buffer_span(&data));
	buffer_fini(&data);
	fixture_turn();
}

uint64_t next_revision(struct peer *peer, const char *id)
{
	struct frame frame = {0};
	char wanted[64];

	cr_assert(peer_next(peer, &frame), "an event of %s", id);
	snprintf(wanted, sizeof(wanted), "\"documentId\":\"%s\",\"revision\":", id);
	const char *at = strstr(frame.payload.at, wanted);
	cr_assert(at, "an event of %s, not %.300s", id, frame.payload.at);
	uint64_t revision = strtoull(at + strlen(wanted), NULL, 10);
	buffer_fini(&frame.payload);
	return revision;
}
