/* control_verbs.c — see control_verbs.h. */
#define _GNU_SOURCE
#include "control_verbs.h"

#include "clock.h"
#include "json.h"

#include <inttypes.h>
#include <unistd.h>

#define REQUEST_DEPTH_MAX 4
#define ERROR_MAX 512

#ifndef SYNCDOC_VERSION
#define SYNCDOC_VERSION "0.1.0"
#endif

static void refuse(struct buffer *ret, const char *code, const char *detail)
{
	buffer_printf(ret, "{\"ok\":false,\"code\":\"%s\",\"detail\":", code);
	buffer_append_json(ret, span_string(detail));
	buffer_append_char(ret, '}');
}

static void append_string(struct buffer *ret, const char *name, const char *value)
{
	buffer_printf(ret, "\"%s\":", name);
	buffer_append_json(ret, span_string(value));
}

/* ---- status ---- */

static const char *state_name(const struct upstream *upstream)
{
	static const char *const names[] = {
		[REDIS_CONNECTING] = "connecting", [REDIS_READY] = "ready", [REDIS_LOST] = "lost"};
	return names[redis_state_of(upstream->redis)];
}

static void append_redis(const struct control_view *view, struct buffer *ret)
{
	buffer_append_string(ret, ",\"redis\":{");
	append_string(ret, "url", view->commands->place);
	buffer_printf(ret, ",\"embeddedPid\":%d", (int)view->redis_pid);
	buffer_printf(ret, ",\"commands\":\"%s\",\"subscription\":\"%s\"",
		      state_name(view->commands), state_name(view->subscription));
	buffer_printf(ret, ",\"reconnects\":%" PRIu64 ",\"runId\":\"%s\"}",
		      redis_reconnects(view->commands->redis) +
			      redis_reconnects(view->subscription->redis),
		      view->marks->run_id);
}

static void append_marks(const struct control_view *view, struct buffer *ret)
{
	const struct marks *marks = view->marks;
	buffer_printf(ret, ",\"marks\":{\"active\":%s,\"position\":\"%s\",\"ageMs\":",
		      publisher_is_active(view->publisher) ? "true" : "false", marks->position);
	if (marks->position[0])
		buffer_append_i64(ret, clock_monotonic_ms() - marks->mark_ms);
	else
		buffer_append_string(ret, "null");
	buffer_append_char(ret, '}');
}

static void append_ring(const struct control_view *view, struct buffer *ret)
{
	const struct publisher *publisher = view->publisher;
	buffer_printf(ret, ",\"ring\":{\"size\":%zu,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
		      publisher->writer.size, publisher->records, publisher->writer.tail);
}

static void append_control(const struct control_view *view, struct buffer *ret)
{
	struct control_counts counts;
	control_count(view->control, &counts);
	buffer_printf(ret,
		      ",\"control\":{\"clients\":%u,\"requests\":%" PRIu64
		      ",\"refusedBusy\":%" PRIu64 ",\"refusedPeer\":%" PRIu64
		      ",\"refusedLine\":%" PRIu64 ",\"closedIdle\":%" PRIu64 "}",
		      counts.clients, counts.requests, counts.refused_busy, counts.refused_peer,
		      counts.refused_line, counts.closed_idle);
}

/* ---- workers ---- */

struct worker_list {
	const struct control_view *view;
	struct buffer *ret;
	bool counters;
	bool some;
};

/* How far a worker is behind. Its cursor is its own word: nonsense is shown as what the ring can
 * hold, and does no harm. 0 before its first read. */
static uint64_t lag_of(const struct publisher *publisher, const struct slot *page)
{
	/* relaxed: a figure. */
	uint64_t cursor = atomic_load_explicit(&page->ring_cursor, memory_order_relaxed);
	uint64_t tail = publisher->writer.tail;
	if (cursor == 0 || cursor >= tail)
		return 0;
	return tail - cursor < publisher->writer.size ? tail - cursor : publisher->writer.size;
}

static void append_counters(const struct slot *page, struct buffer *ret)
{
	buffer_append_string(ret, ",\"counters\":{");
	for (unsigned i = 0; i < STAT_COUNT; i++)
		buffer_printf(ret, "%s\"%s\":%" PRIu64, i ? "," : "", stat_descriptions[i].name,
			      stat_read(page, (enum statistic)i));
	buffer_append_char(ret, '}');
}

static void append_worker(const struct child_view *child, void *arg)
{
	struct worker_list *list = arg;
	struct buffer *ret = list->ret;
	const struct publisher *publisher = list->view->publisher;
	const struct slot *page = publisher_slot(publisher, child->slot);
	int64_t now_ms = clock_monotonic_ms();
	/* acquire: pairs with the store that ends the worker's clearing of what its slot's former
	 * process left. Until then the figures are nobody's. */
	bool is_own = atomic_load_explicit(&page->process, memory_order_acquire) == child->process;
	uint64_t beat_ms = atomic_load_explicit(&page->heartbeat_ms, memory_order_relaxed);

	buffer_printf(ret,
		      "%s{\"index\":%u,\"slot\":%u,\"generation\":%u,\"pid\":%d,\"draining\":%s"
		      ",\"uptimeMs\":%" PRId64 ",\"heartbeatAgeMs\":",
		      list->some ? "," : "", child->index, child->slot, child->generation,
		      (int)child->pid, child->draining ? "true" : "false",
		      now_ms - child->started_ms);
	/* Its own word: one from the future is as good as now. */
	if (is_own)
		buffer_append_u64(ret, beat_ms < (uint64_t)now_ms ? (uint64_t)now_ms - beat_ms : 0);
	else
		buffer_append_string(ret, "null");
	buffer_printf(ret, ",\"connections\":%" PRIu64 ",\"streams\":%" PRIu64 ",\"lag\":%" PRIu64,
		      is_own ? stat_read(page, STAT_connections) : 0,
		      is_own ? stat_read(page, STAT_streams) : 0,
		      is_own ? lag_of(publisher, page) : 0);
	if (list->counters && is_own)
		append_counters(page, ret);
	buffer_append_char(ret, '}');
	list->some = true;
}

static void append_workers(const struct control_view *view, bool counters, struct buffer *ret)
{
	struct worker_list list = {.view = view, .ret = ret, .counters = counters};
	buffer_append_string(ret, ",\"workers\":[");
	children_view(view->children, append_worker, &list);
	buffer_append_char(ret, ']');
}

static void append_listen(const struct config *config, struct buffer *ret)
{
	buffer_append_string(ret, ",\"listen\":[");
	for (size_t i = 0; i < config->listen.count; i++) {
		if (i)
			buffer_append_char(ret, ',');
		buffer_append_json(ret, span_string(config->listen.items[i]));
	}
	buffer_append_char(ret, ']');
}

static void begin(const struct control_view *view, struct buffer *ret)
{
	int64_t now_ms = clock_monotonic_ms();
	buffer_append_string(ret, "{\"ok\":true,\"result\":{\"version\":\"" SYNCDOC_VERSION "\",");
	append_string(ret, "node", view->config->node);
	/* 64 bits are more than a JSON number carries for most readers. */
	buffer_printf(ret,
		      ",\"pid\":%d,\"time\":%" PRId64 ",\"uptimeMs\":%" PRId64
		      ",\"incarnation\":\"%" PRIu64 "\",\"generation\":%u,\"phase\":\"%s\"",
		      (int)getpid(), clock_real_ms(), now_ms - view->started_ms, view->incarnation,
		      children_generation(view->children), view->phase);
}

static void append_restart_keys(const struct control_view *view, struct buffer *ret)
{
	buffer_append_string(ret, ",\"needsRestart\":");
	buffer_append_span(ret, view->restart_keys.len ? view->restart_keys : SPAN("[]"));
}

static void answer_status(const struct control_view *view, struct buffer *ret)
{
	begin(view, ret);
	buffer_printf(ret, ",\"reloadWaits\":%s", view->reload_waits ? "true" : "false");
	append_restart_keys(view, ret);
	buffer_append_char(ret, ',');
	if (view->config_path || access(CONFIG_PATH, F_OK) == 0)
		append_string(ret, "config", view->config_path ? view->config_path : CONFIG_PATH);
	else
		buffer_append_string(ret, "\"config\":null"); /* only defaults and -o */
	buffer_append_char(ret, ',');
	append_string(ret, "stateDir", view->config->state_dir);
	append_listen(view->config, ret);
	buffer_append_char(ret, ',');
	append_string(ret, "logLevel", log_level_name(view->log_level));
	append_redis(view, ret);
	append_marks(view, ret);
	append_ring(view, ret);
	append_control(view, ret);
	append_workers(view, false, ret);
	buffer_append_string(ret, "}}");
}

/* As in /metrics: what differs in its labels only has them in its name. */
static void append_supervisor(const struct control_view *view, struct buffer *ret)
{
	buffer_append_string(ret, ",\"supervisor\":{");
	for (unsigned i = 0; i < SUPERVISOR_STAT_COUNT; i++) {
		CLEANUP(buffer_fini) struct buffer name = {0};
		const struct supervisor_description *row = &supervisor_descriptions[i];
		buffer_append_string(&name, row->name);
		if (*row->labels)
			buffer_printf(&name, "{%s}", row->labels);
		if (i)
			buffer_append_char(ret, ',');
		buffer_append_json(ret, buffer_span(&name));
		buffer_append_char(ret, ':');
		buffer_append_u64(ret, supervisor_page_get(view->publisher->page,
							   (enum supervisor_statistic)i));
	}
	buffer_append_char(ret, '}');
}

static void answer_top(const struct control_view *view, struct buffer *ret)
{
	begin(view, ret);
	append_marks(view, ret);
	append_ring(view, ret);
	append_supervisor(view, ret);
	append_workers(view, true, ret);
	buffer_append_string(ret, "}}");
}

/* ---- orders ---- */

static void answer_log_level(const struct control_host *host, const struct json *json,
			     const struct control_view *view, struct buffer *ret)
{
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint32_t token = json_member(json, 0, SPAN("level"));
	enum log_level former = view->log_level, level = former;
	if (token && json_string(json, token, &text))
		buffer_append_char(&text, '?'); /* no string: no level either */
	buffer_append_char(&text, '\0');
	if (token && log_level_parse(text.at, &level)) {
		refuse(ret, "invalid_level",
		       "\"level\" must be error, warning, notice, info or debug");
		return;
	}
	if (token)
		host->set_log_level(level, host->arg);
	buffer_printf(ret, "{\"ok\":true,\"result\":{\"level\":\"%s\",\"former\":\"%s\"}}",
		      log_level_name(level), log_level_name(former));
}

static void refuse_ending(struct buffer *ret)
{
	refuse(ret, "ending", "the daemon is ending");
}

static void answer_reload(const struct control_host *host, struct buffer *ret)
{
	char error[ERROR_MAX] = "";
	int status = host->reload(error, sizeof(error), host->arg);
	struct control_view view;
	host->look(&view, host->arg);
	if (status == -EBUSY)
		refuse_ending(ret);
	else if (status && status != -EAGAIN)
		refuse(ret, "invalid_configuration", error);
	else {
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"generation\":%u,\"waits\":%s",
			      children_generation(view.children),
			      status == -EAGAIN ? "true" : "false");
		append_restart_keys(&view, ret);
		buffer_append_string(ret, "}}");
	}
}

static void answer_drain_all(const struct control_host *host, struct buffer *ret)
{
	if (host->drain_all(host->arg))
		refuse_ending(ret);
	else
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"drained\":\"all\",\"pid\":%d}}",
			      (int)getpid());
}

static void answer_drain_worker(const struct control_host *host, int64_t index, unsigned workers,
				struct buffer *ret)
{
	char detail[128];
	pid_t pid = 0;
	if (index < 0 || index >= workers) {
		snprintf(detail, sizeof(detail), "workers are numbered 0 to %u", workers - 1);
		refuse(ret, "no_such_worker", detail);
		return;
	}
	switch (host->drain_worker((unsigned)index, &pid, host->arg)) {
	case 0:
		buffer_printf(ret, "{\"ok\":true,\"result\":{\"drained\":%u,\"pid\":%d}}",
			      (unsigned)index, (int)pid);
		return;
	case -EBUSY:
		refuse_ending(ret);
		return;
	case -ESRCH:
		refuse(ret, "not_running", "this worker is not running; it will be started again");
		return;
	default:
		refuse(ret, "too_many_draining",
		       "too many processes drain already; try again when some have ended");
	}
}

static void answer_drain(const struct control_host *host, const struct json *json,
			 const struct control_view *view, struct buffer *ret)
{
	uint32_t token = json_member(json, 0, SPAN("worker"));
	int64_t index;
	if (token && json_string_equals(json, token, SPAN("all")))
		answer_drain_all(host, ret);
	else if (token && json_int64(json, token, &index) == 0)
		answer_drain_worker(host, index, view->config->workers, ret);
	else
		refuse(ret, "invalid_request", "\"worker\" must be a number, or \"all\"");
}

/* ---- requests ---- */

enum verb { VERB_STATUS, VERB_TOP, VERB_LOGLEVEL, VERB_RELOAD, VERB_DRAIN, VERB_COUNT };

static const struct {
	const char *name;
	const char *member; /* the only one it may have beside "verb" */
} verbs[VERB_COUNT] = {
	[VERB_STATUS] = {"status", NULL},        [VERB_TOP] = {"top", NULL},
	[VERB_LOGLEVEL] = {"loglevel", "level"}, [VERB_RELOAD] = {"reload", NULL},
	[VERB_DRAIN] = {"drain", "worker"},
};

static enum verb find_verb(const struct json *json)
{
	uint32_t token = json_member(json, 0, SPAN("verb"));
	for (unsigned i = 0; token && i < VERB_COUNT; i++)
		if (json_string_equals(json, token, span_string(verbs[i].name)))
			return (enum verb)i;
	return VERB_COUNT;
}

/* An order with a member that is not understood may mean something else than what would be done. */
static bool members_are_known(const struct json *json, enum verb verb)
{
	for (uint32_t i = 1; i < json->tokens[0].next; i = json->tokens[i + 1].next)
		if (!json_string_equals(json, i, SPAN("verb")) &&
		    !(verbs[verb].member &&
		      json_string_equals(json, i, span_string(verbs[verb].member))))
			return false;
	return true;
}

static void answer_verb(const struct control_host *host, enum verb verb, const struct json *json,
			struct buffer *ret)
{
	struct control_view view;
	host->look(&view, host->arg);
	switch (verb) {
	case VERB_STATUS:
		answer_status(&view, ret);
		break;
	case VERB_TOP:
		answer_top(&view, ret);
		break;
	case VERB_LOGLEVEL:
		answer_log_level(host, json, &view, ret);
		break;
	case VERB_RELOAD:
		answer_reload(host, ret);
		break;
	default:
		answer_drain(host, json, &view, ret);
	}
}

void control_verbs_answer(struct span line, struct buffer *ret, void *arg)
{
	const struct control_host *host = arg;
	struct json json = {0};
	struct json_fault fault;
	enum verb verb;
	if (json_parse(&json, line, REQUEST_DEPTH_MAX, &fault) ||
	    json.tokens[0].type != JSON_OBJECT)
		refuse(ret, "invalid_request",
		       "a request is one JSON object: {\"verb\":\"status\"}");
	else if ((verb = find_verb(&json)) == VERB_COUNT)
		refuse(ret, "unknown_verb",
		       "\"verb\" must be status, top, loglevel, reload or drain");
	else if (!members_are_known(&json, verb))
		refuse(ret, "unknown_member", "this verb does not know one of these members");
	else
		answer_verb(host, verb, &json, ret);
	json_fini(&json);
}
