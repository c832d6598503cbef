/* replay_stream.c — replays of event streams: a client has come back with Last-Event-ID. Its
 * subscriptions are replayed together, so that an event comes once however many of them match. */
#include "replay_private.h"

#include "fanout.h"
#include "principal.h"
#include "resync.h"
#include "sse.h"
#include "streams_private.h"

/* --- what the client is told ------------------------------------------------- */

/* The handler has done it, and the stream keeps its principal. */
static int narrow(struct replay *replay, struct subscription_spec *spec)
{
	(void)replay;
	(void)spec;
	return 0;
}

static bool may_read(const struct replays *replays, struct span service, struct span id)
{
	const struct stream *stream = replays->owner;

	return principal_allows(stream->principal, service, id, RIGHT_READ);
}

static bool is_open(const struct replays *replays)
{
	const struct stream *stream = replays->owner;

	return !stream->ended;
}

/* Until then it waits: an EventSource that is refused does not come back. */
static bool may_begin(const struct replays *replays)
{
	return subscribe_is_active(replays->set->worker->websockets);
}

static bool has_room(const struct replays *replays, size_t len)
{
	const struct stream *stream = replays->owner;
	size_t most = replays->set->worker->config->ws_queue / REPLAY_QUEUE_SHARE;

	return !stream->queue_bytes || stream->queue_bytes + len <= most;
}

/* With the event that has this the client has all that was replayed up to here, and nothing that is
 * still held: those may be older than the last mark. */
static void append_progress(const struct replays *replays, struct buffer *ret)
{
	const struct replay *replay = TAILQ_FIRST(&replays->list);

	if (replay && !replay_holds_nothing(replays))
		progress_append(ret, &replay->progress);
	else
		buffer_append_span(ret, fanout_position(replays->set->worker->fanout));
}

static void append_event(const struct replays *replays, struct buffer *ret, struct span id,
			 const struct iovec *parts, unsigned count)
{
	CLEANUP(buffer_fini) struct buffer progress = {0};
	struct iovec text[4];

	MUST(count && count <= ARRAY_LEN(text));
	memcpy(text, parts, count * sizeof(*text));
	sse_strip_frame_header(text);
	if (!id.len) {
		append_progress(replays, &progress);
		id = buffer_span(&progress);
	}
	sse_append_event(ret, id, text, count);
}

static bool send_batch(struct replays *replays, struct batch *batch)
{
	CLEANUP(buffer_fini) struct buffer bytes = {0};
	struct stream *stream = replays->owner;
	struct iovec iov[64];
	unsigned count;

	while ((count = batch_iovec(batch, bytes.len, iov, ARRAY_LEN(iov))))
		for (unsigned i = 0; i < count; i++)
			buffer_append(&bytes, iov[i].iov_base, iov[i].iov_len);
	bool taken = stream_send_bytes(stream, buffer_span(&bytes));
	if (taken)
		stat_add(replays->set->worker->slot, STAT_stream_events, batch_events(batch));
	return taken;
}

/* The first event says it. */
static void answer(struct replay *replay, const char *outcome, struct span position,
		   const struct span *document)
{
	(void)outcome;
	(void)position;
	(void)document;
	replay->answered = true;
}

static void send_document_resync(struct replay *replay, const struct replay_document *document,
				 const char *reason)
{
	CLEANUP(buffer_fini) struct buffer id = {0}, json = {0}, text = {0};
	struct event_record names = {.name = TOPIC_ANY,
				     .service = replay_service(replay, document),
				     .id = replay_id(replay, document)};
	struct progress progress = replay->progress;

	progress.told = document->sequence;
	progress_append(&id, &progress);
	resync_format_document(&json, &names, reason);
	sse_append_text(&text, buffer_span(&id), buffer_span(&json));
	stream_send_bytes(replay->replays->owner, buffer_span(&text));
	stat_add(replay_worker(replay)->slot, STAT_resyncs_sent, 1);
}

/* Who is to read all again needs nothing any more that is older than now. */
static void send_resync(struct replay *replay, const struct replay_document *document,
			const char *reason)
{
	if (document) {
		send_document_resync(replay, document, reason);
		return;
	}
	replay->progress = (struct progress){.position = replay->mark};
	stream_send_resync(replay->replays->owner, reason);
}

static void send_loss(struct replays *replays, const char *reason)
{
	stream_send_resync(replays->owner, reason);
}

/* Redis is away: it is read again when marks come. What is wrong with a document stays wrong. */
static void fail(struct replay *replay, int error)
{
	if (error == -EAGAIN || error == -ETIMEDOUT || error == -ECANCELED) {
		replay->retries = true;
	} else if (!replay->listed) {
		replay->listed = true;
		send_resync(replay, NULL, "gap");
	} else {
		const struct replay_document *document = &replay->documents[replay->next++];

		send_resync(replay, document, "gap");
		replay->progress.told = document->sequence;
	}
}

/* There is a limit for streams, none for their subscriptions. */
static void refuse(struct replay *replay)
{
	(void)replay;
	MUST(!"a stream has too many subscriptions");
}

static void end(struct replays *replays)
{
	struct stream *stream = replays->owner;

	replay_move_subscriptions(replays->set->apart, &replays->member, stream->streams->index,
				  &stream->member);
	stream->replays = NULL;
	stream->resumes = false;
	stream_send_position(stream);
}

static const struct replay_client stream_client = {
	.narrow = narrow,
	.may_read = may_read,
	.is_open = is_open,
	.may_begin = may_begin,
	.has_room = has_room,
	.append_event = append_event,
	.send = send_batch,
	.answer = answer,
	.send_resync = send_resync,
	.send_loss = send_loss,
	.fail = fail,
	.refuse = refuse,
	.end = end,
};

/* --- streams ----------------------------------------------------------------- */

/* What the specs point to goes with the request. */
static struct span keep(struct buffer *names, size_t *at, struct span name)
{
	struct span copy = name.len ? span_of(names->at + *at, name.len) : SPAN_NONE;

	*at += name.len;
	return copy;
}

static void copy_specs(struct replay *replay, const struct subscription_spec *specs, unsigned count)
{
	struct subscription_spec *copies = calloc(count, sizeof(*copies));
	struct buffer *services = &replay->subscribe.topic;
	size_t at = 0;

	MUST(copies);
	buffer_append_span(&replay->subscribe.id, specs->id);
	buffer_append_span(&replay->subscribe.prefix, specs->prefix);
	for (unsigned i = 0; i < count; i++)
		buffer_append_span(services, specs[i].topic.service);
	for (unsigned i = 0; i < count; i++) {
		copies[i] = specs[i];
		copies[i].topic.service = keep(services, &at, specs[i].topic.service);
		copies[i].id = buffer_span(&replay->subscribe.id);
		copies[i].prefix = buffer_span(&replay->subscribe.prefix);
	}
	replay->specs = copies;
	replay->spec_count = count;
}

void replay_stream(struct stream *stream, const struct subscription_spec *specs,
		   unsigned spec_count, const struct progress *from)
{
	struct worker *worker = stream->streams->worker;

	stream->replays = replays_create(worker->websockets->replays, &stream_client, stream);
	struct replay *replay = replay_create(stream->replays);
	copy_specs(replay, specs, spec_count);
	replay->subscribe.resume.kind = RESUME_AFTER;
	replay->progress = *from;
	progress_append(&replay->position, &(struct progress){.position = from->position});
	stat_add(worker->slot, STAT_replays_total, 1);
	replays_step(stream->replays);
}

struct audience_member *replay_stream_member(struct stream *stream)
{
	return stream->replays ? &stream->replays->member : &stream->member;
}

void replay_stream_go_on(struct stream *stream)
{
	if (stream->replays)
		replays_step(stream->replays);
}

void replay_stream_forget(struct stream *stream)
{
	if (!stream->replays)
		return;
	replays_destroy(stream->replays);
	stream->replays = NULL;
}
