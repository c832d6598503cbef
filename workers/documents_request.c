/* documents_request.c — see documents_request.h. */
#include "documents_request.h"

#include "conditions.h"

#define PAGE_SIZE_DEFAULT 100
#define PAGE_SIZE_MAX 1000
#define SCRATCH_TOKENS_MAX 16384 /* kept between requests; more is given back */

/* --- query parameters ------------------------------------------------------ */

int documents_read_flag(const struct request *request, const char *name, bool *ret,
			struct outcome *fault)
{
	const char *value = request_query(request, name);

	*ret = value && strcmp(value, "true") == 0;
	if (!value || *ret || strcmp(value, "false") == 0)
		return 0;
	*fault = outcome_refusal(400, "invalid_query", "\"%s\" must be true or false", name);
	return -EINVAL;
}

int documents_read_integer(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	int64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *text - '0', &number))
			return -EINVAL;
	if (number < min || number > max)
		return -EINVAL;
	*ret = number;
	return 0;
}

int documents_read_page_size(const struct request *request, unsigned *ret, struct outcome *fault)
{
	const char *text = request_query(request, "page_size");
	int64_t size = PAGE_SIZE_DEFAULT;

	if (text && documents_read_integer(text, 1, PAGE_SIZE_MAX, &size)) {
		*fault = outcome_refusal(400, "invalid_query", "\"page_size\" must be 1 to %d",
					 PAGE_SIZE_MAX);
		return -EINVAL;
	}
	*ret = (unsigned)size;
	return 0;
}

int documents_check_no_query(const struct request *request, struct outcome *fault)
{
	static const char *const none[] = {NULL};

	return request_check_query(request, none, fault);
}

/* --- headers --------------------------------------------------------------- */

static int read_tags(const struct request *request, const char *name, bool weak_matches,
		     struct tag_condition *ret, struct outcome *fault)
{
	int error = condition_parse_tags(request_header(request, name), weak_matches, ret);

	if (error == -E2BIG)
		*fault = outcome_refusal(400, "invalid_condition", "%s may have %d entity tags",
					 name, CONDITION_TAGS_MAX);
	else if (error)
		*fault = outcome_refusal(
			400, "invalid_condition",
			"%s must be * or entity tags like \"7-1760000000000\", quotes included",
			name);
	return error;
}

int documents_read_conditions(const struct request *request, struct tag_condition *if_match,
			      struct tag_condition *if_none_match, struct outcome *fault)
{
	if (read_tags(request, "If-Match", false, if_match, fault))
		return -EINVAL;
	return read_tags(request, "If-None-Match", true, if_none_match, fault);
}

static int read_idempotency_key(const struct request *request, struct span *ret,
				struct outcome *fault)
{
	if (!condition_parse_idempotency_key(request_header(request, "Idempotency-Key"), ret))
		return 0;
	*fault = outcome_refusal(400, "invalid_idempotency_key",
				 "Idempotency-Key must be 1 to %d visible ASCII characters",
				 IDEMPOTENCY_KEY_MAX);
	return -EINVAL;
}

/* --- bodies ---------------------------------------------------------------- */

/* One process, one thread, and no handler runs inside another: the token memory of one body serves
 * the next. */
struct json *documents_scratch(void)
{
	static struct json json;

	if (json.cap > SCRATCH_TOKENS_MAX)
		json_fini(&json);
	return &json;
}

int documents_parse_body(const struct request *request, unsigned wrapped, struct json *json,
			 struct outcome *fault)
{
	struct json_fault where;
	unsigned depth_max = request_worker(request)->config->documents_max_depth + wrapped;
	int error = json_parse(json, request_body(request), depth_max, &where);

	if (error)
		*fault = outcome_of_json_fault(error, &where);
	return error;
}

/* --- writes --------------------------------------------------------------- */

int documents_begin_write(const struct request *request, enum write_kind kind,
			  struct write_request *ret, struct outcome *fault)
{
	*ret = (struct write_request){
		.kind = kind,
		.service = request_path_service(request),
		.id = request_path_id(request),
		.by = principal_user(request_principal(request)),
	};
	if (documents_read_conditions(request, &ret->if_match, &ret->if_none_match, fault))
		return -EINVAL;
	return read_idempotency_key(request, &ret->idempotency_key, fault);
}

void documents_submit(struct request *request, const struct write_request *write)
{
	operations_write(request_worker(request)->operations, write, request_answer_outcome,
			 request);
}
