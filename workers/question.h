/* question.h — asks all workers of all hosts something, and waits for their answers: through
 * syncdoc:control to each host's supervisor and its ring, and back through a list in Redis
 * (store_control.h). */
#ifndef SYNCDOC_QUESTION_H
#define SYNCDOC_QUESTION_H

#include "context.h"
#include "json.h"
#include "store_control.h"

#define QUESTIONS_MAX 16          /* of a worker at the same time */
#define QUESTION_PATIENCE_MS 2000 /* at most; redis.timeout where that is less */

struct question;

/* An answer that makes sense. True: that is enough. */
typedef bool (*question_answer_fn)(const struct json *answer, void *arg);
/* Called once, never from inside of question_ask(). error 0, or as in store.h: nothing is known;
 * `missing`: runs that have not answered, also where others had said enough. */
typedef void (*question_done_fn)(int error, const struct span *missing, size_t missing_count,
				 void *arg);

/* An id for the message, NUL-terminated. */
void question_make_id(char ret[STORE_QUESTION_LEN + 1]);
/* -EBUSY: too many are asked already. */
int question_ask(struct worker *worker, const char *id, struct span message,
		 question_answer_fn answer, question_done_fn done, void *arg);
/* The worker ends: all are done, -ECANCELED. */
void questions_end(struct worker *worker);

#endif
