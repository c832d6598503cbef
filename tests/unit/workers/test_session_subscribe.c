/* test_session_subscribe.c — subscribe and unsubscribe, at once and after a wait. */
#include "session_subscribe.h"
#include "websocket_fixture.h"

#define SUBSCRIBE(more) "{\"type\":\"subscribe\",\"topic\":\"sync.s.*\"" more "}"

TestSuite(session_subscribe, .init = fixture_init, .fini = fixture_fini, .timeout = 100);

static struct websockets *set(void)
{
	return fixture.worker.websockets;
}

Test(session_subscribe, subscribed_and_unsubscribed_say_what_was_meant)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, SUBSCRIBE(",\"documentId\":\"d\",\"returnMode\":\"diff\",\"id\":1"));
	peer_expect(&peer, "{\"type\":\"subscribed\",\"id\":1,\"topic\":\"sync.s.*\","
			   "\"returnMode\":\"diff\",\"documentId\":\"d\",\"outcome\":\"live\","
			   "\"position\":\"p-1\"}");
	peer_send_text(&peer, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\","
			      "\"documentId\":\"d\",\"id\":2}");
	peer_expect(&peer, "{\"type\":\"unsubscribed\",\"id\":2,\"topic\":\"sync.s.*\","
			   "\"documentId\":\"d\"}");
	peer_send_text(&peer, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\",\"id\":3}");
	peer_expect_part(&peer, "\"id\":3,\"code\":\"not_subscribed\",\"status\":404");
	peer_fini(&peer);
}

Test(session_subscribe, a_subscribe_waits_for_the_first_mark)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, SUBSCRIBE(",\"id\":1"));
	peer_expect_nothing(&peer);
	fixture_activate("p-7");
	peer_expect_part(&peer, "\"id\":1,\"topic\":\"sync.s.*\",\"returnMode\":\"full\"");
	cr_assert_eq(peer.connection->waiting, 0);
	peer_fini(&peer);
}

Test(session_subscribe, a_later_subscribe_does_not_overtake_one_that_waits)
{
	fixture_start();
	fixture_activate("p-1");
	atomic_store(&fixture.shared->subscription_active, 0);
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, SUBSCRIBE(",\"returnMode\":\"full\",\"id\":1"));
	fixture_turn();
	atomic_store(&fixture.shared->subscription_active, 1); /* and the mark is yet to come */
	peer_send_text(&peer, SUBSCRIBE(",\"returnMode\":\"diff\",\"id\":2"));
	peer_expect_part(&peer, "\"id\":1,");
	peer_expect_part(&peer, "\"id\":2,");
	fixture_mark("p-2");
	fixture_publish("d", 2, SPAN("{\"a\":1}"));
	peer_expect_part(&peer, "\"revision\":2,\"diff\":{}}");
	peer_fini(&peer);
}

Test(session_subscribe, unsubscribe_takes_both_the_live_and_the_waiting_one)
{
	fixture_start();
	fixture_activate("p-1");
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, SUBSCRIBE(",\"id\":1"));
	peer_expect_part(&peer, "\"subscribed\"");
	atomic_store(&fixture.shared->subscription_active, 0);
	peer_send_text(&peer, SUBSCRIBE(",\"returnMode\":\"diff\",\"id\":2"));
	peer_send_text(&peer, "{\"type\":\"unsubscribe\",\"topic\":\"sync.s.*\",\"id\":3}");
	peer_expect_part(&peer, "\"id\":2,\"code\":\"unsubscribed\",\"status\":409");
	peer_expect_part(&peer, "{\"type\":\"unsubscribed\",\"id\":3");
	fixture_activate("p-2");
	fixture_publish("d", 2, SPAN("{}"));
	peer_expect_nothing(&peer);
	cr_assert_null(peer.connection->member.audience);
	peer_fini(&peer);
}

Test(session_subscribe, a_subscribe_that_waits_too_long_is_503)
{
	fixture_start();
	struct peer peer = peer_connect(0);

	peer_send_text(&peer, SUBSCRIBE(",\"id\":1"));
	fixture_turn();
	fixture.now_ms += fixture.config->redis_timeout_ms - 1;
	session_expire_waiting(set());
	peer_expect_nothing(&peer);
	fixture.now_ms++;
	session_expire_waiting(set());
	peer_expect_part(&peer, "\"id\":1,\"code\":\"redis_unavailable\",\"status\":503");
	cr_assert_eq(peer.connection->waiting, 0);
	peer_fini(&peer);
}

Test(session_subscribe, subscribes_that_wait_are_bounded_and_go_with_their_connection)
{
	fixture.config->ws_max_subscriptions = 3;
	fixture_start();
	struct peer peer = peer_connect(0), other = peer_connect(0);

	for (int i = 0; i < 3; i++)
		peer_send_text(&peer, SUBSCRIBE(",\"id\":1"));
	peer_expect_nothing(&peer);
	peer_send_text(&peer, SUBSCRIBE(",\"id\":4"));
	peer_expect_part(&peer, "\"id\":4,\"code\":\"too_many_subscriptions\",\"status\":403");
	peer_send_text(&other, SUBSCRIBE(",\"id\":1"));
	fixture_turn();
	peer_fini(&peer);
	fixture_turn();
	fixture_activate("p-1");
	peer_expect_part(&other, "\"subscribed\"");
	cr_assert_eq(subscription_index_subscriptions(set()->index), 1);
	peer_fini(&other);
}
