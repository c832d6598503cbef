/* figures.c — see figures.h. */
#include "figures.h"

#include "clock.h"
#include "log.h"
#include "process_figures.h"

#define COSTS_TICKS 4 /* what the kernel is asked for: once a second */

static void level(struct figures *figures, enum supervisor_statistic stat, uint64_t value)
{
	supervisor_page_set(figures->source.publisher->page, stat, value);
}

/* A reload makes some parts anew, and their counters begin at 0: those of the page must not. */
static void count(struct figures *figures, enum supervisor_statistic stat, uint64_t value)
{
	struct supervisor_page *page = figures->source.publisher->page;
	uint64_t former = figures->counted[stat];
	figures->counted[stat] = value;
	supervisor_page_set(page, stat,
			    supervisor_page_get(page, stat) +
				    (value >= former ? value - former : value));
}

static void tell_feed(struct figures *figures, const struct relay *relay)
{
	const struct feed *feed = &relay->feed;
	const struct presence_feed *presence = &relay->presence;
	count(figures, SUPERVISOR_events_relayed, feed->events);
	count(figures, SUPERVISOR_events_recovered, feed->recovered);
	count(figures, SUPERVISOR_events_repeated, feed->repeated);
	count(figures, SUPERVISOR_events_malformed, feed->malformed);
	count(figures, SUPERVISOR_presence_events, presence->events);
	count(figures, SUPERVISOR_presence_early_flushes, presence->coalescer.early_flushes);
	count(figures, SUPERVISOR_holes, feed->holes_seen);
	level(figures, SUPERVISOR_holes_open, feed->hole_count);
	level(figures, SUPERVISOR_held_bytes, feed->held.bytes + feed->hole_bytes);
	count(figures, SUPERVISOR_resyncs_gap, feed->resyncs - feed->resyncs_rollback);
	count(figures, SUPERVISOR_resyncs_rollback, feed->resyncs_rollback);
	count(figures, SUPERVISOR_resyncs_large, feed->oversized + presence->oversized);
	count(figures, SUPERVISOR_resyncs_all_gap, feed->resyncs_all - feed->resyncs_all_rollback);
	count(figures, SUPERVISOR_resyncs_all_rollback, feed->resyncs_all_rollback);
	level(figures, SUPERVISOR_documents_remembered, last_revisions_count(feed->last));
	count(figures, SUPERVISOR_documents_untracked, feed->table_full);
}

static void tell_subscription(struct figures *figures)
{
	const struct figures_source *source = &figures->source;
	const struct marks *marks = source->relay->marks;
	const struct catchup *catchup = &source->relay->catchup;
	level(figures, SUPERVISOR_subscription_active, publisher_is_active(source->publisher));
	level(figures, SUPERVISOR_subscription_confirmed, marks->confirmed);
	level(figures, SUPERVISOR_run_id_known, source->mark_timer->known);
	level(figures, SUPERVISOR_catching_up, source->relay->feed.holding);
	count(figures, SUPERVISOR_catchups, catchup->gaps);
	count(figures, SUPERVISOR_catchups_given_up, catchup->given_up);
	count(figures, SUPERVISOR_catchup_retries, catchup->retries);
	count(figures, SUPERVISOR_control_messages, source->relay->control_messages);
	count(figures, SUPERVISOR_control_oversized, source->relay->control_oversized);
	count(figures, SUPERVISOR_control_forged, source->relay->control_forged);
	count(figures, SUPERVISOR_marks, marks->past_count);
	count(figures, SUPERVISOR_marks_malformed, marks->malformed);
	/* relaxed: a figure. */
	atomic_store_explicit(&source->publisher->page->mark_ms, (uint64_t)marks->mark_ms,
			      memory_order_relaxed);
}

static void tell_redis(struct figures *figures)
{
	const struct figures_source *source = &figures->source;
	const struct redis *relay = source->relay->upstream.redis;
	const struct redis *commands = source->commands->redis;
	const struct store *store = *source->store;
	level(figures, SUPERVISOR_redis_up_relay, redis_state_of(relay) == REDIS_READY);
	level(figures, SUPERVISOR_redis_up_commands, redis_state_of(commands) == REDIS_READY);
	level(figures, SUPERVISOR_redis_up_store, store && store_is_ready(store));
	count(figures, SUPERVISOR_reconnects_relay, redis_reconnects(relay));
	count(figures, SUPERVISOR_reconnects_commands, redis_reconnects(commands));
	if (store)
		count(figures, SUPERVISOR_reconnects_store, store_reconnects(store));
	level(figures, SUPERVISOR_sentinels_heard, sentinel_watch_listening(*source->sentinels));
	count(figures, SUPERVISOR_primary_switches, sentinel_watch_switches(*source->sentinels));
	if (source->embedded)
		count(figures, SUPERVISOR_embedded_starts, embedded_redis_starts(source->embedded));
}

static void tell_upkeep(struct figures *figures)
{
	const struct figures_source *source = &figures->source;
	count(figures, SUPERVISOR_documents_expired, source->expiry->expired);
	count(figures, SUPERVISOR_documents_expired_late, source->expiry->late);
	count(figures, SUPERVISOR_expiry_failures, source->expiry->failures);
	count(figures, SUPERVISOR_documents_purged, source->purge->purged);
	count(figures, SUPERVISOR_presence_reaped, source->presence_reaper->removed);
	count(figures, SUPERVISOR_presence_expired, source->presence_reaper->expired);
	count(figures, SUPERVISOR_leases_lost, source->presence_reaper->leases_lost);
	level(figures, SUPERVISOR_is_leased, source->presence_reaper->is_leased);
}

static void tell_control(struct figures *figures)
{
	struct control_counts counts;
	control_count(figures->source.control, &counts);
	level(figures, SUPERVISOR_control_clients, counts.clients);
	count(figures, SUPERVISOR_control_requests, counts.requests);
	count(figures, SUPERVISOR_control_refused_busy, counts.refused_busy);
	count(figures, SUPERVISOR_control_refused_peer, counts.refused_peer);
	count(figures, SUPERVISOR_control_refused_line, counts.refused_line);
	count(figures, SUPERVISOR_control_closed_idle, counts.closed_idle);
}

static void tell_processes(struct figures *figures)
{
	const struct figures_source *source = &figures->source;
	children_tell_figures(source->children);
	count(figures, SUPERVISOR_reloads, source->reloads);
	count(figures, SUPERVISOR_reloads_refused, source->reloads_refused);
	count(figures, SUPERVISOR_ring_published, source->publisher->records);
	count(figures, SUPERVISOR_ring_written, source->publisher->writer.tail);
	if (figures->ticks++ % COSTS_TICKS)
		return;
	struct process_figures costs;
	process_figures_read(&costs, 0);
	count(figures, SUPERVISOR_cpu_seconds, costs.cpu_us);
	level(figures, SUPERVISOR_resident_memory_bytes, costs.resident_bytes);
	level(figures, SUPERVISOR_open_fds, costs.open_fds);
	level(figures, SUPERVISOR_max_fds, costs.max_fds);
	count(figures, SUPERVISOR_log_lines_lost, log_lines_lost());
	int redis = source->embedded ? embedded_redis_pid(source->embedded) : 0;
	level(figures, SUPERVISOR_embedded_memory, redis ? process_resident_bytes(redis) : 0);
}

void figures_tell(struct figures *figures)
{
	tell_feed(figures, figures->source.relay);
	tell_subscription(figures);
	tell_redis(figures);
	tell_upkeep(figures);
	tell_control(figures);
	tell_processes(figures);
	/* relaxed: a figure. */
	atomic_store_explicit(&figures->source.publisher->page->heartbeat_ms,
			      (uint64_t)clock_monotonic_ms(), memory_order_relaxed);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	figures_tell(timer->data);
}

void figures_start(struct figures *figures, struct ev_loop *loop,
		   const struct figures_source *source)
{
	*figures = (struct figures){.source = *source, .loop = loop};
	ev_timer_init(&figures->timer, on_tick, 0., FIGURES_INTERVAL_MS / 1000.);
	figures->timer.data = figures;
	ev_timer_start(loop, &figures->timer);
}

void figures_stop(struct figures *figures)
{
	ev_timer_stop(figures->loop, &figures->timer);
}
