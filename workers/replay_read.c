/* replay_read.c — what a replay reads from Redis, and what the client is told of it. */
#include "replay_private.h"

#include "fanout.h"
#include "hash.h"
#include "principal.h"

static struct worker *worker_of(const struct replay *replay)
{
	return replay->replays->connection->websockets->worker;
}

/* --- positions --------------------------------------------------------------- */

int position_parse(struct span text, struct position *ret)
{
	struct position position = {.run = ""};

	if (text.len < 10 || text.len > 8 + 1 + 19 || text.at[8] != '-')
		return -EINVAL;
	for (size_t i = 0; i < 8; i++)
		if (!(text.at[i] >= '0' && text.at[i] <= '9') &&
		    !(text.at[i] >= 'a' && text.at[i] <= 'f'))
			return -EINVAL;
	memcpy(position.run, text.at, 8);
	for (size_t i = 9; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -EINVAL;
		position.sequence = position.sequence * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = position;
	return 0;
}

/* --- the documents of a replay ----------------------------------------------- */

const struct replay_document *replay_find(const struct replay *replay, uint64_t hash)
{
	if (!replay->table_size)
		return NULL;
	for (uint32_t place = (uint32_t)hash;; place++) {
		uint32_t number = replay->table[place & (replay->table_size - 1)];

		if (!number)
			return NULL;
		if (replay->documents[number - 1].hash == hash)
			return &replay->documents[number - 1];
	}
}

static void put_into_table(struct replay *replay, uint32_t number)
{
	uint32_t place = (uint32_t)replay->documents[number].hash;

	while (replay->table[place & (replay->table_size - 1)])
		place++;
	replay->table[place & (replay->table_size - 1)] = number + 1;
}

void replay_set_documents(struct replay *replay, const struct store_since_document *documents,
			  size_t count)
{
	uint64_t seed = worker_of(replay)->hash_seed;

	replay->listed = true;
	replay->count = (uint32_t)count;
	replay->documents = calloc(count + 1, sizeof(*replay->documents));
	for (replay->table_size = 4; replay->table_size < count * 2;)
		replay->table_size *= 2;
	replay->table = calloc(replay->table_size, sizeof(*replay->table));
	MUST(replay->documents && replay->table);
	for (uint32_t i = 0; i < count; i++) {
		replay->documents[i] = (struct replay_document){
			.hash = hash_span(hash_span(seed, documents[i].service), documents[i].id),
			.name = (uint32_t)replay->names.len,
			.service_len = (uint8_t)documents[i].service.len,
			.id_len = (uint8_t)documents[i].id.len,
		};
		buffer_append_span(&replay->names, documents[i].service);
		buffer_append_span(&replay->names, documents[i].id);
		put_into_table(replay, i);
	}
	replay->replays->connection->websockets->replays->document_count += count;
}

static struct span service_of(const struct replay *replay, const struct replay_document *document)
{
	return span_of(replay->names.at + document->name, document->service_len);
}

static struct span id_of(const struct replay *replay, const struct replay_document *document)
{
	return span_of(replay->names.at + document->name + document->service_len, document->id_len);
}

/* --- answers ----------------------------------------------------------------- */

void replay_answer(struct replay *replay, const char *outcome, struct span position,
		   const struct span *document)
{
	struct connection *connection = replay->replays->connection;
	struct buffer *text =
		session_answer_begin(connection, "subscribed", buffer_span(&replay->message_id));

	replay->answered = true;
	subscribe_append(text, &replay->subscribe.spec);
	buffer_printf(text, ",\"outcome\":\"%s\",\"position\":", outcome);
	buffer_append_json(text, position);
	if (document) {
		buffer_append_string(text, ",\"document\":");
		buffer_append_span(text, document->len ? *document : SPAN("null"));
		stat_add(worker_of(replay)->slot, STAT_replay_snapshots, 1);
	}
	session_answer_end(connection);
}

void replay_send_resync(struct replay *replay, const struct replay_document *document,
			const char *reason)
{
	struct connection *connection = replay->replays->connection;
	struct buffer *text = session_answer_begin(connection, "resync", SPAN_NONE);
	struct subscription_spec spec = replay->subscribe.spec;

	spec.mode = 0; /* none is shown */
	if (document)
		spec.prefix = SPAN_NONE;
	subscribe_append(text, &spec);
	if (document) {
		buffer_append_string(text, ",\"service\":");
		buffer_append_json(text, service_of(replay, document));
		buffer_append_string(text, ",\"documentId\":");
		buffer_append_json(text, id_of(replay, document));
	}
	buffer_printf(text, ",\"reason\":\"%s\"", reason);
	session_answer_end(connection);
	stat_add(worker_of(replay)->slot, STAT_resyncs_sent, 1);
}

static void send_batch(struct replay *replay, struct batch *batch)
{
	size_t events = batch_events(batch);

	if (events && connection_send(replay->replays->connection, batch)) {
		stat_add(worker_of(replay)->slot, STAT_replay_events, events);
		stat_add(worker_of(replay)->slot, STAT_deliveries_total, events);
	}
	batch_put(batch);
}

/* The answer goes before it into the same queue. */
static size_t frames_budget(const struct replay *replay)
{
	size_t most = worker_of(replay)->config->ws_queue;

	return most - most / 8;
}

/* --- since ------------------------------------------------------------------- */

/* The revision the client holds is one of this document's, as far as it can be told. */
static bool holds_ours(const struct resume *resume, const struct store_history *history)
{
	const struct document *document = &history->document;
	size_t missed = document->revision - resume->revision;

	if (!document->revision || document->created_at_ms != resume->created_at_ms ||
	    resume->revision > document->revision)
		return false;
	if (resume->updated_at_ms < 0)
		return true;
	if (!missed)
		return document->updated_at_ms == resume->updated_at_ms;
	return missed < history->count && history->entries[missed].revision == resume->revision &&
	       history->entries[missed].at_ms == resume->updated_at_ms;
}

static void answer_since(struct replay *replay, const struct store_history *history)
{
	const struct resume *resume = &replay->subscribe.resume;
	struct span position = buffer_span(&replay->position);
	struct batch *batch;

	if (resume->kind == RESUME_SINCE && holds_ours(resume, history)) {
		size_t missed = history->document.revision - resume->revision;

		if (!missed) {
			replay_answer(replay, "live", position, NULL);
			return;
		}
		if (!replay_frames(replay->replays->connection->websockets->replays, replay,
				   history, missed, frames_budget(replay), &batch)) {
			replay_answer(replay, "replayed", position, NULL);
			send_batch(replay, batch);
			return;
		}
	}
	replay_answer(replay, "snapshot", position, &history->envelope);
}

/* --- after ------------------------------------------------------------------- */

/* Entries after the position; -ENODATA: some may be gone. */
static int count_missed(const struct store_history *history, uint64_t after, size_t *ret)
{
	size_t missed = 0;

	while (missed < history->count && history->entries[missed].sequence > after)
		missed++;
	if (!missed || (missed == history->count && history->entries[missed - 1].revision != 1))
		return -ENODATA;
	*ret = missed;
	return 0;
}

static bool may_read(const struct replay *replay, struct span service, struct span id)
{
	return principal_allows(replay->replays->connection->principal, service, id, RIGHT_READ);
}

static void replay_document(struct replay *replay, const struct replay_document *document,
			    const struct store_history *history)
{
	struct position after;
	struct batch *batch;
	size_t missed;

	MUST(!position_parse(buffer_span(&replay->subscribe.after), &after));
	if (!may_read(replay, service_of(replay, document), id_of(replay, document)))
		return; /* a refresh has taken it away since */
	if (!history->document.revision || count_missed(history, after.sequence, &missed) ||
	    replay_frames(replay->replays->connection->websockets->replays, replay, history, missed,
			  frames_budget(replay), &batch))
		replay_send_resync(replay, document, "history");
	else
		send_batch(replay, batch);
}

static const char *reason_against(const struct replay *replay, const struct store_since *changed,
				  uint64_t after)
{
	const struct replay_set *set = replay->replays->connection->websockets->replays;

	if (after > changed->sequence)
		return "rollback";
	if (changed->is_too_many || changed->purged > after ||
	    set->document_count + changed->count > REPLAY_DOCUMENTS_MAX)
		return "history";
	return NULL;
}

static void set_allowed_documents(struct replay *replay, const struct store_since *changed)
{
	struct store_since_document *allowed = calloc(changed->count + 1, sizeof(*allowed));
	size_t count = 0;

	MUST(allowed);
	for (size_t i = 0; i < changed->count; i++)
		if (may_read(replay, changed->documents[i].service, changed->documents[i].id))
			allowed[count++] = changed->documents[i];
	replay_set_documents(replay, allowed, count);
	free(allowed);
}

static void answer_after(struct replay *replay, const struct store_since *changed)
{
	struct position after;

	MUST(!position_parse(buffer_span(&replay->subscribe.after), &after));
	const char *reason = reason_against(replay, changed, after.sequence);
	replay->sequence = changed->sequence;
	if (reason) {
		/* From the present on: what the client reads anew now is not older. */
		replay->listed = true;
		stat_add(worker_of(replay)->slot, STAT_replay_refusals, 1);
		replay_answer(replay, "live", fanout_position(worker_of(replay)->fanout), NULL);
		replay_send_resync(replay, NULL, reason);
		return;
	}
	set_allowed_documents(replay, changed);
	replay_answer(replay, replay->count ? "replayed" : "live", buffer_span(&replay->position),
		      NULL);
}

/* --- reads ------------------------------------------------------------------- */

/* Returns the replay; NULL: it is gone. */
static struct replay *read_end(struct replay_read *read)
{
	struct replay_set *set = read->set;
	struct replay *replay = read->replay;

	if (set) {
		TAILQ_REMOVE(&set->reads, read, link);
		set->read_count--;
	}
	if (replay)
		replay->read = NULL;
	free(read);
	return replay;
}

/* Those that waited for their turn to read. One that is called may not read after all (its queue is
 * full, its replay gone): then the next is called. Who wants again goes to the end, behind `last`.
 */
static void let_next_read(struct replay_set *set)
{
	struct replays *next, *last = set ? TAILQ_LAST(&set->wanting, replays_list) : NULL;

	while (last && set->read_count < REPLAY_READS_MAX && (next = TAILQ_FIRST(&set->wanting))) {
		bool was_last = next == last;

		TAILQ_REMOVE(&set->wanting, next, wanting);
		next->wants = false;
		replays_step(next);
		if (was_last)
			return;
	}
}

static void fail(struct replay *replay, int error)
{
	struct connection *connection = replay->replays->connection;

	if (replay->answered) {
		/* The rest of what was missed cannot be told. */
		replay_send_resync(replay, NULL, "gap");
		replay->next = replay->count;
		return;
	}
	struct outcome refusal = outcome_of_store_error(error);
	session_send_error(connection, buffer_span(&replay->message_id), &refusal);
	replay->answered = true;
	subscription_remove(replay_index(connection), replay_member(connection),
			    &replay->subscribe.spec);
	replay_abandon(replay);
}

static void on_history(int error, const struct store_history *history, void *arg)
{
	struct replay_read *read = arg;
	struct replay_set *set = read->set;
	struct replay *replay = read_end(read);

	if (replay) {
		struct replays *replays = replay->replays;

		if (error) {
			fail(replay, error);
		} else {
			struct replay_document *document = &replay->documents[replay->next++];

			if (replay->subscribe.resume.kind == RESUME_AFTER)
				replay_document(replay, document, history);
			else
				answer_since(replay, history);
			document->revision = history->document.revision;
			document->at_ms = history->document.updated_at_ms;
			if (history->sequence > replay->sequence)
				replay->sequence = history->sequence;
		}
		replays_step(replays);
	}
	let_next_read(set);
}

static void on_changed(int error, const struct store_since *changed, void *arg)
{
	struct replay_read *read = arg;
	struct replay_set *set = read->set;
	struct replay *replay = read_end(read);

	if (replay) {
		struct replays *replays = replay->replays;

		if (error)
			fail(replay, error);
		else
			answer_after(replay, changed);
		replays_step(replays);
	}
	let_next_read(set);
}

static void read_changed(struct replay *replay)
{
	const struct subscription_spec *spec = &replay->subscribe.spec;
	struct position after;

	MUST(!position_parse(buffer_span(&replay->subscribe.after), &after));
	struct store_since_query query = {
		.service = spec->topic.service, .prefix = spec->prefix, .after = after.sequence};
	store_since(worker_of(replay)->store, &query, on_changed, replay->read);
}

static void read_document(struct replay *replay)
{
	const struct replay_document *document = &replay->documents[replay->next];
	const struct resume *resume = &replay->subscribe.resume;
	struct position after = {.sequence = 0};
	struct store_history_query query = {
		.service = service_of(replay, document),
		.id = id_of(replay, document),
		.count = REPLAY_REVISIONS_MAX + 1, /* and the one before */
		.bytes = worker_of(replay)->config->ws_queue,
	};

	if (resume->kind == RESUME_SNAPSHOT) {
		query.count = 1;
		query.bytes = 1;
	} else if (resume->kind == RESUME_SINCE) {
		query.above = resume->revision - 1;
	} else {
		MUST(!position_parse(buffer_span(&replay->subscribe.after), &after));
		query.after = after.sequence;
	}
	store_history(worker_of(replay)->store, &query, on_history, replay->read);
}

bool replay_read_next(struct replay *replay)
{
	struct replays *replays = replay->replays;
	struct replay_set *set = replays->connection->websockets->replays;

	if (set->read_count >= REPLAY_READS_MAX) {
		if (!replays->wants) {
			stat_add(worker_of(replay)->slot, STAT_replay_waits, 1);
			replays->wants = true;
			TAILQ_INSERT_TAIL(&set->wanting, replays, wanting);
		}
		return false;
	}
	struct replay_read *read = calloc(1, sizeof(*read));
	MUST(read);
	*read = (struct replay_read){.set = set, .replay = replay};
	replay->read = read;
	TAILQ_INSERT_TAIL(&set->reads, read, link);
	set->read_count++;
	if (replay->listed)
		read_document(replay);
	else
		read_changed(replay);
	return true;
}
