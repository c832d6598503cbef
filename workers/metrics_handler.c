/* metrics_handler.c — GET /metrics; who may read it stands in the route table. */
#include "handlers.h"

#include "fanout.h"
#include "http.h"
#include "metrics.h"

#ifndef SYNCDOC_VERSION
#define SYNCDOC_VERSION "0.1.0"
#endif

void metrics_handle(struct request *request)
{
	const struct worker *worker = request_worker(request);
	struct buffer text = {0};

	const struct metrics_source source = {
		.page = worker->page,
		.slots = worker->slots,
		.workers = worker->config->workers,
		.ring_size = worker->config->ring_size,
		.ring_tail = fanout_ring_tail(worker->fanout),
		.now_ms = worker_monotonic_ms(),
		.version = SYNCDOC_VERSION,
	};
	metrics_format(&text, &source);
	request_answer_owned(request, 200, METRICS_CONTENT_TYPE, &text);
}
