/* services_handler.c — GET /v1/services. */
#include "handlers.h"

#include "http.h"
#include "operations.h"
#include "principal.h"

void services_handle(struct request *request)
{
	static const char *const known[] = {NULL};
	struct outcome fault;

	if (request_check_query(request, known, &fault))
		request_answer_problem(request, &fault);
	else
		operations_services(
			request_worker(request)->operations,
			principal_filter(request_principal(request), SPAN_NONE, RIGHT_READ),
			request_answer_outcome, request);
}
