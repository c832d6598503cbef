/* stream.h — Server-Sent Events of one worker: the same feed as the WebSockets', as HTTP answers
 * that do not end. Streams have audiences of their own, so an event becomes text once per set of
 * subscriptions.
 *
 * A stream belongs to its MHD response: it is freed when MHD lets go of that, because the client is
 * gone or the stream has ended. What the socket does not take waits in a queue of ws.queue bytes;
 * over it the stream is cut, and the client connects again with Last-Event-ID. */
#ifndef SYNCDOC_STREAM_H
#define SYNCDOC_STREAM_H

#include "context.h"
#include "http.h"
#include "subscriptions.h"

struct streams;

/* After the fan-out, of which it is a tap. */
struct streams *streams_create(struct worker *worker);
size_t streams_count(const struct streams *streams);
/* Streams and long polls together are limited: both hold a connection that MHD has suspended.
 * False: *ret_refusal says 503 too_many_streams; counted. */
bool streams_have_room(struct worker *worker, struct outcome *ret_refusal);
/* Ends the streams, paced at drain_rate; their clients connect again. */
void streams_drain(struct streams *streams);
/* Cuts all of them: before http_destroy(), which has MHD free them. */
void streams_cut(struct streams *streams);
void streams_destroy(struct streams *streams); /* after http_destroy(); NULL is fine */

/* Answers the request with a stream of what `specs` match. `last_event_id`: of the client's former
 * stream, or NULL. */
/* Ends when the time of the request's principal is over. */
void stream_open(struct request *request, const struct subscription_spec *specs,
		 unsigned spec_count, const char *last_event_id);

/* stream_handler.c: GET …/documents/{id}/events, GET /v1/events */
void stream_handle_document(struct request *request);
void stream_handle_topics(struct request *request);

/* As websockets_show(), websockets_close_one() and websockets_end_revoked(). A stream that is ended
 * so is cut off. */
struct connection_page;
struct principal;
void streams_show(struct streams *streams, struct connection_page *page);
bool streams_close_one(struct streams *streams, struct span id);
void streams_end_revoked(struct streams *streams,
			 bool (*test)(const struct principal *principal, void *arg), void *arg);

#endif
