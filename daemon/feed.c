/* feed.c — see feed.h. */
#define _GNU_SOURCE
#include "feed_private.h"

#include "log.h"

#include <inttypes.h>

#define CHANNEL_SHOWN_MAX 220 /* of a channel's name in the log */
#define OLD_MARKS_MS 1000     /* so long after a gap marks from before its end may still arrive */

/* A document whose events wait for its history. */
struct hole {
	TAILQ_ENTRY(hole) link;
	struct held held;
	size_t service_len, id_len;
	char names[DOCUMENT_SERVICE_MAX + DOCUMENT_ID_MAX];
};

static struct span hole_service(const struct hole *hole)
{
	return span_of(hole->names, hole->service_len);
}

static struct span hole_id(const struct hole *hole)
{
	return span_of(hole->names + hole->service_len, hole->id_len);
}

void feed_init(struct feed *feed, struct publisher *publisher, struct marks *marks,
	       uint64_t hash_seed)
{
	*feed = (struct feed){.publisher = publisher, .marks = marks};
	feed->last = last_revisions_create(FEED_DOCUMENTS_MAX, hash_seed);
	feed->held_max = publisher->writer.size / 4;
	held_init(&feed->held);
	TAILQ_INIT(&feed->holes);
}

static void close_hole(struct feed *feed, struct hole *hole)
{
	feed->hole_bytes -= hole->held.bytes;
	feed->hole_count--;
	TAILQ_REMOVE(&feed->holes, hole, link);
	held_clear(&hole->held);
	free(hole);
}

void feed_fini(struct feed *feed)
{
	while (!TAILQ_EMPTY(&feed->holes))
		close_hole(feed, TAILQ_FIRST(&feed->holes));
	held_clear(&feed->held);
	last_revisions_destroy(feed->last);
	json_fini(&feed->scratch);
	buffer_fini(&feed->record);
}

/* ---- into the ring ---- */

static void remember(struct feed *feed, struct span service, struct span id, uint64_t revision,
		     int64_t at_ms, bool deleted)
{
	const struct last_revision last = {.revision = revision,
					   .at_ms = at_ms,
					   .mark = feed->marks->sequence,
					   .deleted = deleted,
					   .service = service,
					   .id = id};
	if (last_revisions_set(feed->last, &last)) {
		feed->table_full++;
		feed->untracked = true;
	}
}

static void put(struct feed *feed, const struct event_segments *segments)
{
	feed_publish_event(feed, segments);
	remember(feed, segments->service, segments->id, segments->revision, segments->timestamp_ms,
		 segments->name == TOPIC_DELETED || segments->name == TOPIC_EXPIRED);
}

/* ---- holes ---- */

static struct hole *find_hole(const struct feed *feed, struct span service, struct span id)
{
	struct hole *hole;
	TAILQ_FOREACH(hole, &feed->holes, link)
	{
		if (span_equals(hole_id(hole), id) && span_equals(hole_service(hole), service))
			return hole;
	}
	return NULL;
}

static bool hole_push(struct feed *feed, struct hole *hole, struct span text)
{
	size_t before = hole->held.bytes, others = feed->hole_bytes - before;
	if (others > feed->held_max ||
	    held_push(&hole->held, HELD_EVENT, text, feed->held_max - others))
		return false;
	feed->hole_bytes += hole->held.bytes - before;
	return true;
}

/* False: too many are open. */
static bool open_hole(struct feed *feed, const struct event_segments *segments, struct span text)
{
	if (feed->hole_count == FEED_HOLES_MAX)
		return false;
	struct hole *hole = calloc(1, sizeof(*hole));
	MUST(hole);
	held_init(&hole->held);
	hole->service_len = segments->service.len;
	hole->id_len = segments->id.len;
	memcpy(hole->names, segments->service.at, segments->service.len);
	memcpy(hole->names + hole->service_len, segments->id.at, segments->id.len);
	TAILQ_INSERT_TAIL(&feed->holes, hole, link);
	feed->hole_count++;
	if (!hole_push(feed, hole, text)) {
		close_hole(feed, hole);
		return false;
	}
	feed->holes_seen++;
	feed->on_hole(hole_service(hole), hole_id(hole), feed->arg);
	return true;
}

/* ---- events, in order ---- */

/* `may_wait`: a hole may be read up; else it becomes a resync. */
static void deliver(struct feed *feed, const struct event_segments *segments, struct span text,
		    bool may_wait)
{
	switch (last_revisions_judge(feed->last, segments->service, segments->id,
				     segments->revision, segments->timestamp_ms)) {
	case LAST_REPEATED:
		feed->repeated++;
		return;
	case LAST_HOLE:
		if (may_wait && open_hole(feed, segments, text))
			return;
		feed_resync_document(feed, segments->service, segments->id, "gap");
		break;
	case LAST_NEW_LINEAGE:
		feed_resync_document(feed, segments->service, segments->id, "rollback");
		break;
	case LAST_UNKNOWN:
	case LAST_NEXT:
		break;
	}
	put(feed, segments);
	feed->events++;
}

/* The document waits for its history: so does this event. True: it does. */
static bool wait_in_hole(struct feed *feed, const struct event_segments *segments, struct span text)
{
	struct hole *hole =
		feed->hole_count ? find_hole(feed, segments->service, segments->id) : NULL;
	if (!hole)
		return false;
	if (hole_push(feed, hole, text))
		return true;
	/* Its other events go with it: the resync stands for them all. */
	close_hole(feed, hole);
	feed_resync_document(feed, segments->service, segments->id, "gap");
	last_revisions_drop(feed->last, segments->service, segments->id);
	return false;
}

static void log_malformed(struct feed *feed, struct span channel)
{
	static struct log_limit limit;
	if (!log_allow(&limit))
		return;
	int shown = (int)(channel.len < CHANNEL_SHOWN_MAX ? channel.len : CHANNEL_SHOWN_MAX);
	log_warning("relay: message on %.*s is no event as this version knows it, dropped (%" PRIu64
		    " so far)",
		    shown, channel.at, feed->malformed);
}

static void take_event(struct feed *feed, struct span channel, struct span text, bool may_wait)
{
	struct event_segments segments;
	int error = event_parse(text, &feed->scratch, &segments);
	segments.received_ns = feed->received_ns;
	bool is_presence = !error && segments.name == TOPIC_PRESENCE;
	if (is_presence)
		error = feed->on_presence(&segments, feed->arg);
	if (error) {
		feed->malformed++;
		log_malformed(feed, channel);
		return;
	}
	if (is_presence)
		return;
	if (may_wait && wait_in_hole(feed, &segments, text))
		return;
	deliver(feed, &segments, text, may_wait);
}

static void hold_or_overflow(struct feed *feed, enum held_kind kind, struct span channel,
			     struct span text, int64_t now_ms)
{
	if (held_push(&feed->held, kind, text, feed->held_max) == 0)
		return;
	log_warning("relay: more than %zu bytes of events wait for what was missed before them",
		    feed->held_max);
	feed->on_overflow(feed->arg);
	MUST(!feed->holding);
	if (kind == HELD_EVENT)
		take_event(feed, channel, text, true);
	else
		feed_receive_mark(feed, text, now_ms);
}

void feed_receive_event(struct feed *feed, struct span channel, struct span text)
{
	if (feed->holding)
		hold_or_overflow(feed, HELD_EVENT, channel, text, 0);
	else
		take_event(feed, channel, text, true);
	feed->received_ns = 0;
}

/* A mark says that everything up to it has passed. While a document waits in a hole that is not so:
 * the mark is left out, and the next one, which comes within 250 ms, stands for it. */
static void pass_mark(struct feed *feed, struct span text, int64_t now_ms)
{
	if (feed->hole_count)
		return;
	marks_receive(feed->marks, text, now_ms);
	feed->untracked = false;
}

/* A loss of writes that was just looked at is not told again by a mark that was published before
 * the sequence was raised and read only now: it is left out, the next one comes within 250 ms. */
static bool is_old_news(const struct feed *feed, struct span text, int64_t now_ms)
{
	return marks_expects_leap(feed->marks) && now_ms - feed->released_ms < OLD_MARKS_MS &&
	       marks_is_behind(feed->marks, text);
}

void feed_receive_mark(struct feed *feed, struct span text, int64_t now_ms)
{
	marks_hear(feed->marks, now_ms);
	if (feed->holding)
		hold_or_overflow(feed, HELD_MARK, SPAN_NONE, text, now_ms);
	else if (is_old_news(feed, text, now_ms))
		return;
	else if (marks_was_told(feed->marks) &&
		 (marks_is_behind(feed->marks, text) || marks_is_leap(feed->marks, text)))
		feed->on_behind(feed->arg);
	else
		pass_mark(feed, text, now_ms);
}

/* ---- gaps ---- */

void feed_hold(struct feed *feed)
{
	publisher_set_active(feed->publisher, false);
	held_clear(&feed->held);
	while (!TAILQ_EMPTY(&feed->holes))
		close_hole(feed, TAILQ_FIRST(&feed->holes));
	feed->holding = true;
}

/* -EBADMSG: what is stored makes no event: somebody else has written it. What is before it is in.
 */
static int put_missed(struct feed *feed, const struct missed *missed)
{
	struct event_segments segments;
	for (size_t i = 0; i < missed->count; i++) {
		if (event_parse(buffer_span(&missed->events[i]), &feed->scratch, &segments))
			return -EBADMSG;
		put(feed, &segments);
		feed->recovered++;
	}
	return 0;
}

static void fill(struct feed *feed, struct span service, struct span id, uint64_t from,
		 const struct store_missed *stored)
{
	struct missed missed;
	const struct last_revision *known = last_revisions_find(feed->last, service, id);
	missed_judge(stored, known, from, feed->held_max, &missed);
	if (missed.verdict == MISSED_EVENTS && put_missed(feed, &missed))
		missed.verdict = MISSED_LOST;
	if (missed.verdict == MISSED_LOST)
		feed_resync_document(feed, service, id, "gap");
	else if (missed.verdict == MISSED_ROLLBACK)
		feed_resync_document(feed, service, id, "rollback");
	if (missed.newest.revision)
		remember(feed, service, id, missed.newest.revision, missed.newest.updated_at_ms,
			 missed.newest.deleted);
	else
		last_revisions_drop(feed->last, service, id);
	missed_fini(&missed);
}

static void fill_or_resync(struct feed *feed, struct span service, struct span id, uint64_t from,
			   const struct store_missed *stored)
{
	if (stored) {
		fill(feed, service, id, from, stored);
	} else {
		feed_resync_document(feed, service, id, "gap");
		last_revisions_drop(feed->last, service, id);
	}
}

void feed_fill(struct feed *feed, struct span service, struct span id, uint64_t from,
	       const struct store_missed *stored)
{
	MUST(feed->holding);
	fill_or_resync(feed, service, id, from, stored);
}

void feed_fill_hole(struct feed *feed, struct span service, struct span id, uint64_t from,
		    const struct store_missed *stored)
{
	struct hole *hole = find_hole(feed, service, id);
	/* Given up meanwhile, or a gap has come, which reads the document anew. */
	if (!hole)
		return;
	/* Without what came before it a hole cannot be measured. */
	if (!last_revisions_find(feed->last, service, id))
		stored = NULL;
	fill_or_resync(feed, service, id, from, stored);
	struct held held = hole->held;
	if (STAILQ_EMPTY(&held.items))
		held_init(&held);
	held_init(&hole->held);
	feed->hole_bytes -= held.bytes;
	close_hole(feed, hole);
	struct held_item *item;
	while ((item = held_shift(&held))) {
		take_event(feed, SPAN_NONE, span_of(item->text, item->len), false);
		free(item);
	}
}

void feed_release(struct feed *feed, int64_t now_ms)
{
	struct held_item *item;
	feed->holding = false;
	feed->released_ms = now_ms;
	marks_expect_leap(feed->marks);
	feed->record.len = 0;
	event_record_format_resync_presence(&feed->record, "gap");
	feed_publish_record(feed, EVENT_RECORD_RESYNC);
	while ((item = held_shift(&feed->held))) {
		struct span text = span_of(item->text, item->len);
		if (item->kind == HELD_EVENT)
			take_event(feed, SPAN_NONE, text, true);
		else if (!marks_is_behind(feed->marks, text)) /* from before it was raised */
			pass_mark(feed, text, now_ms);
		free(item);
	}
}

void feed_give_up(struct feed *feed, const char *reason)
{
	feed_resync_all(feed, reason);
	last_revisions_clear(feed->last);
	/* What goes in now may have gone in before: until the next mark no gap can be told from
	 * what is known. */
	feed->untracked = true;
}
