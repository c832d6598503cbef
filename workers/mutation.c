/* mutation.c — apply and diff: what a write makes of its base. Whether it may is judged in
 * mutation_judge.c. */
#include "mutation.h"

#include "diff.h"
#include "expire.h"
#include "merge.h"
#include "patch.h"

void mutation_scratch_fini(struct mutation_scratch *scratch)
{
	json_fini(&scratch->base);
	json_fini(&scratch->argument);
	json_fini(&scratch->next);
	buffer_fini(&scratch->result);
	text_put(scratch->base_text);
	scratch->base_text = NULL;
}

void mutation_fini(struct mutation *mutation)
{
	revision_fini(&mutation->next);
	buffer_fini(&mutation->diff);
	buffer_fini(&mutation->reversible);
}

/* Tokens of the base; a base that the write before has just made is not scanned again. What is
 * stored was checked when it was written, but by another version or hand perhaps: -EBADMSG. */
static int scan_base(struct mutation_scratch *scratch, const struct revision *base)
{
	static const struct span nothing = {"{}", 2};
	struct json_fault fault;

	if (base->data && scratch->base_text == base->data)
		return 0;
	text_put(scratch->base_text);
	scratch->base_text = text_get(base->data);
	if (json_parse(&scratch->base, base->data ? text_span(base->data) : nothing,
		       JSON_DEPTH_LIMIT, &fault)) {
		text_put(scratch->base_text);
		scratch->base_text = NULL;
		return -EBADMSG;
	}
	return 0;
}

static int refuse_patch(const struct patch_fault *fault, struct outcome *ret)
{
	static const struct {
		int status;
		const char *code;
	} answers[] = {
		[PATCH_INVALID] = {422, "patch_invalid"},
		[PATCH_TEST_FAILED] = {409, "patch_test_failed"},
		[PATCH_PATH_MISSING] = {409, "patch_path_missing"},
	};

	*ret = outcome_refusal(answers[fault->kind].status, answers[fault->kind].code,
			       "operation %u: %s", fault->operation, fault->detail);
	ret->has_failed_operation = true;
	ret->failed_operation = fault->operation;
	return -EPERM;
}

static int refuse_too_large(const struct mutation_limits *limits, struct outcome *ret)
{
	*ret = outcome_refusal(413, "document_too_large",
			       "the document would exceed documents.max_size (%zu bytes)",
			       limits->size_max);
	return -EPERM;
}

static int apply_patch(struct mutation_scratch *scratch, const struct mutation_limits *limits,
		       struct outcome *ret_refusal)
{
	struct patch_fault fault;
	int error = patch_apply(&scratch->base, &scratch->argument, limits->size_max,
				&scratch->result, &fault);

	if (error == -E2BIG)
		return refuse_too_large(limits, ret_refusal);
	if (error)
		return refuse_patch(&fault, ret_refusal);
	return 0;
}

/* The data was rebuilt before the write came to its turn. A revision does not change, but the
 * document may be another by now. */
static int check_restore(const struct mutation_limits *limits, const struct revision *base,
			 const struct write_request *request, const struct text *data,
			 struct outcome *ret_refusal)
{
	struct history_finding found = request->found;

	if (found.state == HISTORY_REBUILT && request->found_created_at_ms != base->created_at_ms) {
		found.state = HISTORY_NOT_KEPT;
		found.oldest = base->number;
	}
	if (found.state != HISTORY_REBUILT) {
		*ret_refusal = history_refusal(&found);
		return -EPERM;
	}
	return data->len > limits->size_max ? refuse_too_large(limits, ret_refusal) : 0;
}

/* The new data: the client's text (replace), an old revision's (restore), or made from base and
 * argument (merge, patch), or the base's (delete). *ret is an owned reference. */
static int apply_data(struct mutation_scratch *scratch, const struct mutation_limits *limits,
		      const struct revision *base, const struct write_request *request,
		      struct text *data, struct text **ret, struct outcome *ret_refusal)
{
	struct json_fault fault;
	int error;

	if (request->kind == WRITE_RESTORE &&
	    check_restore(limits, base, request, data, ret_refusal))
		return -EPERM;
	if (request->kind != WRITE_MERGE && request->kind != WRITE_PATCH) {
		*ret = text_get(request->kind == WRITE_DELETE ? base->data : data);
		return 0;
	}
	error = json_parse(&scratch->argument, text_span(data), JSON_DEPTH_LIMIT, &fault);
	MUST(!error); /* operations_write() takes only what the scanner has passed */
	scratch->result.len = 0;
	if (request->kind == WRITE_MERGE)
		merge_apply(&scratch->base, &scratch->argument, &scratch->result);
	else if (apply_patch(scratch, limits, ret_refusal))
		return -EPERM;
	if (scratch->result.len > limits->size_max)
		return refuse_too_large(limits, ret_refusal);
	*ret = text_create(buffer_span(&scratch->result));
	return 0;
}

static int64_t next_expiry(const struct revision *base, const struct write_request *request,
			   bool created, int64_t now_ms)
{
	if (request->kind == WRITE_DELETE)
		return 0; /* only a tombstone that time made keeps it */
	switch (request->expiry) {
	case EXPIRY_TTL:
		return now_ms + request->expiry_value * 1000;
	case EXPIRY_AT:
		return request->expiry_value;
	case EXPIRY_REMOVED:
		return 0;
	case EXPIRY_UNCHANGED:
		break;
	}
	return created ? 0 : base->expires_at_ms;
}

/* The result of merge and patch was put together by us, but may be too deep, or no object. Its
 * offsets mean nothing to the client. */
static int scan_next(struct mutation_scratch *scratch, const struct mutation_limits *limits,
		     const struct text *next, struct outcome *ret_refusal)
{
	struct json_fault fault;
	int error = json_parse(&scratch->next, text_span(next), limits->depth_max, &fault);

	if (error == -E2BIG) {
		*ret_refusal = outcome_refusal(
			422, "json_too_deep",
			"the document would be deeper than documents.max_depth (%u)",
			limits->depth_max);
		return -EPERM;
	}
	if (error) {
		*ret_refusal = outcome_of_json_fault(error, &fault);
		ret_refusal->has_offset = false;
		return -EPERM;
	}
	if (scratch->next.tokens[0].type != JSON_OBJECT) {
		*ret_refusal = outcome_refusal(422, "data_not_object",
					       "the document would not be an object");
		return -EPERM;
	}
	return 0;
}

static void name_operation(struct mutation *mutation, const struct write_request *request)
{
	static const char *const operations[] = {
		[WRITE_CREATE] = "create", [WRITE_REPLACE] = "replace", [WRITE_MERGE] = "merge",
		[WRITE_PATCH] = "patch",   [WRITE_DELETE] = "delete",   [WRITE_RESTORE] = "restore",
	};

	bool makes = mutation->created && request->kind != WRITE_RESTORE;

	mutation->operation = makes ? "create" : operations[request->kind];
	mutation->event = mutation->created               ? TOPIC_CREATED
			  : request->kind == WRITE_DELETE ? TOPIC_DELETED
							  : TOPIC_UPDATED;
}

static void diff_revisions(struct mutation_scratch *scratch, struct mutation *mutation,
			   bool deleted)
{
	if (deleted) {
		buffer_append_string(&mutation->diff, DIFF_EMPTY);
		buffer_append_string(&mutation->reversible, DIFF_EMPTY_REVERSIBLE);
		return;
	}
	diff_format(&scratch->base, &scratch->next, &mutation->diff, &mutation->reversible);

	/* The next write of a batch stands on what this one made: keep its tokens. */
	struct json tokens = scratch->base;
	scratch->base = scratch->next;
	scratch->next = tokens;
	text_put(scratch->base_text);
	scratch->base_text = text_get(mutation->next.data);
}

static struct revision next_revision(const struct revision *base, int64_t now_ms)
{
	int64_t updated_at_ms = document_next_time(base->updated_at_ms, now_ms);

	return (struct revision){
		.number = base->number + 1,
		.updated_at_ms = updated_at_ms,
		.created_at_ms = base->number ? base->created_at_ms : updated_at_ms,
	};
}

static int step_scan_base(struct mutation_work *work, const struct mutation_limits *limits,
			  struct outcome *ret_refusal)
{
	(void)limits;
	work->mutation.next = next_revision(work->base, work->now_ms);
	/* A tombstone has an empty diff: what is stored can be deleted whatever it is. */
	if (work->request->kind == WRITE_DELETE || !scan_base(work->scratch, work->base))
		return 0;
	*ret_refusal = outcome_of_store_error(-EBADMSG);
	return -EPERM;
}

static int step_apply(struct mutation_work *work, const struct mutation_limits *limits,
		      struct outcome *ret_refusal)
{
	return apply_data(work->scratch, limits, work->base, work->request, work->data,
			  &work->mutation.next.data, ret_refusal);
}

static int step_scan_next(struct mutation_work *work, const struct mutation_limits *limits,
			  struct outcome *ret_refusal)
{
	if (work->request->kind == WRITE_DELETE)
		return 0;
	return scan_next(work->scratch, limits, work->mutation.next.data, ret_refusal);
}

static int step_diff(struct mutation_work *work, const struct mutation_limits *limits,
		     struct outcome *ret_refusal)
{
	const struct revision *base = work->base;
	const struct write_request *request = work->request;
	struct mutation *mutation = &work->mutation;

	(void)limits;
	(void)ret_refusal;
	/* Each other kind that gets here has a living base. */
	mutation->created = request->kind == WRITE_CREATE || !base->number || base->deleted;
	mutation->next.deleted = request->kind == WRITE_DELETE;
	mutation->next.expires_at_ms =
		next_expiry(base, request, mutation->created, mutation->next.updated_at_ms);
	name_operation(mutation, request);
	diff_revisions(work->scratch, mutation, mutation->next.deleted);
	return 0;
}

int mutation_step(struct mutation_work *work, const struct mutation_limits *limits,
		  struct outcome *ret_refusal)
{
	static int (*const steps[])(struct mutation_work *, const struct mutation_limits *,
				    struct outcome *) = {
		step_scan_base,
		step_apply,
		step_scan_next,
		step_diff,
	};

	if (steps[work->steps](work, limits, ret_refusal)) {
		mutation_fini(&work->mutation);
		return -EPERM;
	}
	return ++work->steps < ARRAY_LEN(steps) ? -EAGAIN : 0;
}

int mutation_apply(struct mutation_scratch *scratch, const struct mutation_limits *limits,
		   const struct revision *base, const struct write_request *request,
		   struct text *data, int64_t now_ms, struct mutation *ret,
		   struct outcome *ret_refusal)
{
	struct mutation_work work = {.base = base,
				     .request = request,
				     .data = data,
				     .now_ms = now_ms,
				     .scratch = scratch};
	int error;

	while ((error = mutation_step(&work, limits, ret_refusal)) == -EAGAIN)
		;
	if (!error)
		*ret = work.mutation;
	return error;
}

void mutation_expire(const struct revision *base, int64_t now_ms, struct mutation *ret)
{
	struct document document = revision_document(base, SPAN_NONE, SPAN_NONE);
	struct document tombstone = expire_document(&document, now_ms);

	*ret = (struct mutation){
		.next =
			{
				.number = tombstone.revision,
				.updated_at_ms = tombstone.updated_at_ms,
				.created_at_ms = tombstone.created_at_ms,
				.expires_at_ms = tombstone.expires_at_ms,
				.deleted = true,
				.data = text_get(base->data),
			},
		.operation = EXPIRE_OPERATION,
		.event = TOPIC_EXPIRED,
	};
	buffer_append_string(&ret->diff, DIFF_EMPTY);
	buffer_append_string(&ret->reversible, DIFF_EMPTY_REVERSIBLE);
}
