/* replay_read.c — what a replay reads from Redis, and what becomes of it. */
#include "replay_private.h"

#include "fanout.h"

/* "More than ws.queue bytes" are too much to be replayed. */
static size_t frames_budget(const struct replay *replay)
{
	return replay_worker(replay)->config->ws_queue;
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

static void answer_since(struct replay *replay, struct replay_document *document,
			 const struct store_history *history)
{
	const struct resume *resume = &replay->subscribe.resume;
	struct span position = buffer_span(&replay->position);
	const struct replay_client *client = replay->replays->client;

	if (resume->kind == RESUME_SINCE && holds_ours(resume, history)) {
		size_t missed = history->document.revision - resume->revision;

		if (!missed) {
			client->answer(replay, "live", position, NULL);
			return;
		}
		if (!replay_frames_make(replay, document, history, missed, frames_budget(replay),
					&replay->frames)) {
			client->answer(replay, "replayed", position, NULL);
			return;
		}
	}
	client->answer(replay, "snapshot", position, &history->envelope);
}

/* --- after ------------------------------------------------------------------- */

/* By the round before. updatedAt, too: a purged document begins at revision 1 again. */
static bool is_told(const struct replay_document *document, const struct store_history_entry *entry)
{
	return entry->revision <= document->revision && entry->at_ms <= document->at_ms;
}

/* Entries after the position that were not told; -ENODATA: some may be gone. */
static int count_missed(const struct store_history *history, uint64_t after,
			const struct replay_document *document, size_t *ret)
{
	size_t missed = 0;

	while (missed < history->count && history->entries[missed].sequence > after &&
	       !is_told(document, &history->entries[missed]))
		missed++;
	bool reaches_told = missed < history->count && is_told(document, &history->entries[missed]);
	if (!reaches_told &&
	    (!missed || (missed == history->count && history->entries[missed - 1].revision != 1)))
		return -ENODATA;
	*ret = missed;
	return 0;
}

static bool may_read(const struct replay *replay, struct span service, struct span id)
{
	return replay->replays->client->may_read(replay->replays, service, id);
}

static void replay_document(struct replay *replay, struct replay_document *document,
			    const struct store_history *history)
{
	size_t missed;

	/* A refresh may have taken it away since. */
	if (!may_read(replay, replay_service(replay, document), replay_id(replay, document)))
		return;
	if (!history->document.revision ||
	    count_missed(history, replay->progress.position.sequence, document, &missed) ||
	    replay_frames_make(replay, document, history, missed, frames_budget(replay),
			       &replay->frames))
		replay->replays->client->send_resync(replay, document, "history");
}

/* What of the sequence the client has, in part at least. */
static uint64_t read_from(const struct replay *replay)
{
	return replay->progress.told ? replay->progress.told : replay->progress.position.sequence;
}

static const char *reason_against(const struct replay *replay, const struct store_since *changed)
{
	const struct replay_set *set = replay->replays->set;
	uint64_t after = read_from(replay);

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
	const struct replay_client *client = replay->replays->client;
	const char *reason = reason_against(replay, changed);

	replay->sequence = replay->listed_at = changed->sequence;
	if (reason) {
		stat_add(replay_worker(replay)->slot, STAT_replay_refusals, 1);
		if (!replay->answered)
			client->answer(replay, "live",
				       fanout_position(replay_worker(replay)->fanout), NULL);
		/* From the present on: what the client reads anew now is not older. It counts as
		 * listed only behind that, for what was left to this list is lost. */
		client->send_resync(replay, NULL, reason);
		replay->listed = true;
		return;
	}
	set_allowed_documents(replay, changed);
	if (!replay->answered)
		client->answer(replay, replay->count ? "replayed" : "live",
			       buffer_span(&replay->position), NULL);
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

static void take_history(struct replay *replay, const struct store_history *history)
{
	struct replay_document *document = &replay->documents[replay->next++];

	/* What the round before told in less was sent before this one began; this one tells what
	 * is newer. */
	if (history->document.revision != document->revision ||
	    history->document.updated_at_ms != document->at_ms)
		document->untold = 0;
	if (replay->subscribe.resume.kind == RESUME_AFTER)
		replay_document(replay, document, history);
	else
		answer_since(replay, document, history);
	document->revision = history->document.revision;
	document->at_ms = history->document.updated_at_ms;
	if (document->sequence)
		replay->progress.told = document->sequence;
	if (history->sequence > replay->sequence)
		replay->sequence = history->sequence;
}

/* A refresh may have taken the right away since. A replay by position judges each document: see
 * replay_document(). */
static bool may_be_answered(const struct replay *replay)
{
	const struct subscription_spec *spec = &replay->specs[0];

	return replay->subscribe.resume.kind == RESUME_AFTER ||
	       may_read(replay, spec->topic.service, spec->id);
}

static void on_history(int error, const struct store_history *history, void *arg)
{
	struct replay_read *read = arg;
	struct replay_set *set = read->set;
	struct replay *replay = read_end(read);

	if (replay) {
		struct replays *replays = replay->replays;

		if (!error && !may_be_answered(replay))
			error = -EACCES;
		if (error)
			replays->client->fail(replay, error);
		else
			take_history(replay, history);
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
			replays->client->fail(replay, error);
		else
			answer_after(replay, changed);
		replays_step(replays);
	}
	let_next_read(set);
}

/* The services the subscriptions name, each once. 0: all. */
static size_t services_of(const struct replay *replay, struct span *ret)
{
	size_t count = 0;

	for (unsigned i = 0; i < replay->spec_count; i++) {
		struct span service = replay->specs[i].topic.service;
		size_t same = 0;

		if (!service.len)
			return 0;
		while (same < count && !span_equals(ret[same], service))
			same++;
		if (same == count)
			ret[count++] = service;
	}
	return count;
}

static void read_changed(struct replay *replay)
{
	struct span services[STORE_SINCE_SERVICES_MAX];
	struct store_since_query query = {.services = services,
					  .service_count = services_of(replay, services),
					  .prefix = replay->specs[0].prefix,
					  .id = replay->specs[0].id,
					  .after = read_from(replay)};

	store_since(replay_worker(replay)->store, &query, on_changed, replay->read);
}

static void read_document(struct replay *replay)
{
	const struct replay_document *document = &replay->documents[replay->next];
	const struct resume *resume = &replay->subscribe.resume;
	struct store_history_query query = {
		.service = replay_service(replay, document),
		.id = replay_id(replay, document),
		.count = REPLAY_REVISIONS_MAX + 1, /* and the one before */
		.bytes = replay_worker(replay)->config->ws_queue,
	};

	if (resume->kind == RESUME_SNAPSHOT) {
		query.count = 1;
		query.bytes = 1;
	} else if (resume->kind == RESUME_SINCE) {
		query.above = resume->revision - 1;
	} else {
		query.after = replay->progress.position.sequence;
	}
	store_history(replay_worker(replay)->store, &query, on_history, replay->read);
}

bool replay_read_next(struct replay *replay)
{
	struct replays *replays = replay->replays;
	struct replay_set *set = replays->set;

	if (set->read_count >= REPLAY_READS_MAX) {
		if (!replays->wants) {
			stat_add(replay_worker(replay)->slot, STAT_replay_waits, 1);
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
