/* test_session_auth.c — the end of a token, and a refresh that takes rights away while something is
 * held back. */
#include "auth.h"
#include "auth_secrets.h"
#include "replay_fixture.h"
#include "replay_private.h"
#include "session_auth.h"

#define WIDE "{\"type\":\"auth\",\"token\":\"wide-wide-wide-wide\"}"
#define NARROW "{\"type\":\"auth\",\"token\":\"narrow-narrow-narrow\"}"
#define PAD 3000 /* of each revision */

static void open_all(void)
{
	static const char tokens[] =
		"wide-wide-wide-wide ann {\"s\":\"rp\"}\n"
		"narrow-narrow-narrow ann {\"s\":{\"rights\":\"r\",\"documents\":[\"e\"]}}\n";
	struct auth_secrets *secrets = calloc(1, sizeof(*secrets));
	const char *reason;
	unsigned line;

	cr_assert(secrets);
	fixture_init();
	auth_destroy(fixture.worker.auth);
	cr_assert_eq(auth_tokens_parse(span_string(tokens), secrets, &line, &reason), 0);
	fixture.config->auth_mode = CONFIG_AUTH_TOKEN;
	fixture.config->auth_secrets = secrets;
	fixture.config->ws_queue = 16384;
	fixture.worker.auth = auth_create(fixture.config, fixture.worker.slot);
}

TestSuite(session_auth, .init = open_all, .fini = fixture_fini, .timeout = 100);

static struct peer start(int sndbuf)
{
	struct peer peer = replay_start(sndbuf);

	subscribe(&peer, WIDE);
	peer_expect_part(&peer, "\"type\":\"result\",\"userId\":\"ann\"");
	return peer;
}

/* All that comes; nothing of document d may come behind the answer to the refresh. */
static void expect_nothing_of_d(struct peer *peer)
{
	struct frame frame = {0};
	bool refreshed = false;

	while (peer_next(peer, &frame)) {
		bool is_event = strstr(frame.payload.at, "\"type\":\"event\"");

		refreshed |= strstr(frame.payload.at, "\"userId\":\"ann\"") && !is_event;
		cr_expect_not(refreshed && is_event && strstr(frame.payload.at, "\"d\""), "%.300s",
			      frame.payload.at);
	}
	buffer_fini(&frame.payload);
	cr_expect(refreshed);
}

Test(session_auth, what_a_replay_held_back_is_judged_by_the_new_rights)
{
	struct peer peer = start(0);

	subscribe(&peer, SNAPSHOT);
	subscribe(&peer, "{\"type\":\"subscribe\",\"topic\":\"sync.s.updated\"}");
	subscribe(&peer, "{\"type\":\"subscribe\",\"topic\":\"sync.*.updated\"}");
	subscribe(&peer, "{\"type\":\"subscribe\",\"topic\":\"sync.*.*\"}");
	for (int i = 0; i < 3; i++)
		peer_expect_part(&peer, "\"subscribed\"");
	fixture_publish("d", 5, SPAN("{}"));
	peer_expect_nothing(&peer);
	subscribe(&peer, NARROW);
	expect_nothing_of_d(&peer);
	peer_fini(&peer);
}

Test(session_auth, what_was_read_for_a_replay_is_not_sent_without_the_right)
{
	struct peer peer = start(4096);
	struct store_since_document documents[] = {{SPAN("s"), SPAN("d"), 12}};

	store.pad = PAD;
	subscribe(&peer, SUBSCRIBE(",\"documentId\":\"f\",\"presence\":false"));
	for (uint64_t revision = 1; !peer.connection->queue; revision++)
		publish_padded("f", revision, PAD);
	subscribe(&peer, AFTER(RUN "-8"));
	answer_changed(12, documents, 1);
	answer_revision(4, 12);
	cr_assert_gt(peer.connection->replays->running->frames.left, 0, "some waits for room");
	subscribe(&peer, NARROW);
	expect_nothing_of_d(&peer);
	peer_fini(&peer);
}

/* --- the end ---------------------------------------------------------------- */

#define HOUR_MS INT64_C(3600000)

/* As if its handshake had brought a token that ends then. */
static void set_end(const struct peer *peer, int64_t after_ms)
{
	struct rights *rights;
	const char *reason;

	cr_assert_eq(rights_compile(NULL, 0, &rights, &reason), 0);
	struct principal *principal = principal_create(text_create(SPAN("ann")), NULL, rights);
	principal->ends_at_ms = worker_now_ms() + after_ms;
	session_auth_stop(peer->connection);
	session_auth_start(peer->connection, principal);
	principal_put(principal);
}

static void pass_seconds(int64_t seconds)
{
	for (; seconds; seconds--) {
		fixture.now_ms += 1000;
		session_auth_each_second(fixture.worker.websockets);
	}
}

Test(session_auth, socket_is_closed_within_a_second_of_its_end_and_never_before)
{
	struct peer peer = replay_start(0);

	set_end(&peer, 3 * 24 * HOUR_MS + 300);
	pass_seconds(3 * 24 * 3600);
	peer_expect_nothing(&peer);
	pass_seconds(1);
	peer_expect_close(&peer, WS_CLOSE_TOKEN_EXPIRED);
	peer_fini(&peer);
}

Test(session_auth, clock_that_is_set_forwards_ends_what_has_ended_by_it)
{
	struct peer ends = replay_start(0), stays = peer_connect(0);

	set_end(&ends, HOUR_MS);
	set_end(&stays, 2 * HOUR_MS);
	pass_seconds(5);
	fixture.wall_ahead_ms += HOUR_MS;
	pass_seconds(1);
	peer_expect_close(&ends, WS_CLOSE_TOKEN_EXPIRED);
	peer_expect_nothing(&stays);
	peer_fini(&ends);
	peer_fini(&stays);
}

Test(session_auth, clock_that_is_set_back_gives_the_time_again)
{
	struct peer peer = replay_start(0);

	set_end(&peer, 10000);
	pass_seconds(5);
	fixture.wall_ahead_ms -= HOUR_MS;
	pass_seconds(3600 + 4);
	peer_expect_nothing(&peer);
	pass_seconds(1);
	peer_expect_close(&peer, WS_CLOSE_TOKEN_EXPIRED);
	peer_fini(&peer);
}

Test(session_auth, refresh_moves_the_end)
{
	struct peer peer = replay_start(0);

	set_end(&peer, 10000);
	subscribe(&peer, WIDE); /* without an end */
	peer_expect_part(&peer, "\"userId\":\"ann\"");
	pass_seconds(1000);
	peer_expect_nothing(&peer);
	peer_fini(&peer);
}

Test(session_auth, who_sends_no_token_is_closed_in_time_whatever_the_wall_clock_says)
{
	struct peer peer = replay_start(0);

	fixture.wall_ahead_ms += HOUR_MS;
	pass_seconds(SESSION_AUTH_TIMEOUT_MS / 1000 - 1);
	peer_expect_nothing(&peer);
	pass_seconds(1);
	peer_expect_close(&peer, WS_CLOSE_FORBIDDEN);
	peer_fini(&peer);
}
