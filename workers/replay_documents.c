/* replay_documents.c — what a replay is about: its subscriptions, the documents it tells of, and
 * how far it has come with each. */
#include "replay_private.h"

#include "hash.h"

/* --- subscriptions ----------------------------------------------------------- */

bool replay_covers(const struct replay *replay, struct span service, struct span id)
{
	const struct subscription_spec *common = &replay->specs[0];

	if ((common->id.len && !span_equals(common->id, id)) ||
	    !span_starts_with(id, common->prefix))
		return false;
	for (unsigned i = 0; i < replay->spec_count; i++) {
		const struct topic *topic = &replay->specs[i].topic;

		if (!topic->service.len || span_equals(topic->service, service))
			return true;
	}
	return false;
}

bool replay_matches(const struct replay *replay, struct span service, enum topic_event name)
{
	for (unsigned i = 0; i < replay->spec_count; i++)
		if (topic_matches(&replay->specs[i].topic, service, name))
			return true;
	return false;
}

/* --- documents --------------------------------------------------------------- */

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

static void add_documents(struct replay *replay, const struct store_since_document *documents,
			  size_t count)
{
	uint64_t seed = replay_worker(replay)->hash_seed;

	replay->count = (uint32_t)count;
	replay->documents = calloc(count + 1, sizeof(*replay->documents));
	for (replay->table_size = 4; replay->table_size < count * 2;)
		replay->table_size *= 2;
	replay->table = calloc(replay->table_size, sizeof(*replay->table));
	MUST(replay->documents && replay->table);
	for (uint32_t i = 0; i < count; i++) {
		replay->documents[i] = (struct replay_document){
			.hash = hash_span(hash_span(seed, documents[i].service), documents[i].id),
			.sequence = documents[i].sequence,
			.name = (uint32_t)replay->names.len,
			.service_len = (uint8_t)documents[i].service.len,
			.id_len = (uint8_t)documents[i].id.len,
		};
		buffer_append_span(&replay->names, documents[i].service);
		buffer_append_span(&replay->names, documents[i].id);
		put_into_table(replay, i);
	}
	replay->replays->set->document_count += count;
}

static void let_go(struct replay *replay)
{
	replay->names = (struct buffer){0};
	replay->documents = NULL;
	replay->table = NULL;
	replay->count = replay->next = replay->table_size = 0;
}

/* How far a former round has come with each. */
static void carry_over(struct replay *replay, const struct replay *former)
{
	for (uint32_t i = 0; i < replay->count; i++) {
		struct replay_document *document = &replay->documents[i];
		const struct replay_document *old = replay_find(former, document->hash);

		if (!old)
			continue;
		document->revision = old->revision;
		document->at_ms = old->at_ms;
		document->untold = old->untold;
	}
}

void replay_set_documents(struct replay *replay, const struct store_since_document *documents,
			  size_t count)
{
	struct replay former = *replay;

	let_go(replay);
	add_documents(replay, documents, count);
	carry_over(replay, &former);
	replay_documents_fini(&former);
	replay->listed = true;
}

void replay_documents_fini(struct replay *replay)
{
	replay->replays->set->document_count -= replay->count;
	buffer_fini(&replay->names);
	free(replay->documents);
	free(replay->table);
	let_go(replay);
}

struct span replay_service(const struct replay *replay, const struct replay_document *document)
{
	return span_of(replay->names.at + document->name, document->service_len);
}

struct span replay_id(const struct replay *replay, const struct replay_document *document)
{
	return span_of(replay->names.at + document->name + document->service_len, document->id_len);
}
