/* metrics_handler.c — GET /metrics, and who may read it. */
#include "handlers.h"

#include "fanout.h"
#include "http.h"
#include "metrics.h"
#include "request_private.h"

#ifndef SYNCDOC_VERSION
#define SYNCDOC_VERSION "0.1.0"
#endif

/* Whoever asks from this machine itself, and not for somebody else: a proxy here says whom it
 * speaks for. */
static bool is_from_here(const struct request *request)
{
	static const char *const proxied[] = {"X-Forwarded-For", "Forwarded", "X-Real-IP"};

	for (size_t i = 0; i < ARRAY_LEN(proxied); i++)
		if (request_header(request, proxied[i]))
			return false;
	return request->client->loopback;
}

/* The one place that decides. Without authentication everybody has every right; with it, whoever is
 * not on this machine needs the right `a`. */
static bool may_read(const struct request *request, struct outcome *ret)
{
	enum config_auth_mode mode = request_worker(request)->config->auth_mode;

	if (mode == CONFIG_AUTH_UNSET || mode == CONFIG_AUTH_NONE || is_from_here(request))
		return true;
	*ret = outcome_refusal(403, "forbidden",
			       "/metrics is for administrators (right `a`), or "
			       "for clients on this machine");
	return false;
}

void metrics_handle(struct request *request)
{
	const struct worker *worker = request_worker(request);
	struct buffer text = {0};
	struct outcome refusal;

	if (!may_read(request, &refusal)) {
		request_answer_problem(request, &refusal);
		return;
	}
	const struct metrics_source source = {
		.page = worker->page,
		.slots = (const char *)worker->slots,
		.workers = worker->config->workers,
		.ring_size = worker->config->ring_size,
		.ring_tail = fanout_ring_tail(worker->fanout),
		.now_ms = worker_monotonic_ms(),
		.version = SYNCDOC_VERSION,
	};
	metrics_format(&text, &source);
	request_answer_owned(request, 200, METRICS_CONTENT_TYPE, &text);
}
