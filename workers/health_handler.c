/* health_handler.c — what load balancers and people look at first. */
#include "handlers.h"

#include "http.h"
#include "media_type.h"
#include "metrics.h"
#include "static_handler.h"
#include "store.h"

#include <stdarg.h>

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
	if (request_worker(request)->config->admin_enabled &&
	    media_type_html_is_preferred(accept)) {
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

/* --- readiness ------------------------------------------------------------- */

/* The supervisor writes its figures four times a second. */
#define SUPERVISOR_SILENCE_MS 10000

struct readiness {
	bool redis, subscription, supervisor, draining;
	double supervisor_age_s;
};

/* The conditions as they are put together. */
struct report {
	struct buffer *body;
	bool has_reasons; /* they name hosts, files, errors: not for everybody */
};

static struct readiness judge(const struct worker *worker)
{
	/* relaxed: a figure; 0: it has not begun, and nothing waits for it. */
	uint64_t heartbeat_ms =
		atomic_load_explicit(&worker->page->heartbeat_ms, memory_order_relaxed);
	int64_t silent_ms = heartbeat_ms ? worker_monotonic_ms() - (int64_t)heartbeat_ms : 0;

	return (struct readiness){
		.redis = store_is_ready(worker->store),
		/* acquire: whoever is told "ready" sees what the supervisor wrote before it said
		 * so. */
		.subscription = atomic_load_explicit(&worker->shared->subscription_active,
						     memory_order_acquire) == 1,
		.supervisor = silent_ms < SUPERVISOR_SILENCE_MS,
		.draining = worker->draining,
		.supervisor_age_s = (double)silent_ms / 1000.,
	};
}

static void append_condition(const struct report *report, const char *name, bool ok,
			     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void append_condition(const struct report *report, const char *name, bool ok,
			     const char *format, ...)
{
	struct buffer *body = report->body;
	char reason[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	if (body->at[body->len - 1] != '[')
		buffer_append_char(body, ',');
	buffer_printf(body, "{\"name\":\"%s\",\"ok\":%s", name, ok ? "true" : "false");
	if (report->has_reasons) {
		buffer_append_string(body, ",\"reason\":");
		buffer_append_json(body, span_string(reason));
	}
	buffer_append_char(body, '}');
}

static void append_subscription(const struct report *report, const struct supervisor_page *page,
				bool active)
{
	bool catching_up = supervisor_page_get(page, SUPERVISOR_catching_up);
	uint64_t held = supervisor_page_get(page, SUPERVISOR_held_bytes);
	double age_s = metrics_mark_age(page, worker_monotonic_ms());
	const char *reason = active ? "events flow"
			     : !supervisor_page_get(page, SUPERVISOR_redis_up_relay)
				     ? "the supervisor is not connected to redis"
			     : !supervisor_page_get(page, SUPERVISOR_subscription_confirmed)
				     ? "redis has not confirmed the subscription"
			     : !supervisor_page_get(page, SUPERVISOR_run_id_known)
				     ? "redis has not said which primary it is"
				     : "no mark has come through it";

	append_condition(report, "subscription", active, "%s", reason);
	append_condition(report, "catchup", !catching_up,
			 catching_up ? "what was missed is being read, %llu bytes of events wait"
				     : "nothing is missing",
			 (unsigned long long)held);
	if (age_s < 0)
		append_condition(report, "marks", active, "none has come yet");
	else
		append_condition(report, "marks", active, "the last one came %.1f s ago", age_s);
}

static void append_conditions(const struct report *report, const struct worker *worker,
			      const struct readiness *readiness)
{
	const char *lost = store_lost_reason(worker->store);

	buffer_append_string(report->body, ",\"conditions\":[");
	append_condition(report, "redis", readiness->redis, "%s",
			 readiness->redis ? "connected"
			 : *lost          ? lost
					  : "connecting");
	append_subscription(report, worker->page, readiness->subscription);
	append_condition(report, "supervisor", readiness->supervisor, "its last sign is %.1f s old",
			 readiness->supervisor_age_s);
	append_condition(report, "draining", !readiness->draining, "%s",
			 readiness->draining ? "this process sends its clients elsewhere"
					     : "takes new clients");
	buffer_append_char(report->body, ']');
}

void health_handle_ready(struct request *request)
{
	const struct worker *worker = request_worker(request);
	const struct readiness readiness = judge(worker);
	bool ready = readiness.redis && readiness.subscription && readiness.supervisor &&
		     !readiness.draining;
	struct buffer body = {0};

	buffer_printf(&body, "{\"status\":\"%s\",\"redis\":%s,\"subscription\":%s,\"draining\":%s",
		      ready ? "ok" : "unavailable", readiness.redis ? "true" : "false",
		      readiness.subscription ? "true" : "false",
		      readiness.draining ? "true" : "false");
	if (request_query(request, "verbose")) {
		struct report report = {&body, request_may_look_inside(request)};
		append_conditions(&report, worker, &readiness);
	}
	buffer_append_char(&body, '}');
	request_answer_owned(request, ready ? 200 : 503, MEDIA_JSON, &body);
}
