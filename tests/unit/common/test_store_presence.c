/* The scripts of presence against a real server: what is stored, and what is published. */
#define _GNU_SOURCE
#include "store_presence.h"

#include "event.h"
#include "scripts.h"
#include "store_fixture.h"
#include <criterion/criterion.h>

#define RUN "host.a.17.1"
#define OTHER_RUN "host.a.17.2"

static struct store_fixture fixture;
static redisContext *listener;

static struct {
	int calls;
	int error;
	bool is_new;
	uint64_t users;
	char member[2048];
} answer;

static void begin(void)
{
	store_fixture_open(&fixture, CONFIG_ENCODING_STRING);
	fixture_ask(&fixture.redis, "SADD syncdoc:runs " RUN " " OTHER_RUN);
	listener = redisConnectUnix(fixture.redis.socket);
	cr_assert(listener && !listener->err);
	freeReplyObject(redisCommand(listener, "PSUBSCRIBE syncdoc:channel:*"));
}

static void end(void)
{
	redisFree(listener);
	store_fixture_close(&fixture);
}

TestSuite(store_presence, .init = begin, .fini = end, .timeout = 100);

static void on_answer(int error, const struct store_presence_result *result, void *arg)
{
	(void)arg;
	answer.calls++;
	answer.error = error;
	answer.member[0] = '\0';
	if (!result)
		return;
	answer.is_new = result->is_new;
	answer.users = result->users;
	cr_assert_lt(result->member.len, sizeof(answer.member));
	snprintf(answer.member, sizeof(answer.member), "%.*s", SPAN_ARGS(result->member));
}

static int wait_for_answer(int calls)
{
	cr_assert_eq(answer.calls, calls, "not from inside the call");
	fixture_run_until(&fixture.redis, &answer.calls, calls + 1);
	return answer.error;
}

static struct store_presence entry(const char *run, const char *member, const char *user)
{
	return (struct store_presence){
		.service = SERVICE,
		.id = SPAN("doc"),
		.run_id = span_string(run),
		.member = span_string(member),
		.user = span_string(user),
	};
}

static int put_with(struct store_presence presence, const char *mode, const char *data)
{
	int calls = answer.calls;
	presence.mode = span_string(mode);
	presence.data = span_string(data);
	store_presence_put(fixture.store, &presence, on_answer, NULL);
	return wait_for_answer(calls);
}

static int put(const char *run, const char *member, const char *user)
{
	return put_with(entry(run, member, user), "", "");
}

static int leave(const char *run, const char *member, bool rest)
{
	struct store_presence presence = entry(run, member, "x");
	int calls = answer.calls;
	store_presence_leave(fixture.store, &presence, rest, on_answer, NULL);
	return wait_for_answer(calls);
}

/* The next published text from its lists on, times as T; "" when nothing was published before a
 * message of our own. */
static const char *next_event(void)
{
	static char text[4096];
	redisReply *reply = NULL;
	char *to = text;
	fixture_ask(&fixture.redis, "PUBLISH syncdoc:channel:end end");
	cr_assert_eq(redisGetReply(listener, (void **)&reply), REDIS_OK);
	const char *at = strstr(reply->element[3]->str, "\"joined\"");
	for (at = at ? at : ""; *at; at++) {
		*to++ = *at;
		if (*at == ':' && at[1] == '1' && strspn(at + 1, "0123456789") == 13) {
			*to++ = 'T';
			at += 13;
		}
	}
	*to = '\0';
	bool is_end = strcmp(reply->element[3]->str, "end") == 0;
	freeReplyObject(reply);
	if (is_end)
		return "";
	/* Our own message of this call is still to come. */
	redisGetReply(listener, (void **)&reply);
	freeReplyObject(reply);
	return text;
}

static const char *hash_field(const char *field)
{
	return fixture_ask(&fixture.redis, "HGET syncdoc:presence:session:doc %s", field);
}

Test(store_presence, a_run_that_is_not_alive_puts_nothing)
{
	cr_assert_eq(put("host.a.17.3", "c1", "ann"), -ESTALE);
	struct store_presence rest = entry("host.a.17.3", "m", "m");
	rest.ttl_ms = 1000;
	cr_assert_eq(put_with(rest, "", ""), -ESTALE);
	cr_assert_str_eq(fixture_ask(&fixture.redis, "KEYS syncdoc:*presence*"), "");
	cr_assert_str_eq(next_event(), "");
}

Test(store_presence, the_first_connection_of_a_user_joins_and_the_last_one_leaves)
{
	cr_assert_eq(put_with(entry(RUN, "c1", "a\"n\\n"), "editing", "{\"x\":[]}"), 0);
	cr_assert(answer.is_new);
	cr_assert_eq(answer.users, 1);
	cr_assert_str_eq(next_event(),
			 "\"joined\":[{\"userId\":\"a\\\"n\\\\n\",\"connectionId\":\"c1\",\"mode\":"
			 "\"editing\",\"data\":{\"x\":[]},"
			 "\"since\":T,\"updatedAt\":T}],\"updated\":[],\"left\":[],\"count\":1}}");
	cr_assert_eq(put(OTHER_RUN, "c2", "a\"n\\n"), 0);
	cr_assert(answer.is_new);
	cr_assert_eq(answer.users, 1, "two connections, one user");
	cr_assert_str_eq(next_event(), "\"joined\":[],\"updated\":[{\"userId\":\"a\\\"n\\\\n\","
				       "\"connectionId\":\"c2\",\"mode\":\"viewing\",\"data\":{},"
				       "\"since\":T,\"updatedAt\":T}],\"left\":[],\"count\":1}}");
	cr_assert_str_eq(hash_field("#a\\\"n\\\\n"), "2");
	cr_assert_eq(leave(RUN, "c1", false), 0);
	cr_assert_eq(answer.users, 1);
	cr_assert_str_eq(next_event(), "\"joined\":[],\"updated\":[{\"userId\":\"a\\\"n\\\\n\","
				       "\"connectionId\":\"c1\",\"mode\":null}],"
				       "\"left\":[],\"count\":1}}");
	cr_assert_eq(leave(OTHER_RUN, "c2", false), 0);
	cr_assert_eq(answer.users, 0);
	cr_assert_str_eq(next_event(), "\"joined\":[],\"updated\":[],\"left\":[{\"userId\":"
				       "\"a\\\"n\\\\n\",\"connectionId\":\"c2\"}],"
				       "\"count\":0}}");
	cr_assert_str_eq(fixture_ask(&fixture.redis, "KEYS syncdoc:*presence*"), "");
}

Test(store_presence, the_events_are_what_the_relay_takes)
{
	CLEANUP(json_fini) struct json scratch = {0};
	struct event_segments segments;
	redisReply *reply = NULL;
	/* Data may look like anything that the scripts search for. */
	const char *data =
		"{\"a\":\"\\\",\\\"connectionId\\\":\\\"x\",\"since\":1,\"updatedAt\":2}";
	cr_assert_eq(put_with(entry(RUN, "c1", "\",\"connectionId\":\"\\"), "", data), 0);
	cr_assert_eq(redisGetReply(listener, (void **)&reply), REDIS_OK);
	cr_assert_eq(event_parse(span_of(reply->element[3]->str, (size_t)reply->element[3]->len),
				 &scratch, &segments),
		     0, "%s", reply->element[3]->str);
	cr_assert_eq(segments.presence.count, 1);
	freeReplyObject(reply);
	cr_assert_eq(put_with(entry(RUN, "c1", "\",\"connectionId\":\"\\"), "editing", ""), 0);
	cr_assert(!answer.is_new);
	cr_assert(strstr(answer.member, data), "%s", answer.member);
	cr_assert(strstr(answer.member, "\"mode\":\"editing\""));
	cr_assert_eq(leave(RUN, "c1", false), 0);
	cr_assert(answer.is_new && answer.users == 0);
}

Test(store_presence, quiet_says_nothing_when_nothing_is_new)
{
	struct store_presence quiet = entry(RUN, "c1", "ann");
	quiet.quiet = true;
	cr_assert_eq(put_with(quiet, "editing", "{}"), 0);
	cr_assert_neq(next_event()[0], '\0', "the first time it is new");
	cr_assert_eq(put_with(quiet, "editing", "{}"), 0);
	cr_assert_str_eq(next_event(), "");
	quiet.run_id = SPAN(OTHER_RUN);
	cr_assert_eq(put_with(quiet, "editing", "{}"), 0);
	cr_assert_str_eq(next_event(), "", "nor under another run");
	cr_assert(strstr(hash_field("c1"), OTHER_RUN));
	cr_assert_eq(put_with(quiet, "viewing", "{}"), 0);
	cr_assert_neq(next_event()[0], '\0');
}

Test(store_presence, leave_takes_only_what_names_the_run)
{
	cr_assert_eq(put(RUN, "c1", "ann"), 0);
	next_event();
	cr_assert_eq(leave(OTHER_RUN, "c1", false), 0);
	cr_assert(!answer.is_new);
	cr_assert_eq(answer.users, 1);
	cr_assert_str_eq(next_event(), "");
	cr_assert_eq(leave(RUN, "c1", false), 0);
	cr_assert(answer.is_new);
}

Test(store_presence, rest_does_not_touch_what_is_not_its_own)
{
	struct store_presence rest = entry(RUN, "c1", "c1");
	rest.ttl_ms = 60000;
	cr_assert_eq(put(RUN, "c1", "c1"), 0);
	cr_assert_eq(put_with(rest, "editing", ""), -EEXIST);
	cr_assert_eq(leave(RUN, "c1", true), -EEXIST);
	cr_assert(strstr(hash_field("c1"), RUN));
	cr_assert_eq(leave(RUN, "nobody", true), 0);
	cr_assert(!answer.is_new);
	rest.member = rest.user = SPAN("bob");
	cr_assert_eq(put_with(rest, "editing", ""), 0);
	rest.user = SPAN("eve");
	cr_assert_eq(put_with(rest, "viewing", ""), -EEXIST);
	cr_assert(strstr(hash_field("bob"), "\"editing\""));
	cr_assert_str_eq(hash_field("#"), "2");
}

Test(store_presence, a_full_document_takes_no_more_members_but_those_there_may_change)
{
	for (int i = 0; i < STORE_PRESENCE_MEMBERS_MAX; i += 100) {
		char command[8192] = "HSET syncdoc:presence:session:doc";
		size_t len = strlen(command);
		for (int n = i; n < i + 100; n++)
			len += (size_t)snprintf(command + len, sizeof(command) - len,
						" m%d x #m%d 1", n, n);
		fixture_ask(&fixture.redis, command);
	}
	fixture_ask(&fixture.redis, "HSET syncdoc:presence:session:doc # %d",
		    STORE_PRESENCE_MEMBERS_MAX);
	cr_assert_eq(put(RUN, "c1", "ann"), -ENOSPC);
	fixture_ask(&fixture.redis, "HDEL syncdoc:presence:session:doc m0 #m0");
	fixture_ask(&fixture.redis, "HINCRBY syncdoc:presence:session:doc # -1");
	cr_assert_eq(put(RUN, "c1", "ann"), 0);
	cr_assert_eq(put(RUN, "c2", "ben"), -ENOSPC);
	cr_assert_eq(put(RUN, "c1", "ann"), 0);
}

/* ---- the supervisor's scripts ---- */

static const char *clean(const char *run, int most)
{
	char node[200], number[16];
	snprintf(node, sizeof(node), "syncdoc:node-presence:%s", run);
	snprintf(number, sizeof(number), "%d", most);
	return fixture_ask(&fixture.redis,
			   "EVAL %s 3 %s syncdoc:runs syncdoc:runs-ended ended %s "
			   "syncdoc:presence: syncdoc:channel: %s",
			   script_presence_remove.text, node, run, number);
}

Test(store_presence, cleaning_takes_what_still_names_the_dead_run)
{
	cr_assert_eq(put(RUN, "c1", "ann"), 0);
	cr_assert_eq(put(RUN, "c2", "ben"), 0);
	cr_assert_eq(put(RUN, "c3", "ann"), 0);
	cr_assert_eq(put(OTHER_RUN, "c4", "cat"), 0);
	cr_assert_eq(put(OTHER_RUN, "c2", "ben"), 0, "came back under another run");
	for (int i = 0; i < 5; i++)
		next_event();
	fixture_ask(&fixture.redis, "SADD syncdoc:runs-ended " RUN);
	while (strcmp(clean(RUN, 1), "0 0 0") != 0)
		;
	cr_assert_str_eq(fixture_ask(&fixture.redis, "SMEMBERS syncdoc:runs"), OTHER_RUN);
	cr_assert_str_eq(fixture_ask(&fixture.redis, "SMEMBERS syncdoc:runs-ended"), "");
	cr_assert_str_eq(hash_field("c1"), "(nil)");
	cr_assert_str_eq(hash_field("c3"), "(nil)");
	cr_assert(strstr(hash_field("c2"), OTHER_RUN));
	cr_assert_str_eq(hash_field("#"), "2");
	cr_assert_eq(put(RUN, "c1", "ann"), -ESTALE, "late bytes do nothing");
}

Test(store_presence, cleaning_makes_one_event_per_document)
{
	for (int i = 0; i < 20; i++) {
		char member[8];
		snprintf(member, sizeof(member), "c%02d", i);
		cr_assert_eq(put(RUN, member, member), 0);
		next_event();
	}
	cr_assert_str_eq(clean(RUN, 500), "20 0 0");
	const char *event = next_event();
	cr_assert(strstr(event, "\"c00\"") && strstr(event, "\"c19\"") &&
			  strstr(event, "\"count\":0}}"),
		  "%s", event);
	cr_assert_str_eq(next_event(), "");
}

Test(store_presence, rest_members_end_by_their_time)
{
	struct store_presence rest = entry(RUN, "bob", "bob");
	static const char command[] = "EVAL %s 1 syncdoc:presence-expiry expired %b "
				      "syncdoc:presence: syncdoc:channel: 500";
	rest.ttl_ms = 60000;
	cr_assert_eq(put_with(rest, "", ""), 0);
	next_event();
	rest.member = rest.user = SPAN("eve");
	rest.ttl_ms = 1;
	cr_assert_eq(put_with(rest, "", ""), 0);
	next_event();
	fixture_run_for(&fixture.redis, 20);
	cr_assert_str_eq(
		fixture_ask(&fixture.redis, command, script_presence_remove.text, "", (size_t)0),
		"1 0 1");
	cr_assert(strstr(next_event(),
			 "\"left\":[{\"userId\":\"eve\",\"connectionId\":\"eve\"}],\"count\":1}}"));
	cr_assert_str_eq(
		fixture_ask(&fixture.redis, command, script_presence_remove.text, "", (size_t)0),
		"0 0 0");
	cr_assert_str_eq(fixture_ask(&fixture.redis, "ZCARD syncdoc:presence-expiry"), "1");
}

Test(store_presence, reaping_finds_the_ended_runs_and_no_others)
{
	fixture_ask(&fixture.redis, "DEL syncdoc:runs");
	/* us: host.a.17, of which 1 lives, 2 has ended, 9 is younger than the question */
	fixture_ask(&fixture.redis, "SADD syncdoc:runs host.a.17.1 host.a.17.2 host.a.17.9 "
				    "host.a.5.1 b.6.1 c.7.1 c.7.2 junk");
	fixture_ask(&fixture.redis, "SET syncdoc:node:host.a.5 place-of-us"); /* our predecessor */
	fixture_ask(&fixture.redis, "SET syncdoc:node:b.6 place-of-b");
	const char *ended = fixture_ask(&fixture.redis,
					"EVAL %s 2 syncdoc:runs syncdoc:runs-ended syncdoc:node: "
					"host.a.17 place-of-us 3 10 host.a.17.1",
					script_presence_reap.text);
	cr_assert_eq(strlen(ended), strlen("host.a.17.2 host.a.5.1 c.7.1 c.7.2"), "%s", ended);
	cr_assert_str_eq(fixture_ask(&fixture.redis, "SORT syncdoc:runs ALPHA"),
			 "b.6.1 host.a.17.1 host.a.17.9 junk");
	cr_assert_str_eq(fixture_ask(&fixture.redis, "SORT syncdoc:runs-ended ALPHA"),
			 "c.7.1 c.7.2 host.a.17.2 host.a.5.1");
}

/* ---- reading ---- */

static struct buffer listed;

static void on_list(int error, struct span members, uint64_t users, void *arg)
{
	(void)arg;
	answer.calls++;
	answer.error = error;
	answer.users = users;
	listed.len = 0;
	buffer_append_span(&listed, members);
	buffer_append_char(&listed, '\0');
}

Test(store_presence, lists_show_members_without_what_is_ours)
{
	cr_assert_eq(put(RUN, "c1", "ann"), 0);
	fixture_ask(&fixture.redis, "HSET syncdoc:presence:session:doc stranger nonsense");
	int calls = answer.calls;
	store_presence_list(fixture.store, SERVICE, SPAN("doc"), on_list, NULL);
	cr_assert_eq(wait_for_answer(calls), 0);
	cr_assert_eq(answer.users, 1);
	cr_assert_eq(strncmp(listed.at,
			     "[{\"userId\":\"ann\",\"connectionId\":\"c1\",\"mode\":\"viewing\","
			     "\"data\":{},\"since\":",
			     60),
		     0, "%s", listed.at);
	cr_assert(!strstr(listed.at, "},{") && !strstr(listed.at, RUN) &&
			  !strstr(listed.at, "stranger"),
		  "%s", listed.at);
	buffer_fini(&listed);
}
