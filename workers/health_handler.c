/* health_handler.c — what load balancers and people look at first. */
#include "handlers.h"

#include "http.h"
#include "media_type.h"
#include "static_handler.h"
#include "store.h"

#ifndef SYNCDOC_VERSION
#define SYNCDOC_VERSION "0.1.0"
#endif

static bool query_is_fine(struct request *request)
{
	static const char *const known[] = {NULL};
	struct outcome fault;

	if (!request_check_query(request, known, &fault))
		return true;
	request_answer_problem(request, &fault);
	return false;
}

/* People get the Admin UI, programs get to know whom they talk to. */
void health_handle_root(struct request *request)
{
	const char *accept = request_header(request, "Accept");

	if (!query_is_fine(request))
		return;
	request_set_header(request, "Vary", "Accept");
	if (request_worker(request)->config->admin_enabled && media_type_html_is_named(accept)) {
		static_redirect_to_admin(request);
	} else if (media_type_json_is_accepted(accept)) {
		request_answer(
			request, 200, MEDIA_JSON,
			SPAN("{\"server\":\"syncdoc\",\"version\":\"" SYNCDOC_VERSION "\"}"));
	} else {
		struct outcome refusal =
			outcome_refusal(406, "not_acceptable", "answers are " MEDIA_JSON);
		request_answer_problem(request, &refusal);
	}
}

/* Probes may add a query of their own to get past caches. */
void health_handle_live(struct request *request)
{
	request_answer(request, 200, MEDIA_JSON, SPAN("{\"status\":\"ok\"}"));
}

void health_handle_ready(struct request *request)
{
	const struct worker *worker = request_worker(request);
	bool redis = store_is_ready(worker->store);
	/* acquire: whoever is told "ready" sees what the supervisor wrote before it said so. */
	bool subscription = atomic_load_explicit(&worker->shared->subscription_active,
						 memory_order_acquire) == 1;
	bool ready = redis && subscription && !worker->draining;
	struct buffer body = {0};

	buffer_printf(&body, "{\"status\":\"%s\",\"redis\":%s,\"subscription\":%s,\"draining\":%s}",
		      ready ? "ok" : "unavailable", redis ? "true" : "false",
		      subscription ? "true" : "false", worker->draining ? "true" : "false");
	request_answer_owned(request, ready ? 200 : 503, MEDIA_JSON, &body);
}
