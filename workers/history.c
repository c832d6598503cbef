#include "history.h"

#include "context.h"
#include "diff.h"
#include "history_op.h"
#include "log.h"
#include "store_history.h"

/* Of entries in one step. A step is worked off in one turn of the loop, so this is what others may
 * have to wait for; between two steps only the data so far is kept, as text. */
#define STEP_BYTES_MAX (1u << 20)

struct rebuild {
	struct worker *worker;
	history_fn fn;
	void *arg;
	struct history_answer answer; /* names point into `names` */
	/* Where it stands: the newest at first, then further and further back. Owned data. */
	struct revision state;
	uint64_t expected;        /* revision of the next entry */
	int64_t newest_at_ms;     /* updatedAt of the newest */
	bool only_oldest_matters; /* the revision is gone; the answer tells which is not */
	char names[];
};

static void rebuild_finish(struct rebuild *rebuild, int error)
{
	struct slot *slot = rebuild->worker->slot;

	if (!error && rebuild->answer.finding.state == HISTORY_REBUILT) {
		rebuild->answer.revision = rebuild->state;
		stat_add(slot, STAT_revisions_rebuilt, 1);
	} else if (!error && rebuild->answer.finding.state == HISTORY_NOT_KEPT) {
		stat_add(slot, STAT_revisions_not_kept, 1);
	}
	rebuild->fn(error, error ? NULL : &rebuild->answer, rebuild->arg);
	revision_fini(&rebuild->state);
	free(rebuild);
}

static void rebuild_answer(struct rebuild *rebuild, enum history_state state)
{
	rebuild->answer.finding.state = state;
	rebuild_finish(rebuild, 0);
}

/* Takes the diffs off the data, the newest first. */
static int revert(struct rebuild *rebuild, const struct span *diffs, size_t count)
{
	static struct log_limit unfit;
	CLEANUP(json_fini) struct json doc = {0};
	CLEANUP(buffer_fini) struct buffer data = {0};
	struct json_fault fault;

	if (!count)
		return 0;
	if (json_parse(&doc, text_span(rebuild->state.data), JSON_DEPTH_LIMIT, &fault) ||
	    diff_revert_all(&doc, diffs, count, &data)) {
		if (log_allow(&unfit))
			log_error("history: %.*s:%.*s has an entry from revision %llu down that "
				  "does not fit its data; older revisions are refused",
				  SPAN_ARGS(rebuild->answer.service), SPAN_ARGS(rebuild->answer.id),
				  (unsigned long long)rebuild->state.number);
		return -EBADMSG;
	}
	text_put(rebuild->state.data);
	rebuild->state.data = text_create(buffer_span(&data));
	return 0;
}

/* The diffs up to this entry have been taken off: the data is that of its revision. */
static void set_state(struct revision *state, const struct store_history_entry *entry)
{
	state->number = entry->revision;
	state->updated_at_ms = entry->at_ms;
	state->expires_at_ms = 0;
	state->deleted = history_op_is_tombstone(entry->op);
}

/* Entries must follow each other without a hole, from that of the newest revision on. */
static bool is_next(const struct rebuild *rebuild, const struct store_history_entry *entry)
{
	if (entry->revision != rebuild->expected)
		return false;
	return entry->revision != rebuild->answer.finding.newest ||
	       entry->at_ms == rebuild->newest_at_ms;
}

static void rebuild_step(struct rebuild *rebuild);

/* Collects diffs as far as they go, then takes them off. */
static void walk(struct rebuild *rebuild, const struct store_history *history)
{
	struct span diffs[STORE_HISTORY_ENTRIES_MAX];
	struct history_finding *finding = &rebuild->answer.finding;
	const struct store_history_entry *found = NULL;
	bool ends = history->is_end || !history->count;
	size_t count = 0;

	for (size_t i = 0; i < history->count; i++) {
		const struct store_history_entry *entry = &history->entries[i];

		ends = ends || !is_next(rebuild, entry);
		if (!is_next(rebuild, entry))
			break;
		finding->oldest = entry->revision;
		if (entry->revision == finding->wanted) {
			found = entry;
			break;
		}
		if (!entry->has_diff) {
			ends = true;
			break;
		}
		diffs[count++] = entry->reversible;
		rebuild->expected--;
	}
	if (!found && ends)
		rebuild_answer(rebuild, HISTORY_NOT_KEPT);
	else if (!rebuild->only_oldest_matters && revert(rebuild, diffs, count))
		rebuild_finish(rebuild, -EBADMSG);
	else if (!found)
		rebuild_step(rebuild);
	else {
		set_state(&rebuild->state, found);
		rebuild_answer(rebuild, HISTORY_REBUILT);
	}
}

/* The first step's answer brings the newest revision. True: that was all. */
static bool begin(struct rebuild *rebuild, const struct store_history *history)
{
	struct history_finding *finding = &rebuild->answer.finding;

	if (!history->document.revision) {
		rebuild_answer(rebuild, HISTORY_NO_DOCUMENT);
		return true;
	}
	finding->newest = finding->oldest = history->document.revision;
	if (finding->wanted > finding->newest) {
		rebuild_answer(rebuild, HISTORY_NOT_FOUND);
		return true;
	}
	rebuild->state = revision_of_document(&history->document);
	rebuild->newest_at_ms = history->document.updated_at_ms;
	rebuild->expected = finding->newest;
	rebuild->only_oldest_matters = !history->oldest || history->oldest > finding->wanted;
	if (finding->wanted == finding->newest) {
		rebuild_answer(rebuild, HISTORY_REBUILT);
		return true;
	}
	return false;
}

static void on_history(int error, const struct store_history *history, void *arg)
{
	struct rebuild *rebuild = arg;

	if (error) {
		rebuild_finish(rebuild, error);
		return;
	}
	if (!rebuild->state.number) {
		if (begin(rebuild, history))
			return;
	} else if (history->document.created_at_ms != rebuild->state.created_at_ms) {
		/* Purged, and perhaps made anew: what is there now is another document's. */
		rebuild_answer(rebuild, HISTORY_NOT_KEPT);
		return;
	}
	walk(rebuild, history);
}

static void rebuild_step(struct rebuild *rebuild)
{
	bool is_first = !rebuild->state.number;
	struct store_history_query query = {
		.service = rebuild->answer.service,
		.id = rebuild->answer.id,
		.above = rebuild->answer.finding.wanted - 1,
		.below = is_first ? 0 : rebuild->expected + 1,
		.count = STORE_HISTORY_ENTRIES_MAX,
		.bytes = STEP_BYTES_MAX,
		.without_data = !is_first,
	};

	store_history(rebuild->worker->store, &query, on_history, rebuild);
}

static struct span keep(char *memory, struct span span)
{
	memcpy(memory, span.at, span.len);
	return span_of(memory, span.len);
}

void history_rebuild(struct worker *worker, struct span service, struct span id, uint64_t wanted,
		     history_fn fn, void *arg)
{
	struct rebuild *rebuild = calloc(1, sizeof(*rebuild) + service.len + id.len);

	MUST(rebuild && wanted);
	rebuild->worker = worker;
	rebuild->fn = fn;
	rebuild->arg = arg;
	rebuild->answer.finding.wanted = wanted;
	rebuild->answer.service = keep(rebuild->names, service);
	rebuild->answer.id = keep(rebuild->names + service.len, id);
	rebuild_step(rebuild);
}

struct outcome history_refusal(const struct history_finding *finding)
{
	unsigned long long wanted = finding->wanted, newest = finding->newest,
			   oldest = finding->oldest;
	struct outcome refusal;

	MUST(finding->state != HISTORY_REBUILT);
	switch (finding->state) {
	case HISTORY_NOT_FOUND:
		refusal = outcome_refusal(404, "revision_not_found",
					  "there is no revision %llu yet, the newest is %llu",
					  wanted, newest);
		refusal.has_current_revision = true;
		refusal.current_revision = newest;
		return refusal;
	case HISTORY_NOT_KEPT:
		refusal = outcome_refusal(404, "revision_not_kept",
					  "revision %llu is no longer kept, the oldest is %llu",
					  wanted, oldest);
		refusal.has_oldest_revision = true;
		refusal.oldest_revision = oldest;
		return refusal;
	default:
		return outcome_refusal(404, "document_not_found", "there is no such document");
	}
}
