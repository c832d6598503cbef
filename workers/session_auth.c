#include "session_auth.h"

#include "access.h"
#include "auth.h"
#include "presence.h"
#include "replay.h"

static struct worker *worker_of(const struct connection *connection)
{
	return connection->websockets->worker;
}

/* --- time ------------------------------------------------------------------------ */

static void watch_end(struct connection *connection)
{
	const struct principal *principal = connection->principal;

	if (principal->ends_at_ms == PRINCIPAL_FOR_EVER)
		second_wheel_stop(&connection->end);
	else
		second_wheel_watch(&connection->websockets->token_ends, &connection->end,
				   principal->ends_at_ms, worker_now_ms());
}

static void look_at_token(struct second_watch *watch)
{
	struct connection *connection = CONTAINER_OF(watch, struct connection, end);

	if (connection->state != CONNECTION_OPEN ||
	    worker_now_ms() < connection->principal->ends_at_ms)
		return;
	stat_add(worker_of(connection)->slot, STAT_auth_ended, 1);
	connection_close(connection, WS_CLOSE_TOKEN_EXPIRED, "the token has expired", false);
}

static void look_at_stranger(struct second_watch *watch)
{
	struct connection *connection = CONTAINER_OF(watch, struct connection, end);

	if (connection->state != CONNECTION_OPEN ||
	    !time_is_past(connection->token_by_ms, worker_monotonic_ms()))
		return;
	stat_add(worker_of(connection)->slot, STAT_auth_timeouts, 1);
	connection_close(connection, WS_CLOSE_FORBIDDEN, "no token came in time", false);
}

void session_auth_open(struct websockets *websockets)
{
	second_wheel_init(&websockets->token_ends, worker_now_ms(), look_at_token);
	second_wheel_init(&websockets->strangers, worker_monotonic_ms(), look_at_stranger);
}

void session_auth_each_second(struct websockets *websockets)
{
	second_wheel_turn(&websockets->token_ends, worker_now_ms());
	second_wheel_turn(&websockets->strangers, worker_monotonic_ms());
}

void session_auth_start(struct connection *connection, struct principal *principal)
{
	struct principal *everybody = auth_everybody(worker_of(connection)->auth);

	connection->principal = principal_get(everybody ? everybody : principal);
	if (connection->principal) {
		watch_end(connection);
		return;
	}
	int64_t now_ms = worker_monotonic_ms(), by_ms = now_ms + SESSION_AUTH_TIMEOUT_MS;
	connection->token_by_ms = (uint32_t)by_ms;
	second_wheel_watch(&connection->websockets->strangers, &connection->end, by_ms, now_ms);
}

void session_auth_stop(struct connection *connection)
{
	second_wheel_stop(&connection->end);
	principal_put(connection->principal);
	connection->principal = NULL;
}

size_t session_message_max(const struct connection *connection)
{
	size_t most = worker_of(connection)->config->ws_max_message;

	return connection->principal || most < SESSION_AUTH_MESSAGE_MAX ? most
									: SESSION_AUTH_MESSAGE_MAX;
}

/* --- rights ---------------------------------------------------------------------- */

int session_access(struct connection *connection, struct span service, struct span id,
		   unsigned right, struct outcome *ret_refusal)
{
	const struct principal *principal = connection->principal;

	if (id.len ? principal_allows(principal, service, id, right)
		   : principal_allows_some(principal, service, right))
		return 0;
	*ret_refusal = principal_refusal(service, id, right);
	return -EACCES;
}

/* --- after a refresh ------------------------------------------------------------- */

/* Subscriptions as they were: the index changes while they are looked at. */
struct kept {
	struct subscription_spec *specs; /* owned; names point into `names` once all are there */
	struct buffer names;
	size_t count;
};

static struct span keep_name(struct kept *kept, struct span name)
{
	size_t at = kept->names.len;

	buffer_append_span(&kept->names, name);
	return span_of((const char *)(uintptr_t)at, name.len);
}

static void keep(const struct subscription_spec *spec, void *arg)
{
	struct kept *kept = arg;
	struct subscription_spec *to = &kept->specs[kept->count++];

	*to = *spec;
	to->topic.service = keep_name(kept, spec->topic.service);
	to->id = keep_name(kept, spec->id);
	to->prefix = keep_name(kept, spec->prefix);
	rights_get(to->filter);
}

static void settle_name(const struct kept *kept, struct span *name)
{
	*name = name->len ? span_of(kept->names.at + (uintptr_t)name->at, name->len) : SPAN_NONE;
}

static void keep_all(struct kept *kept, const struct audience *audience)
{
	kept->specs = calloc(audience_subscription_count(audience) + 1, sizeof(*kept->specs));
	MUST(kept->specs);
	if (audience)
		audience_each_subscription(audience, keep, kept);
	for (size_t i = 0; i < kept->count; i++) {
		settle_name(kept, &kept->specs[i].topic.service);
		settle_name(kept, &kept->specs[i].id);
		settle_name(kept, &kept->specs[i].prefix);
	}
}

static void kept_fini(struct kept *kept)
{
	for (size_t i = 0; i < kept->count; i++)
		rights_put(kept->specs[i].filter);
	free(kept->specs);
	buffer_fini(&kept->names);
}

static void tell_ended(struct connection *connection, struct subscription_spec spec,
		       const struct outcome *refusal)
{
	spec.mode = 0; /* not shown */
	struct buffer *text = session_answer_begin(connection, "error", SPAN_NONE);
	session_append_error(connection, refusal);
	subscribe_append(text, &spec);
	session_answer_end(connection);
}

/* What it matches now is not what it matched: the client reads again. */
static void tell_changed(struct connection *connection, struct subscription_spec spec)
{
	spec.mode = 0;
	struct buffer *text = session_answer_begin(connection, "resync", SPAN_NONE);
	subscribe_append(text, &spec);
	buffer_append_string(text, ",\"reason\":\"rights\"");
	session_answer_end(connection);
	stat_add(worker_of(connection)->slot, STAT_resyncs_sent, 1);
}

/* Of those kept, what the principal may have; of the others the client is told. Nothing is sent
 * by a subscription before all have been judged. *ret_changed: some are not what they were. */
static size_t narrow_all(struct connection *connection, const struct kept *kept,
			 struct subscription_spec *ret, bool *ret_changed)
{
	size_t count = 0;

	*ret_changed = false;
	for (size_t i = 0; i < kept->count; i++) {
		const struct subscription_spec *old = &kept->specs[i];
		struct subscription_spec spec = *old;
		struct outcome refusal;

		if (access_narrow(connection->principal, &spec, false, &refusal)) {
			replay_drop(connection, old);
			tell_ended(connection, *old, &refusal);
			*ret_changed = true;
			continue;
		}
		ret[count++] = spec;
		if (rights_equal(spec.filter, old->filter) && spec.presence == old->presence)
			continue;
		tell_changed(connection, spec);
		*ret_changed = true;
	}
	return count;
}

static void recheck_subscriptions(struct connection *connection)
{
	struct kept kept = {0};
	bool changed;

	keep_all(&kept, replay_member(connection)->audience);
	struct subscription_spec *specs = calloc(kept.count + 1, sizeof(*specs));
	MUST(specs);
	size_t count = narrow_all(connection, &kept, specs, &changed);
	if (changed)
		subscription_set(replay_index(connection), replay_member(connection), specs, count);
	free(specs);
	kept_fini(&kept);
	/* Only now: what was held back may be for a subscription that came last. */
	replay_go_on(connection);
}

/* --- the message ----------------------------------------------------------------- */

static void refuse_token(struct connection *connection, const struct session_message *message,
			 const struct outcome *refusal)
{
	bool has_expired = strcmp(refusal->code, "token_expired") == 0;

	session_send_error(connection, message->id, refusal);
	/* A refresh that fails changes nothing: the token that is there goes on until its end. */
	if (!connection->principal && refusal->status == 401)
		connection_close(connection,
				 has_expired ? WS_CLOSE_TOKEN_EXPIRED : WS_CLOSE_FORBIDDEN,
				 "the token is not accepted", false);
}

static void refuse_other_user(struct connection *connection, const struct session_message *message)
{
	struct outcome refusal = outcome_refusal(403, "subject_changed",
						 "a refresh may not change sub; connect again");

	session_send_error(connection, message->id, &refusal);
	connection_close(connection, WS_CLOSE_FORBIDDEN, "a refresh may not change sub", false);
}

static void answer_auth(struct connection *connection, const struct session_message *message)
{
	const struct principal *principal = connection->principal;
	struct buffer *text = session_answer_begin(connection, "result", message->id);

	if (principal->user) {
		buffer_append_string(text, ",\"userId\":");
		buffer_append_json(text, principal_user(principal));
	}
	if (principal->ends_at_ms != PRINCIPAL_FOR_EVER) {
		buffer_append_string(text, ",\"expiresAt\":");
		buffer_append_i64(text, principal->ends_at_ms);
	}
	session_answer_end(connection);
}

/* Takes the reference. */
static void take_principal(struct connection *connection, const struct session_message *message,
			   struct principal *principal)
{
	struct principal *old = connection->principal;

	connection->principal = principal;
	watch_end(connection);
	answer_auth(connection, message);
	if (old && !rights_equal(old->rights, principal->rights)) {
		recheck_subscriptions(connection);
		presence_recheck(connection);
	}
	principal_put(old);
}

void session_auth(struct connection *connection, const struct session_message *message)
{
	CLEANUP(buffer_fini) struct buffer token = {0};
	struct principal *principal;
	struct outcome refusal;

	if (session_member_string(message, "token", &token)) {
		refusal = outcome_refusal(400, "invalid_message", "\"token\" must be a string");
		session_send_error(connection, message->id, &refusal);
	} else if (auth_check(worker_of(connection)->auth, buffer_span(&token), worker_now_ms(),
			      &principal, &refusal)) {
		refuse_token(connection, message, &refusal);
	} else if (connection->principal &&
		   !span_equals(principal_user(connection->principal), principal_user(principal))) {
		principal_put(principal);
		refuse_other_user(connection, message);
	} else {
		take_principal(connection, message, principal);
	}
	if (token.at)
		explicit_bzero(token.at, token.len);
}
