/* presence_entry.c — one entry: what is sent to Redis, and what its reply means.
 *
 * `goal` is what shall be in Redis, `known` what Redis has confirmed. At most one command of an
 * entry is under way, so that they cannot overtake each other. After a lost reply (`doubt`) late
 * bytes may still be executed behind our back: once a command has succeeded again, it is repeated a
 * moment later. */
#include "presence_private.h"

#include "principal.h"
#include "store_presence.h"
#include "websockets_private.h"

/* ---- states ---- */

static void state_set(struct presence_state *to, const struct presence_state *from)
{
	struct text *data = text_get(from->data);

	text_put(to->data);
	*to = *from;
	to->data = data;
}

void presence_entry_set_data(struct presence_entry *entry, struct span data)
{
	text_put(entry->goal.data);
	entry->goal.data = data.len ? text_create(data) : NULL;
}

/* ---- queues ---- */

static void unqueue(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;

	if (entry->place == PLACE_DIRTY)
		TAILQ_REMOVE(&presence->dirty, entry, queue);
	else if (entry->place == PLACE_LATER)
		TAILQ_REMOVE(&presence->later, entry, queue);
	entry->place = PLACE_NONE;
}

void presence_entry_make_dirty(struct presence_entry *entry)
{
	if (entry->place == PLACE_SENT || entry->place == PLACE_DIRTY)
		return;
	unqueue(entry);
	entry->place = PLACE_DIRTY;
	TAILQ_INSERT_TAIL(&entry->presence->dirty, entry, queue);
}

static void make_later(struct presence_entry *entry)
{
	unqueue(entry);
	entry->place = PLACE_LATER;
	TAILQ_INSERT_TAIL(&entry->presence->later, entry, queue);
	stat_add(entry->presence->worker->slot, STAT_presence_retries, 1);
}

/* ---- entries ---- */

struct presence_entry *presence_entry_create(struct presence *presence,
					     struct connection *connection, struct span service,
					     struct span id)
{
	struct presence_entry *entry = calloc(1, sizeof(*entry) + service.len + id.len);

	MUST(entry);
	entry->presence = presence;
	STAILQ_INIT(&entry->waiters);
	memcpy(entry->names, service.at, service.len);
	memcpy(entry->names + service.len, id.at, id.len);
	entry->service = span_of(entry->names, service.len);
	entry->id = span_of(entry->names + service.len, id.len);
	memcpy(entry->member, connection->id, CONNECTION_ID_LEN);
	entry->user = connection->principal ? text_get(connection->principal->user) : NULL;
	entry->connection = connection;
	entry->next = connection->presence;
	connection->presence = entry;
	TAILQ_INSERT_TAIL(&presence->all, entry, all);
	presence->count++;
	stat_set(presence->worker->slot, STAT_presence_entries, presence->count);
	return entry;
}

void presence_entry_unlink(struct presence_entry *entry)
{
	struct presence_entry **place;

	if (!entry->connection)
		return;
	for (place = &entry->connection->presence; *place != entry;)
		place = &(*place)->next;
	*place = entry->next;
	entry->connection = NULL;
}

void presence_entry_destroy(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;

	MUST(STAILQ_EMPTY(&entry->waiters));
	unqueue(entry);
	presence_entry_unlink(entry);
	if (entry->is_leaving)
		TAILQ_REMOVE(&presence->leaving, entry, leaving);
	TAILQ_REMOVE(&presence->all, entry, all);
	text_put(entry->goal.data);
	text_put(entry->sent.data);
	text_put(entry->known.data);
	text_put(entry->user);
	free(entry);
	presence->count--;
	stat_set(presence->worker->slot, STAT_presence_entries, presence->count);
}

/* ---- answers ---- */

/* A caller may do anything but destroy entries. */
void presence_entry_answer(struct presence_entry *entry, const struct outcome *outcome, bool all)
{
	struct presence_waiter *waiter;

	while ((waiter = STAILQ_FIRST(&entry->waiters)) &&
	       (all || (int32_t)(waiter->version - entry->sent_version) <= 0)) {
		STAILQ_REMOVE_HEAD(&entry->waiters, link);
		entry->waiter_count--;
		waiter->done(outcome, waiter->arg);
		free(waiter);
	}
}

static void answer_success(struct presence_entry *entry, const struct store_presence_result *result)
{
	struct buffer *text = &entry->presence->text;

	text->len = 0;
	presence_format_head(text, entry->service, entry->id, result->users);
	if (result->member.len) {
		buffer_append_string(text, ",\"member\":");
		buffer_append_span(text, result->member);
	}
	buffer_append_char(text, '}');
	struct outcome outcome = {.status = 200, .envelope = buffer_span(text)};
	presence_entry_answer(entry, &outcome, false);
}

/* ---- replies ---- */

/* What next, after a command that Redis has executed. */
static void settle(struct presence_entry *entry)
{
	if (entry->version != entry->sent_version) {
		presence_entry_make_dirty(entry);
	} else if (entry->doubt) {
		entry->doubt = false;
		entry->may_exist = true;
		make_later(entry);
	} else if (!entry->goal.is_present) {
		presence_entry_destroy(entry);
	}
}

/* The client was told that it did not happen, so it shall not. A leave stands, whatever the client
 * was told. */
static void give_up(struct presence_entry *entry, int error)
{
	bool had_waiters = !STAILQ_EMPTY(&entry->waiters);
	struct outcome outcome = presence_outcome_of_error(error);

	presence_entry_answer(entry, &outcome, true);
	if (had_waiters && entry->goal.is_present && !entry->is_leaving)
		state_set(&entry->goal, &entry->known);
	entry->version++; /* whatever was sent, it is not the goal any more */
	if (error == -ETIMEDOUT)
		entry->doubt = entry->may_exist = true;
	if (!entry->goal.is_present && !entry->may_exist)
		presence_entry_destroy(entry);
	else
		make_later(entry);
}

static void on_reply(struct presence_entry *entry, int error,
		     const struct store_presence_result *result)
{
	struct presence *presence = entry->presence;

	presence->in_flight--;
	entry->place = PLACE_NONE;
	if (error) {
		give_up(entry, error);
	} else {
		state_set(&entry->known, &entry->sent);
		entry->may_exist = entry->known.is_present;
		answer_success(entry, result);
		settle(entry);
	}
	presence_pump(presence);
}

static void on_store_reply(int error, const struct store_presence_result *result, void *arg)
{
	on_reply(arg, error, result);
}

/* ---- commands ---- */

static void send_entry(struct presence_entry *entry)
{
	struct presence *presence = entry->presence;
	struct span member = span_of(entry->member, CONNECTION_ID_LEN);
	struct store_presence command = {
		.service = entry->service,
		.id = entry->id,
		.run_id = presence_run_id(presence),
		.member = member,
		.user = entry->user ? text_span(entry->user) : member,
		.mode = entry->goal.is_editing ? SPAN("editing") : SPAN("viewing"),
		.data = entry->goal.data ? text_span(entry->goal.data) : SPAN("{}"),
		.quiet = !entry->announce,
	};

	unqueue(entry);
	entry->place = PLACE_SENT;
	entry->announce = false;
	entry->sent_version = entry->version;
	state_set(&entry->sent, &entry->goal);
	presence->in_flight++;
	if (entry->goal.is_present)
		store_presence_put(presence->worker->store, &command, on_store_reply, entry);
	else
		store_presence_leave(presence->worker->store, &command, false, on_store_reply,
				     entry);
}

void presence_pump(struct presence *presence)
{
	struct presence_entry *entry;

	while (!presence->is_stopped && presence->in_flight < PRESENCE_IN_FLIGHT_MAX &&
	       (entry = TAILQ_FIRST(&presence->dirty)))
		send_entry(entry);
}
