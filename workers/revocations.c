#include "revocations.h"

#include "auth.h"
#include "http.h"
#include "log.h"
#include "long_poll.h"
#include "store_control.h"
#include "stream.h"
#include "websocket.h"

#define RETRY_S 1.
/* Whatever else may go wrong with messages, no revocation stays unknown for longer. */
#define REREAD_S 60.
/* Redis keeps half as many; with the next reading those that it has dropped go. */
#define ENTRIES_MAX ((size_t)2 * STORE_REVOKED_MAX)

struct revocation {
	struct text *name; /* one reference: sub:… or jti:… */
	int64_t issued_before_ms;
};

struct table {
	struct revocation *entries; /* owned; in the order of compare_names() */
	size_t count, cap;
};

struct revocations {
	struct worker *worker;
	struct table table;
	bool known;
	bool reading;
	bool again;   /* something may have been lost since the read began */
	bool changed; /* a message came since the read began: what is read may lack it */
	ev_timer timer;
};

/* --- the table --------------------------------------------------------------- */

static int compare_names(struct span a, struct span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.at, b.at, a.len) : 0;
}

/* Where it stands, or would have to. */
static size_t place_of(const struct table *table, struct span name)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(text_span(table->entries[middle].name), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct revocation *find(const struct table *table, struct span name)
{
	size_t place = place_of(table, name);
	bool stands =
		place < table->count && span_equals(text_span(table->entries[place].name), name);

	return stands ? &table->entries[place] : NULL;
}

static void make_room(struct table *table)
{
	if (table->count < table->cap)
		return;
	table->cap = table->cap ? table->cap * 2 : 64;
	table->entries = reallocarray(table->entries, table->cap, sizeof(*table->entries));
	MUST(table->entries);
}

static int compare_entries(const void *a, const void *b)
{
	const struct revocation *one = a, *other = b;

	return compare_names(text_span(one->name), text_span(other->name));
}

/* False: it was known, or there is no room. */
static bool put(struct table *table, struct span name, int64_t issued_before_ms)
{
	struct revocation *known = find(table, name);

	if (known) {
		bool is_later = issued_before_ms > known->issued_before_ms;

		if (is_later)
			known->issued_before_ms = issued_before_ms;
		return is_later;
	}
	if (table->count == ENTRIES_MAX)
		return false;
	make_room(table);
	struct revocation *at = &table->entries[place_of(table, name)];
	size_t behind = (size_t)(table->entries + table->count++ - at);
	memmove(at + 1, at, behind * sizeof(*at));
	*at = (struct revocation){text_create(name), issued_before_ms};
	return true;
}

static void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		text_put(table->entries[i].name);
	free(table->entries);
}

/* --- who is meant ------------------------------------------------------------ */

static bool is_named(const struct revocations *revocations, const char *kind, struct span value,
		     int64_t issued_at_ms)
{
	char bytes[4 + REVOCATION_NAME_MAX];

	if (!value.len || value.len > REVOCATION_NAME_MAX)
		return false;
	memcpy(bytes, kind, 4);
	memcpy(bytes + 4, value.at, value.len);
	struct span name = span_of(bytes, 4 + value.len);
	const struct revocation *found = find(&revocations->table, name);
	/* A token that does not say when it was issued (0) is one of the past. */
	return found && issued_at_ms < found->issued_before_ms;
}

static bool is_revoked(const struct principal *principal, void *arg)
{
	const struct revocations *revocations = arg;

	if (!principal || !revocations->table.count)
		return false;
	return is_named(revocations, "sub:", principal_user(principal), principal->issued_at_ms) ||
	       is_named(revocations, "jti:", text_span(principal->token_id),
			principal->issued_at_ms);
}

static int judge(const struct principal *principal, void *arg)
{
	const struct revocations *revocations = arg;

	if (!revocations->known)
		return -EAGAIN;
	return is_revoked(principal, arg) ? -EACCES : 0;
}

static void end_revoked(struct revocations *revocations)
{
	struct worker *worker = revocations->worker;

	websockets_end_revoked(worker->websockets, is_revoked, revocations);
	streams_end_revoked(worker->streams, is_revoked, revocations);
	long_polls_end_revoked(worker->long_polls, is_revoked, revocations);
}

void revocations_add(struct revocations *revocations, struct span name, int64_t issued_before_ms)
{
	if (!revocations || name.len < 4 || name.len > 4 + REVOCATION_NAME_MAX)
		return;
	revocations->changed = true;
	if (!put(&revocations->table, name, issued_before_ms))
		return;
	stat_set(revocations->worker->slot, STAT_revocations, revocations->table.count);
	end_revoked(revocations);
}

/* --- reading ----------------------------------------------------------------- */

static void set_timer(struct revocations *revocations, double after_s)
{
	struct ev_loop *loop = revocations->worker->loop;

	ev_timer_stop(loop, &revocations->timer);
	ev_timer_set(&revocations->timer, after_s, 0.);
	ev_timer_start(loop, &revocations->timer);
}

/* What is not in Redis any more holds no more, but for what may have come meanwhile. */
static void take_list(struct revocations *revocations, const struct store_revoked *entries,
		      size_t count)
{
	struct table fresh = {0}, old = revocations->table;
	int64_t oldest_ms = worker_now_ms() - STORE_REVOKED_KEPT_MS;
	bool news = false;

	for (size_t i = 0; i < count; i++) {
		const struct revocation *known = find(&old, entries[i].name);

		if (fresh.count == ENTRIES_MAX || entries[i].name.len > 4 + REVOCATION_NAME_MAX ||
		    entries[i].issued_before_ms < oldest_ms)
			continue;
		make_room(&fresh);
		fresh.entries[fresh.count++] = (struct revocation){text_create(entries[i].name),
								   entries[i].issued_before_ms};
		news = news || !known || known->issued_before_ms < entries[i].issued_before_ms;
	}
	/* All at once: so many moved for each would hold the loop for tenths of a second. */
	if (fresh.count)
		qsort(fresh.entries, fresh.count, sizeof(*fresh.entries), compare_entries);
	for (size_t i = 0; i < old.count && revocations->changed; i++)
		put(&fresh, text_span(old.entries[i].name), old.entries[i].issued_before_ms);
	table_fini(&old);
	revocations->table = fresh;
	stat_set(revocations->worker->slot, STAT_revocations, fresh.count);
	if (news)
		end_revoked(revocations);
	if (revocations->known)
		return;
	revocations->known = true;
	if (revocations->worker->http)
		http_accept_now(revocations->worker->http);
}

static void on_list(int error, const struct store_revoked *entries, size_t count, void *arg)
{
	struct revocations *revocations = arg;

	revocations->reading = false;
	if (error == -ECANCELED)
		return;
	if (!error)
		take_list(revocations, entries, count);
	/* Spread, so that the workers of many hosts do not ask all at once. */
	set_timer(revocations, error || revocations->again ? RETRY_S * (0.5 + drand48())
							   : REREAD_S * (0.8 + 0.4 * drand48()));
}

void revocations_reload(struct revocations *revocations)
{
	if (!revocations || !revocations->worker->store)
		return;
	if (revocations->reading) {
		revocations->again = true;
		return;
	}
	revocations->reading = true;
	revocations->again = revocations->changed = false;
	store_revoked(revocations->worker->store, on_list, revocations);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	revocations_reload(CONTAINER_OF(timer, struct revocations, timer));
}

/* --- life -------------------------------------------------------------------- */

bool revocations_are_known(const struct revocations *revocations)
{
	return !revocations || revocations->known;
}

struct revocations *revocations_create(struct worker *worker)
{
	if (!CONFIG_AUTH_IS_ON(worker->config))
		return NULL;
	struct revocations *revocations = calloc(1, sizeof(*revocations));
	MUST(revocations);
	revocations->worker = worker;
	ev_timer_init(&revocations->timer, on_timer, 0., 0.);
	auth_set_revoked(worker->auth, judge, revocations);
	revocations_reload(revocations);
	return revocations;
}

void revocations_destroy(struct revocations *revocations)
{
	if (!revocations)
		return;
	ev_timer_stop(revocations->worker->loop, &revocations->timer);
	table_fini(&revocations->table);
	free(revocations);
}
