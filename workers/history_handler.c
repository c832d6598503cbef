/* history_handler.c — …/documents/{id}/history and …/documents/{id}/restore. */
#include "handlers.h"

#include "documents_request.h"

static int list_revisions(struct request *request, struct outcome *fault)
{
	static const char *const known[] = {"page_size", "page_token", NULL};
	struct history_query query = {
		.service = request_path_service(request),
		.id = request_path_id(request),
		.page_token = span_string(request_query(request, "page_token")),
	};

	if (request_check_query(request, known, fault) ||
	    documents_read_page_size(request, &query.page_size, fault))
		return -EINVAL;
	operations_history(request_worker(request)->operations, &query, request_answer_outcome,
			   request);
	return 0;
}

void documents_handle_history(struct request *request)
{
	struct outcome fault;

	if (list_revisions(request, &fault))
		request_answer_problem(request, &fault);
}

static int restore_revision(struct request *request, struct outcome *fault)
{
	static const char *const others[] = {"revision", NULL};
	struct json *json = documents_scratch();
	struct write_request write;

	if (documents_check_no_query(request, fault) ||
	    documents_begin_write(request, WRITE_RESTORE, &write, fault) ||
	    documents_parse_body(request, 1, json, fault) ||
	    operations_parse_restore(json, 0, others, &write, fault))
		return -EINVAL;
	documents_submit(request, &write);
	return 0;
}

void documents_handle_restore(struct request *request)
{
	struct outcome fault;

	if (restore_revision(request, &fault))
		request_answer_problem(request, &fault);
}
