/* static_handler.c — the Admin UI and the JavaScript client over HTTP. They hold no data, so they
 * are open without a token; what they then ask for is not. */
#include "static_handler.h"

#include "media_type.h"
#include "request_private.h"
#include "static_files.h"

/* connect-src 'self' stands for ws: and wss: of the same origin, too (CSP 3). Nothing inline, and
 * nothing from elsewhere: a document that holds markup stays text whatever the pages do. */
#define CONTENT_SECURITY_POLICY                                                                    \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

#define NOT_FOUND_PAGE "/admin/not_found"

static void set_page_headers(struct request *request)
{
	/* Kept, but asked about each time: a new version is in use at once. */
	request_set_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
	request_set_header(request, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
	/* Ids of documents stand in the addresses of pages. */
	request_set_header(request, "Referrer-Policy", "no-referrer");
}

bool static_is_served(const struct config *config, const struct target *target)
{
	const struct static_file *file = static_files_find(target);

	return file && (!file->admin || config->admin_enabled);
}

void static_handle(struct request *request)
{
	const struct static_file *file = static_files_find(&request->target);
	MUST(file);
	const char *encodings = request_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	bool gzip = file->gzip && media_type_gzip_is_accepted(encodings);
	const char *etag = gzip ? file->gzip_etag : file->etag;
	struct span body = gzip ? span_of((const char *)file->gzip, file->gzip_len)
				: span_of((const char *)file->bytes, file->len);

	request_set_header(request, MHD_HTTP_HEADER_ETAG, etag);
	request_set_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	set_page_headers(request);
	if (static_files_etag_matches(request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH),
				      etag)) {
		request_answer_constant(request, MHD_HTTP_NOT_MODIFIED, NULL, body);
		return;
	}
	if (gzip)
		request_set_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	request_answer_constant(request, MHD_HTTP_OK, file->content_type, body);
}

/* Where the pages are: what comes after it may have been mistyped, or been a page once. */
static bool is_among_pages(const struct target *target)
{
	static const struct span places[] = {{"documents", 9}, {"status", 6}, {"admin", 5}};

	for (size_t i = 0; i < ARRAY_LEN(places) && target->segment_count; i++)
		if (span_equals(target->segments[0], places[i]))
			return true;
	return false;
}

bool static_answer_not_found(struct request *request, const struct outcome *refusal)
{
	const struct worker *worker = request->http->worker;
	const struct static_file *page = static_files_named(NOT_FOUND_PAGE);
	bool shows = worker->config->admin_enabled && is_among_pages(&request->target) &&
		     (request->method == HTTP_GET || request->method == HTTP_HEAD);

	if (!shows || !page)
		return false;
	request_set_header(request, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
	if (!media_type_html_is_preferred(request_header(request, MHD_HTTP_HEADER_ACCEPT)))
		return false;
	stat_refuse(worker->slot, refusal->code);
	set_page_headers(request);
	request_answer_constant(request, refusal->status, page->content_type,
				span_of((const char *)page->bytes, page->len));
	return true;
}

/* Where a browser that was given only the host is led. */
void static_redirect_to_admin(struct request *request)
{
	request_set_header(request, MHD_HTTP_HEADER_LOCATION, "/documents");
	request_answer(request, MHD_HTTP_FOUND, NULL, SPAN_NONE);
}
