/* request_wait.c — requests whose answers are not there yet, and how MHD gets them.
 *
 * A suspended connection costs two epoll_ctl() and, when it is resumed, a recv() that finds
 * nothing: three of the five system calls of a GET. Most answers of Redis are here after one or two
 * turns of the loop, so at first the connection stays in MHD's list of those that have work, and
 * MHD asks for the answer in each of its runs. MHD's timeout is 0 as long as there is one: see
 * run() in http.c. */
#include "request_private.h"

#include <sys/socket.h>

/* Times that MHD asks in vain before the connection is suspended. */
#define ASKED_MAX 8

static void set_waits(struct request *request, bool waits)
{
	if (request->waits != waits)
		request->http->waiting += waits ? 1 : -1;
	request->waits = waits;
}

static void suspend(struct request *request)
{
	request->state = REQUEST_SUSPENDED;
	MHD_suspend_connection(request->connection);
}

void request_wait(struct request *request)
{
	if (request->is_patient) {
		suspend(request);
		return;
	}
	request->state = REQUEST_WAITING;
	set_waits(request, true);
}

static void refused_by_mhd(struct request *request)
{
	static struct log_limit limit;

	/* MHD has said why. Without an answer the connection is of no use. */
	if (log_allow(&limit))
		log_error("http: an answer with status %d was refused, closing the connection",
			  request->status);
	shutdown(request->client->fd, SHUT_RDWR);
}

static void give_answer(struct request *request)
{
	if (MHD_queue_response(request->connection, (unsigned)request->status, request->response) !=
	    MHD_YES)
		refused_by_mhd(request);
	MHD_destroy_response(request->response);
	request->response = NULL;
}

bool request_ask(struct request *request)
{
	if (!request->waits)
		return false;
	if (request->response) {
		set_waits(request, false);
		give_answer(request);
		request->http->run_soon = true; /* it goes out in the next run */
	} else if (++request->asked >= ASKED_MAX) {
		set_waits(request, false);
		suspend(request);
	}
	return true;
}

void request_give(struct request *request, int status, struct MHD_Response *response)
{
	enum request_state state = request->state;

	request->status = status;
	request->response = response;
	/* MHD takes it only from inside its own call, or while the connection is suspended. */
	if (state != REQUEST_WAITING)
		give_answer(request);
	if (state == REQUEST_SUSPENDED)
		MHD_resume_connection(request->connection);
	/* While others wait MHD cannot say that this one can go out. */
	if (state != REQUEST_HANDLING || request->http->waiting)
		http_run_soon(request->http);
}

void request_wait_no_more(struct request *request)
{
	set_waits(request, false);
	if (request->response)
		MHD_destroy_response(request->response);
	request->response = NULL;
}
