/* redis_fixture.h — a redis-server of the test's own, in a temporary directory, and a libev loop
 * that never waits for ever. */
#ifndef SYNCDOC_REDIS_FIXTURE_H
#define SYNCDOC_REDIS_FIXTURE_H

#include "base.h"
#include <ev.h>
#include <hiredis/hiredis.h>

struct redis_fixture {
	char directory[64];
	char socket[96];
	char url[112]; /* unix:// */
	unsigned port; /* 127.0.0.1 */
	int port_fd;   /* keeps it ours */
	pid_t pid;     /* 0: not running */
	struct ev_loop *loop;
	redisContext *direct; /* blocking, for looking and meddling; anew after each start */
};

/* `extra`: more words of the command line, NULL at the end; may be NULL. SYNCDOC_TEST_REDIS_ARGS is
 * appended. Ends the test when the server does not come up. */
void fixture_open(struct redis_fixture *fixture, const char *const *extra);
void fixture_close(struct redis_fixture *fixture);
/* kill -9 and wait; the directory stays. */
void fixture_kill(struct redis_fixture *fixture);
void fixture_start(struct redis_fixture *fixture, const char *const *extra);
void fixture_signal(const struct redis_fixture *fixture, int signal);

/* Runs the loop until *counter >= value; ends the test after a minute. */
void fixture_run_until(struct redis_fixture *fixture, const int *counter, int value);
/* Runs the loop for so long. */
void fixture_run_for(struct redis_fixture *fixture, int64_t ms);

/* A command on the direct connection; a static copy of its reply as text: "(nil)", elements joined
 * by spaces, errors too. */
const char *fixture_ask(struct redis_fixture *fixture, const char *format, ...);

/* The test's server can store JSON (SYNCDOC_TEST_REDIS_ARGS is set). */
bool fixture_has_json(void);

#endif
