#include "long_poll.h"

#include "fanout.h"
#include "principal.h"
#include "stream.h"

#include <microhttpd.h>
#include <sys/socket.h>

/* One request. It first enters the index and then reads, so a write between the two is either in
 * what it reads, or its event finds it. */
struct long_poll {
	struct audience_member member; /* first: the index hands it back */
	struct long_polls *polls;
	struct request *request; /* borrowed: until it is answered */
	struct read_request read;
	ev_timer deadline;
	ev_io gone; /* the client's end of the connection is closed */
	TAILQ_ENTRY(long_poll) list;
	STAILQ_ENTRY(long_poll) woken_link;
	bool reading;       /* the answer of Redis has not come */
	bool woken;         /* there was an event since the read began */
	bool over;          /* this read is the last */
	bool revoked;       /* its token, while a read is under way */
	int64_t ends_at_ms; /* Unix: of its token */
};

struct long_polls {
	struct worker *worker;
	struct subscription_index *index;
	struct fanout_tap tap;
	TAILQ_HEAD(, long_poll) all;
	STAILQ_HEAD(, long_poll) woken; /* in this pass, and not reading */
	size_t count;
};

static void on_read(const struct outcome *outcome, void *arg);

static void read_now(struct long_poll *poll)
{
	poll->reading = true;
	poll->woken = false;
	operations_read(poll->polls->worker->operations, &poll->read, on_read, poll);
}

/* Nothing is told any more to a token that ended meanwhile. */
static struct outcome expired(struct long_poll *poll)
{
	stat_add(poll->polls->worker->slot, STAT_auth_ended, 1);
	return outcome_refusal(401, "token_expired", "the token has expired");
}

static struct outcome revoked(struct long_poll *poll)
{
	stat_add(poll->polls->worker->slot, STAT_auth_revoked, 1);
	return outcome_refusal(401, "token_revoked", "the token has been revoked");
}

static void long_poll_finish(struct long_poll *poll, const struct outcome *outcome)
{
	struct long_polls *polls = poll->polls;
	struct request *request = poll->request;

	subscription_leave(polls->index, &poll->member);
	ev_timer_stop(polls->worker->loop, &poll->deadline);
	ev_io_stop(polls->worker->loop, &poll->gone);
	TAILQ_REMOVE(&polls->all, poll, list);
	stat_set(polls->worker->slot, STAT_long_polls, --polls->count);
	request_answer_outcome(outcome, request);
	free(poll);
}

/* An event need not be news: it may tell of the revision that the client has. */
static void on_read(const struct outcome *outcome, void *arg)
{
	struct long_poll *poll = arg;

	poll->reading = false;
	if (poll->revoked) {
		struct outcome refusal = revoked(poll);

		long_poll_finish(poll, &refusal);
		return;
	}
	if (worker_now_ms() >= poll->ends_at_ms) {
		struct outcome refusal = expired(poll);

		long_poll_finish(poll, &refusal);
		return;
	}
	if (outcome->status != 304 || poll->over)
		long_poll_finish(poll, outcome);
	else if (poll->woken)
		read_now(poll);
}

/* The answer is what Redis says now, even if no event has told of it. */
static void end_wait(struct long_poll *poll)
{
	poll->over = true;
	if (!poll->reading)
		read_now(poll);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	end_wait(CONTAINER_OF(timer, struct long_poll, deadline));
}

/* MHD hides that the client of a suspended connection is gone (FACTS.md); with an answer it finds
 * out, and the place is free. */
static void on_gone(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct long_poll *poll = CONTAINER_OF(watcher, struct long_poll, gone);
	char byte;
	ssize_t got = recv(watcher->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	ev_io_stop(loop, watcher); /* got > 0: a next request, which is MHD's */
	if (got <= 0)
		end_wait(poll);
}

static void watch_client(struct long_poll *poll)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request_connection(poll->request), MHD_CONNECTION_INFO_CONNECTION_FD);

	MUST(info);
	ev_io_init(&poll->gone, on_gone, info->connect_fd, EV_READ);
	ev_io_start(poll->polls->worker->loop, &poll->gone);
}

/* Until the time is over, or that of the token; a moment later, so that it surely is. */
static double wait_s(double seconds, int64_t token_ms)
{
	double token_s = (double)token_ms / 1000. + 0.002;

	return token_s < seconds ? (token_s > 0. ? token_s : 0.) : seconds;
}

int long_poll_start(struct request *request, const struct read_request *read, unsigned seconds,
		    struct outcome *ret_refusal)
{
	struct worker *worker = request_worker(request);
	struct long_polls *polls = worker->long_polls;
	struct subscription_spec spec = {
		.topic = {.service = read->service, .event = TOPIC_ANY},
		.id = read->id,
		.mode = EVENT_FULL,
		.presence = 0,
	};

	if (!streams_have_room(worker, ret_refusal))
		return -EBUSY;
	struct long_poll *poll = calloc(1, sizeof(*poll));
	MUST(poll);
	poll->polls = polls;
	poll->request = request;
	poll->read = *read;
	poll->over = worker->draining;
	request_drop_deadline(request);
	TAILQ_INSERT_TAIL(&polls->all, poll, list);
	stat_set(worker->slot, STAT_long_polls, ++polls->count);
	stat_add(worker->slot, STAT_long_polls_total, 1);
	poll->ends_at_ms = request_principal(request)->ends_at_ms;
	ev_timer_init(&poll->deadline, on_deadline,
		      wait_s((double)seconds, poll->ends_at_ms - worker_now_ms()), 0.);
	ev_timer_start(worker->loop, &poll->deadline);
	watch_client(poll);
	MUST(!subscription_add(polls->index, &poll->member, &spec, 1));
	read_now(poll);
	return 0;
}

int long_poll_parse_wait(const char *text, unsigned *ret_seconds)
{
	unsigned seconds = 0;
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 2 || (text[digits] && strcmp(text + digits, "s") != 0))
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		seconds = seconds * 10 + (unsigned)(text[i] - '0');
	if (!seconds || seconds > LONG_POLL_MAX_S)
		return -EINVAL;
	*ret_seconds = seconds;
	return 0;
}

/* --- the feed ---------------------------------------------------------------- */

static void wake(struct long_poll *poll)
{
	if (poll->woken)
		return;
	poll->woken = true;
	if (!poll->reading)
		STAILQ_INSERT_TAIL(&poll->polls->woken, poll, woken_link);
}

static void on_match(struct audience *audience, enum event_mode mode, void *arg)
{
	size_t members = audience_member_count(audience);

	(void)mode;
	(void)arg;
	for (size_t place = 0; place < members; place++)
		wake(CONTAINER_OF(audience_member_at(audience, place), struct long_poll, member));
}

static void on_record(struct fanout_tap *tap, const struct event_record *record)
{
	struct long_polls *polls = CONTAINER_OF(tap, struct long_polls, tap);

	if (polls->count)
		subscription_match(polls->index, record, on_match, NULL);
}

static void on_lost(struct fanout_tap *tap)
{
	struct long_polls *polls = CONTAINER_OF(tap, struct long_polls, tap);
	struct long_poll *poll;

	TAILQ_FOREACH(poll, &polls->all, list)
	wake(poll);
}

/* Many events of a pass are one read. */
static void on_pass(struct fanout_tap *tap)
{
	struct long_polls *polls = CONTAINER_OF(tap, struct long_polls, tap);
	struct long_poll *poll;

	while ((poll = STAILQ_FIRST(&polls->woken))) {
		STAILQ_REMOVE_HEAD(&polls->woken, woken_link);
		read_now(poll);
	}
}

/* --- life -------------------------------------------------------------------- */

size_t long_polls_count(const struct long_polls *polls)
{
	return polls->count;
}

struct long_polls *long_polls_create(struct worker *worker)
{
	struct long_polls *polls = calloc(1, sizeof(*polls));

	MUST(polls);
	polls->worker = worker;
	polls->index = subscription_index_create(worker->hash_seed);
	TAILQ_INIT(&polls->all);
	STAILQ_INIT(&polls->woken);
	polls->tap =
		(struct fanout_tap){.on_record = on_record, .on_lost = on_lost, .on_pass = on_pass};
	fanout_add_tap(worker->fanout, &polls->tap);
	return polls;
}

void long_polls_end(struct long_polls *polls)
{
	struct long_poll *poll, *next;

	/* A read that cannot even be sent ends its poll at once. */
	for (poll = TAILQ_FIRST(&polls->all); poll; poll = next) {
		next = TAILQ_NEXT(poll, list);
		end_wait(poll);
	}
}

void long_polls_end_revoked(struct long_polls *polls,
			    bool (*test)(const struct principal *principal, void *arg), void *arg)
{
	struct long_poll *poll, *next;

	for (poll = TAILQ_FIRST(&polls->all); poll; poll = next) {
		next = TAILQ_NEXT(poll, list);
		if (!test(request_principal(poll->request), arg))
			continue;
		poll->revoked = true;
		if (poll->reading)
			continue; /* its answer is on the way */
		struct outcome refusal = revoked(poll);
		long_poll_finish(poll, &refusal);
	}
}

void long_polls_destroy(struct long_polls *polls)
{
	if (!polls)
		return;
	MUST(!polls->count);
	subscription_index_destroy(polls->index);
	free(polls);
}
