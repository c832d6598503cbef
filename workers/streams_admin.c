/* streams_admin.c — what an administrator sees of event streams, and ends. */
#include "connections.h"
#include "principal.h"
#include "replay.h"
#include "streams_private.h"

void streams_show(struct streams *streams, struct connection_page *page)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &streams->all, list)
	{
		struct connection_view view = {
			.protocol = "sse",
			.principal = stream->principal,
			.address = &stream->address,
			.since_ms = stream->since_ms,
			.audience = replay_stream_member(stream)->audience,
			.queue_bytes = stream->queue_bytes,
		};

		if (stream->ended)
			continue;
		memcpy(view.id, stream->id, CONNECTION_ID_LEN);
		if (stream->queue_bytes)
			view.lag_ms = worker_monotonic_ms() - stream->moved_at_ms;
		connection_page_add(page, &view);
	}
}

bool streams_close_one(struct streams *streams, struct span id)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &streams->all, list)
	{
		if (stream->ended || !span_equals(span_of(stream->id, CONNECTION_ID_LEN), id))
			continue;
		stream_end_by_order(stream);
		return true;
	}
	return false;
}

void streams_end_revoked(struct streams *streams,
			 bool (*test)(const struct principal *principal, void *arg), void *arg)
{
	struct stream *stream;

	TAILQ_FOREACH(stream, &streams->all, list)
	{
		if (stream->ended || !test(stream->principal, arg))
			continue;
		stat_add(streams->worker->slot, STAT_auth_revoked, 1);
		stream_end_by_order(stream);
	}
}
