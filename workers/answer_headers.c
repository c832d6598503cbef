/* answer_headers.c — headers of an answer: what its handler adds, and what all have. */
#include "request_private.h"

#include "cors.h"

#define ID_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

void request_set_header(struct request *request, const char *name, const char *value)
{
	buffer_append(&request->headers, name, strlen(name) + 1);
	buffer_append(&request->headers, value, strlen(value) + 1);
}

bool request_next_header(const struct request *request, const char **at, const char **ret_value)
{
	const char *end = request->headers.at + request->headers.len;

	*at = *at ? *ret_value + strlen(*ret_value) + 1 : request->headers.at;
	if (*at == end)
		return false;
	*ret_value = *at + strlen(*at) + 1;
	return true;
}

/* The client's own, if it is a plain word, so that its logs and ours can be joined. */
static void choose_id(struct request *request)
{
	const char *own = request_header(request, "X-Request-Id");
	size_t len = own ? strspn(own, ID_ALPHABET) : 0;

	if (len && len <= REQUEST_ID_MAX && !own[len])
		memcpy(request->id, own, len + 1);
	else
		worker_random_name(request->id, REQUEST_ID_LEN);
}

void request_set_common_headers(struct request *request)
{
	const char *name = NULL, *value = NULL;
	bool cached = false;

	choose_id(request);
	cors_set_headers(request);
	while (request_next_header(request, &name, &value))
		cached = cached || strcmp(name, MHD_HTTP_HEADER_CACHE_CONTROL) == 0;
	if (!cached)
		request_set_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	request_set_header(request, MHD_HTTP_HEADER_SERVER, "syncdoc");
	/* Answers quote what was sent: no browser may take them for anything else than they say. */
	request_set_header(request, "X-Content-Type-Options", "nosniff");
	request_set_header(request, "X-Request-Id", request->id);
}
