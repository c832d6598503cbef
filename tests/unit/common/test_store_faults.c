/* test_store_faults.c — what may be wrong on the server, and when it is away. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(store_faults, .timeout = 100);

STORE_TEST(store_faults, scripts_come_back_after_a_script_flush)
{
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{}", 1);
	ASK("SCRIPT FLUSH");
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 1), STORE_WRITTEN);
	cr_assert_eq(store_fixture_write(f, &a, "replace", "{}", 1), STORE_WRITTEN);
	cr_assert_str_eq(ASK("XLEN " HISTORY), "3");
}

STORE_TEST(store_faults, another_type_under_the_key_is_told_and_left_alone)
{
	struct writer none = {.id = SPAN("a")}, some = {.id = SPAN("a")};
	ASK("RPUSH " DATA " x");
	some.document = (struct document){.revision = 1, .updated_at_ms = 1, .created_at_ms = 1};
	store_fixture_read(f, "a");
	cr_assert_eq(f->error, -EBADMSG);
	store_fixture_write_begin(f, &none, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EBADMSG);
	store_fixture_write_begin(f, &some, "replace", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EBADMSG);
	cr_assert_str_eq(ASK("LRANGE " DATA " 0 -1"), "x");
}

STORE_TEST(store_faults, a_string_that_is_no_envelope_is_told)
{
	struct writer a = {.id = SPAN("a")};
	ASK("SET " DATA " %s", "{\"hello\":1}");
	store_fixture_read(f, "a");
	cr_assert_eq(f->error, -EBADMSG);
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EBADMSG);
}

STORE_TEST(store_faults, a_refused_history_entry_leaves_the_document_alone)
{
	struct writer a = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{\"x\":1}", 1);
	ASK("XADD " HISTORY " 9-0 op foreign");
	store_fixture_write_begin(f, &a, "replace", "{\"x\":2}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EIO);
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"x\":1}"));
	cr_assert_str_eq(ASK("ZSCORE syncdoc:index:session a"), "1");
}

/* Evicted, or removed by somebody else. */
STORE_TEST(store_faults, an_id_whose_document_is_gone_without_its_history_begins_anew)
{
	struct writer a = {.id = SPAN("a")}, anew = {.id = SPAN("a")};
	store_fixture_write(f, &a, "create", "{\"x\":1}", 1);
	store_fixture_write(f, &a, "replace", "{\"x\":2}", 1);
	ASK("DEL " DATA);
	cr_assert_eq(store_fixture_write(f, &anew, "create", "{\"x\":3}", 1), STORE_WRITTEN);
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":1,"));
	cr_assert_str_eq(ASK("XLEN " HISTORY), "1");
}

STORE_TEST(store_faults, a_server_without_memory_refuses_writes_as_surely_not_done)
{
	struct writer a = {.id = SPAN("a")}, b = {.id = SPAN("b")};
	store_fixture_write(f, &a, "create", "{}", 1);
	ASK("CONFIG SET maxmemory 1");
	store_fixture_write_begin(f, &a, "replace", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EAGAIN);
	store_fixture_write_begin(f, &b, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EAGAIN);
	ASK("CONFIG SET maxmemory 0");
	cr_assert(strstr(store_fixture_read(f, "a"), "{\"revision\":1,"));
	cr_assert_str_eq(store_fixture_read(f, "b"), "");
}

STORE_TEST(store_faults, a_read_only_server_refuses_writes_as_surely_not_done)
{
	struct writer a = {.id = SPAN("a")};
	ASK("REPLICAOF 127.0.0.1 1");
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EAGAIN);
}

STORE_TEST(store_faults, a_stalled_server_makes_a_write_unknown_and_a_read_try_again)
{
	struct writer a = {.id = SPAN("a")}, first = {.id = SPAN("first")};
	store_fixture_write(f, &first, "create", "{}", 1); /* the server knows the script */
	f->config.redis_timeout_ms = 1000;
	store_fixture_open_again(f);
	fixture_signal(&f->redis, SIGSTOP);
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -ETIMEDOUT);
	store_read(f->store, SERVICE, SPAN("a"), store_fixture_on_read, f);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EAGAIN);
	fixture_signal(&f->redis, SIGCONT);
	/* The write was in the socket. */
	for (int i = 0; i < 6000 && !store_is_ready(f->store); i++)
		fixture_run_for(&f->redis, 5);
	cr_assert(store_fixture_find(f, "req-a-1"));
	cr_assert_eq(f->found.revision, 1);
}

STORE_TEST(store_faults, without_a_server_writes_are_surely_not_done)
{
	struct writer a = {.id = SPAN("a")};
	f->config.redis_timeout_ms = 200;
	store_fixture_open_again(f);
	fixture_kill(&f->redis);
	fixture_run_for(&f->redis, 30);
	cr_assert_not(store_is_ready(f->store));
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -EAGAIN);
}

STORE_TEST(store_faults, what_waits_goes_out_when_the_server_is_back)
{
	struct writer a = {.id = SPAN("a")};
	f->config.redis_timeout_ms = 5000;
	store_fixture_open_again(f);
	fixture_kill(&f->redis);
	fixture_run_for(&f->redis, 30);
	store_fixture_write_begin(f, &a, "create", "{\"x\":1}", 1);
	fixture_start(&f->redis, NULL);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, 0);
	cr_assert_eq(f->answer, STORE_WRITTEN);
	cr_assert(strstr(store_fixture_read(f, "a"), "\"data\":{\"x\":1}"));
	cr_assert_geq(store_reconnects(f->store), 1);
}

STORE_TEST(store_faults, too_few_replicas_leave_a_write_unknown)
{
	struct writer a = {.id = SPAN("a")};
	f->config.redis_wait_replicas = 1;
	f->config.redis_timeout_ms = 1000;
	store_fixture_open_again(f);
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -ETIMEDOUT);
	cr_assert_eq(store_failures(f->store), 0);
	cr_assert(store_fixture_find(f, "req-a-1"));
}

STORE_TEST(store_faults, a_wait_for_replicas_that_is_refused_leaves_a_write_unknown_and_counts)
{
	struct writer a = {.id = SPAN("a")};
	f->config.redis_wait_replicas = 1;
	store_fixture_open_again(f);
	ASK("ACL SETUSER default -wait");
	store_fixture_write_begin(f, &a, "create", "{}", 1);
	fixture_run_until(&f->redis, &f->calls, f->calls + 1);
	cr_assert_eq(f->error, -ETIMEDOUT);
	cr_assert_eq(store_failures(f->store), 1);
}

static void on_cancelled_write(int error, const struct store_write_result *result, void *arg)
{
	struct store_fixture *f = arg;
	store_fixture_on_write(error, result, f);
	/* As one who has more in his queue. */
	if (f->calls < 3)
		store_read(f->store, SERVICE, SPAN("b"), store_fixture_on_read, f);
}

STORE_TEST(store_faults, destroy_cancels_everything_also_what_is_asked_from_inside)
{
	struct writer a = {.id = SPAN("a")};
	struct store_revision revision = {.op = SPAN("create"),
					  .at_ms = f->now_ms,
					  .request = SPAN("r"),
					  .reversible = SPAN("{}"),
					  .event = SPAN("e")};
	struct store_batch batch = {
		.service = SERVICE, .id = a.id, .revisions = &revision, .count = 1};
	batch.final = (struct document){.revision = 1,
					.updated_at_ms = f->now_ms,
					.created_at_ms = f->now_ms,
					.service = SERVICE,
					.id = a.id,
					.data = SPAN("{}")};
	fixture_signal(&f->redis, SIGSTOP);
	store_write(f->store, &batch, on_cancelled_write, f);
	store_read(f->store, SERVICE, SPAN("b"), store_fixture_on_read, f);
	store_destroy(f->store);
	f->store = NULL;
	cr_assert_eq(f->calls, 3);
	cr_assert_eq(f->error, -ECANCELED);
}
