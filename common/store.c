/* store.c — connections, the encoding they ask for, and the way all commands take. */
#include "store_internal.h"
#include "hash.h"
#include "log.h"

#define DOCUMENT_LANES 2
#define DOCUMENT_LANES_WAITING 8 /* WAIT holds up what stands behind it on its connection */

_Static_assert(DOCUMENT_LANES_WAITING < STORE_LANES_MAX, "and one for lists");

/* --- encoding --- */

static void encoding_ask(struct store_lane *lane);

static void encoding_answer(struct store_lane *lane, enum config_encoding encoding)
{
	lane->store->encoding = encoding;
	lane->is_encoding_known = true;
}

static void on_encoding(const struct redisReply *reply, int error, void *arg)
{
	struct store_lane *lane = arg;
	lane->is_asking = false;
	if (error == -ETIMEDOUT && redis_state_of(lane->redis) == REDIS_READY)
		encoding_ask(lane); /* stalled, not lost: nobody else would ask again */
	if (error)
		return;
	bool has_json = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
			reply->element[0]->type == REDIS_REPLY_ARRAY;
	encoding_answer(lane, has_json ? CONFIG_ENCODING_JSON : CONFIG_ENCODING_STRING);
}

static void encoding_ask(struct store_lane *lane)
{
	static const char *const argv[] = {"COMMAND", "INFO", "JSON.SET"};
	if (lane->store->encoding_wanted != CONFIG_ENCODING_AUTO)
		encoding_answer(lane, lane->store->encoding_wanted);
	else if (!lane->is_asking)
		lane->is_asking = store_command(lane, on_encoding, lane, 3, argv) == 0;
}

const char *store_encoding(const struct store_lane *lane)
{
	if (!lane->is_encoding_known)
		return "auto";
	return lane->store->encoding == CONFIG_ENCODING_JSON ? "json" : "string";
}

/* --- connections --- */

static void on_state(struct redis *redis, enum redis_state state, const char *reason,
		     int64_t retry_ms, void *arg)
{
	static struct log_limit lost;
	struct store_lane *lane = arg;
	(void)redis;
	if (state == REDIS_READY) {
		encoding_ask(lane);
		return;
	}
	lane->is_encoding_known = false; /* another server may come back */
	snprintf(lane->store->lost_reason, sizeof(lane->store->lost_reason), "%s", reason);
	if (state == REDIS_CONNECTING)
		log_debug("store: redis connection %zu: %s", (size_t)(lane - lane->store->lanes),
			  reason);
	else if (log_allow(&lost))
		log_warning("store: redis connection %zu lost: %s, retrying in %lld ms",
			    (size_t)(lane - lane->store->lanes), reason, (long long)retry_ms);
}

static void on_defer_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop, (void)revents;
	struct store *store = timer->data;
	struct store_request *request = store->deferred;
	store->deferred = NULL;
	store->deferred_last = &store->deferred;
	while (request) {
		struct store_request *next = request->next;
		request->finish(request, request->error);
		request = next;
	}
}

struct store *store_create(struct ev_loop *loop, const struct config *config, const char *url,
			   uint64_t hash_seed)
{
	const struct redis_options options = redis_options_of(config, url, "syncdoc-store");
	struct store *store = calloc(1, sizeof(*store));
	MUST(store && (store->sums = calloc(STORE_SUMS, sizeof(*store->sums))) &&
	     (store->lengths = calloc(STORE_LENGTHS, sizeof(*store->lengths))));
	store->loop = loop;
	store->hash_seed = hash_seed;
	store->encoding_wanted = config->redis_encoding;
	store->timeout_ms = config->redis_timeout_ms;
	store->wait_replicas = config->redis_wait_replicas;
	store->history_max = config->history_max;
	store->history_max_bytes = config->history_max_bytes;
	store->tombstone_ttl_ms = config->documents_tombstone_ttl_ms;
	store->deferred_last = &store->deferred;
	ev_timer_init(&store->defer_timer, on_defer_timer, 0., 0.);
	store->defer_timer.data = store;
	list_gate_init(&store->lists, loop, store->timeout_ms);
	store->read_many_mean = STORE_READ_MANY_MEAN;
	store->lane_count = 1 + (store->wait_replicas ? DOCUMENT_LANES_WAITING : DOCUMENT_LANES);
	for (size_t i = 0; i < store->lane_count; i++) {
		struct store_lane *lane = &store->lanes[i];
		lane->store = store;
		lane->redis = redis_create(loop, &options, on_state, lane);
	}
	return store;
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	store->is_closing = true;
	for (size_t i = 0; i < store->lane_count; i++)
		redis_destroy(store->lanes[i].redis);
	list_gate_close(&store->lists);
	/* What a callback asks for is deferred again, so this goes on until none asks. */
	while (store->deferred) {
		struct store_request *request = store->deferred, *next;
		store->deferred = NULL;
		store->deferred_last = &store->deferred;
		for (; request; request = next) {
			next = request->next;
			request->finish(request, -ECANCELED);
		}
	}
	ev_timer_stop(store->loop, &store->defer_timer);
	free(store->sums);
	free(store->lengths);
	buffer_fini(&store->scratch);
	buffer_fini(&store->envelope);
	buffer_fini(&store->arguments);
	free(store);
}

void store_move(struct store *store, const char *host, unsigned port)
{
	for (size_t i = 0; i < store->lane_count; i++)
		redis_move(store->lanes[i].redis, host, port);
}

bool store_is_ready(const struct store *store)
{
	for (size_t i = 0; i < store->lane_count; i++)
		if (redis_state_of(store->lanes[i].redis) != REDIS_READY ||
		    !store->lanes[i].is_encoding_known)
			return false;
	return true;
}

const char *store_lost_reason(const struct store *store)
{
	return store->lost_reason;
}

uint64_t store_list_waits(const struct store *store)
{
	return store->lists.waits;
}

uint64_t store_list_refusals(const struct store *store)
{
	return store->lists.refusals;
}

uint64_t store_reconnects(const struct store *store)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < store->lane_count; i++)
		sum += redis_reconnects(store->lanes[i].redis);
	return sum;
}

uint64_t store_failures(const struct store *store)
{
	return store->failures;
}

uint64_t store_hash(const struct store *store, struct span service, struct span id)
{
	return hash_span(hash_span(store->hash_seed, service), id);
}

struct store_lane *store_lane_of(struct store *store, struct span service, struct span id)
{
	return &store->lanes[store_hash(store, service, id) % (store->lane_count - 1)];
}

struct store_lane *store_lane_of_lists(struct store *store)
{
	return &store->lanes[store->lane_count - 1];
}

int store_command(struct store_lane *lane, redis_reply_fn fn, void *arg, int argc,
		  const char *const *argv)
{
	if (lane->store->is_closing)
		return -ECANCELED;
	return redis_command(lane->redis, fn, arg, argc, argv, NULL);
}

int store_script_argv(struct store_lane *lane, struct script *script, redis_reply_fn fn, void *arg,
		      unsigned key_count, int argc, const char *const *argv, const size_t *len)
{
	if (lane->store->is_closing)
		return -ECANCELED;
	return script_call(lane->redis, script, fn, arg, key_count, argc, argv, len);
}

int store_script(struct store_lane *lane, struct script *script, redis_reply_fn fn, void *arg,
		 unsigned key_count, const struct span *arguments, size_t count)
{
	const char *argv[STORE_ARGUMENTS_MAX];
	size_t len[STORE_ARGUMENTS_MAX];
	MUST(count <= STORE_ARGUMENTS_MAX);
	for (size_t i = 0; i < count; i++) {
		argv[i] = arguments[i].at;
		len[i] = arguments[i].len;
	}
	return store_script_argv(lane, script, fn, arg, key_count, (int)count, argv, len);
}

void store_defer(struct store_request *request, int error)
{
	struct store *store = request->store;
	request->error = error;
	request->next = NULL;
	*store->deferred_last = request;
	store->deferred_last = &request->next;
	if (!ev_is_active(&store->defer_timer)) {
		ev_timer_set(&store->defer_timer, 0., 0.);
		ev_timer_start(store->loop, &store->defer_timer);
	}
}
