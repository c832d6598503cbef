#include "question.h"

#include <bsd/sys/queue.h>

#define DEPTH_MAX 8
#define LOOK_FIRST_S 0.005
#define LOOK_MOST_S 0.05

struct asked_run {
	struct text *name; /* one reference */
	bool has_answered;
};

struct question {
	LIST_ENTRY(question) link;
	struct worker *worker;
	char id[STORE_QUESTION_LEN + 1];
	question_answer_fn answer;
	question_done_fn done;
	void *arg;
	struct asked_run *runs; /* owned */
	size_t run_count, left; /* left: have not answered */
	size_t answers;         /* taken from Redis */
	int64_t until_ms;       /* monotonic */
	double look_s;
	ev_timer timer;
	bool over; /* done has been called; the last reply frees it */
};

/* Of this process. */
static LIST_HEAD(, question) questions = LIST_HEAD_INITIALIZER(questions);
static unsigned question_count;

void question_make_id(char ret[STORE_QUESTION_LEN + 1])
{
	worker_random_name(ret, STORE_QUESTION_LEN);
}

/* --- the end ----------------------------------------------------------------- */

static void tell_done(struct question *question, int error)
{
	struct span *missing = calloc(question->left + 1, sizeof(*missing));
	size_t count = 0;

	MUST(missing);
	for (size_t i = 0; i < question->run_count; i++)
		if (!question->runs[i].has_answered)
			missing[count++] = text_span(question->runs[i].name);
	if (!error && count)
		stat_add(question->worker->slot, STAT_questions_incomplete, 1);
	question->over = true;
	LIST_REMOVE(question, link);
	question_count--;
	question->done(error, missing, count, question->arg);
	free(missing);
}

static void question_free(struct question *question)
{
	for (size_t i = 0; i < question->run_count; i++)
		text_put(question->runs[i].name);
	free(question->runs);
	free(question);
}

static void finish(struct question *question, int error)
{
	ev_timer_stop(question->worker->loop, &question->timer);
	tell_done(question, error);
	if (question->worker->store)
		store_answers_drop(question->worker->store,
				   span_of(question->id, STORE_QUESTION_LEN));
	question_free(question);
}

/* --- answers ----------------------------------------------------------------- */

static struct asked_run *find_run(struct question *question, struct span name)
{
	for (size_t i = 0; i < question->run_count; i++)
		if (span_equals(text_span(question->runs[i].name), name))
			return &question->runs[i];
	return NULL;
}

/* True: that is enough. */
static bool take_answer(struct question *question, struct span text, struct json *json)
{
	CLEANUP(buffer_fini) struct buffer name = {0};
	struct json_fault fault;

	if (json_parse(json, text, DEPTH_MAX, &fault) ||
	    json_string(json, json_member(json, 0, SPAN("run")), &name))
		return false;
	struct asked_run *run = find_run(question, buffer_span(&name));
	if (run && run->has_answered)
		return false;
	/* A worker that began since then was not counted on, but knows what it knows. */
	if (run) {
		run->has_answered = true;
		question->left--;
	}
	return question->answer(json, question->arg);
}

static void look_later(struct question *question)
{
	ev_timer_set(&question->timer, question->look_s, 0.);
	ev_timer_start(question->worker->loop, &question->timer);
	question->look_s = question->look_s * 2 < LOOK_MOST_S ? question->look_s * 2 : LOOK_MOST_S;
}

static void on_answers(int error, const struct span *answers, size_t count, void *arg)
{
	struct question *question = arg;
	struct json json = {0};
	bool enough = false;

	if (question->over) {
		question_free(question);
		return;
	}
	for (size_t i = 0; i < count && !enough; i++)
		enough = take_answer(question, answers[i], &json);
	json_fini(&json);
	question->answers += count;
	if (enough || !question->left)
		finish(question, 0);
	else if (error == -ECANCELED)
		finish(question, error);
	else if (worker_monotonic_ms() >= question->until_ms)
		finish(question, 0);
	else
		look_later(question);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct question *question = CONTAINER_OF(timer, struct question, timer);

	(void)loop;
	(void)events;
	store_answers(question->worker->store, span_of(question->id, STORE_QUESTION_LEN),
		      question->answers, on_answers, question);
}

/* --- the question ------------------------------------------------------------ */

static void on_asked(int error, const struct span *runs, size_t count, void *arg)
{
	struct question *question = arg;

	if (question->over) {
		question_free(question);
		return;
	}
	if (error) {
		finish(question, error);
		return;
	}
	question->runs = calloc(count + 1, sizeof(*question->runs));
	MUST(question->runs);
	for (size_t i = 0; i < count; i++)
		question->runs[i].name = text_create(runs[i]);
	question->run_count = question->left = count;
	look_later(question);
}

int question_ask(struct worker *worker, const char *id, struct span message,
		 question_answer_fn answer, question_done_fn done, void *arg)
{
	int64_t patience_ms = worker->config->redis_timeout_ms;

	if (question_count == QUESTIONS_MAX) {
		stat_add(worker->slot, STAT_questions_refused, 1);
		return -EBUSY;
	}
	struct question *question = calloc(1, sizeof(*question));
	MUST(question);
	question->worker = worker;
	memcpy(question->id, id, sizeof(question->id));
	question->answer = answer;
	question->done = done;
	question->arg = arg;
	question->look_s = LOOK_FIRST_S;
	question->until_ms =
		worker_monotonic_ms() +
		(patience_ms < QUESTION_PATIENCE_MS ? patience_ms : QUESTION_PATIENCE_MS);
	ev_timer_init(&question->timer, on_timer, 0., 0.);
	LIST_INSERT_HEAD(&questions, question, link);
	question_count++;
	store_ask(worker->store, message, on_asked, question);
	return 0;
}

void questions_end(struct worker *worker)
{
	struct question *question, *next;

	for (question = LIST_FIRST(&questions); question; question = next) {
		bool waits = ev_is_active(&question->timer);

		next = LIST_NEXT(question, link);
		ev_timer_stop(worker->loop, &question->timer);
		tell_done(question, -ECANCELED);
		if (waits) /* else a reply is to come, and be it that it is cancelled */
			question_free(question);
	}
}
