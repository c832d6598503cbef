/* control_report.c — see control_report.h. */
#include "control_report.h"

#include "clock.h"

#include <inttypes.h>
#include <unistd.h>

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

void control_report_restart_keys(const struct control_view *view, struct buffer *ret)
{
	buffer_append_string(ret, ",\"needsRestart\":");
	buffer_append_span(ret, view->restart_keys.len ? view->restart_keys : SPAN("[]"));
}

void control_report_status(const struct control_view *view, struct buffer *ret)
{
	begin(view, ret);
	buffer_printf(ret, ",\"reloadWaits\":%s", view->reload_waits ? "true" : "false");
	control_report_restart_keys(view, ret);
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

void control_report_top(const struct control_view *view, struct buffer *ret)
{
	begin(view, ret);
	append_marks(view, ret);
	append_ring(view, ret);
	append_supervisor(view, ret);
	append_workers(view, true, ret);
	buffer_append_string(ret, "}}");
}
