#include "slow_sender.h"

#include "request_private.h"

static void refuse(struct request *request)
{
	struct outcome refusal = outcome_refusal(
		408, "request_timeout", "fewer than %d bytes of the request came within %d ms",
		SLOW_SENDER_BYTES, SLOW_SENDER_PERIOD_MS);

	stat_add(request->http->worker->slot, STAT_requests_timed_out, 1);
	request_answer_unread(request, &refusal);
}

void slow_sender_watch(struct request *request)
{
	http_start_deadline(request->http, HTTP_DEADLINE_SENDER, &request->deadline);
}

void slow_sender_meet(struct deadline *deadline)
{
	struct request *request = CONTAINER_OF(deadline, struct request, deadline);
	size_t came = request->body_seen - request->sender_seen;

	if (request->state != REQUEST_READING) /* a handler's deadline is its own */
		return;
	if (!request->headers_seen || came < SLOW_SENDER_BYTES) {
		refuse(request);
		return;
	}
	request->sender_seen = request->body_seen;
	slow_sender_watch(request);
}
