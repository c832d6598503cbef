#include "cors.h"

#include "host_check.h"
#include "http.h"

#include <strings.h>

#define PREFLIGHT_AGE "7200" /* seconds; what Chromium caps it at */
#define ALLOWED_HEADERS                                                                            \
	"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "   \
	"Prefer, X-Request-Id"
#define EXPOSED_HEADERS                                                                            \
	"Accept-Patch, Accept-Post, Allow, ETag, Idempotent-Replay, Location, "                    \
	"Preference-Applied, Retry-After, WWW-Authenticate, X-Request-Id"

/* The entry of cors_origins that lets it in, or NULL. Schemes and hosts know no case. */
static const char *listed_as(const struct config_list *origins, const char *origin)
{
	for (size_t i = 0; i < origins->count; i++)
		if (strcmp(origins->items[i], "*") == 0 ||
		    strcasecmp(origins->items[i], origin) == 0)
			return origins->items[i];
	return NULL;
}

/* Origins leave the scheme's own port out, Host headers of some proxies do not. */
static struct span without_default_port(struct span port, bool https)
{
	return span_equals(port, https ? SPAN("443") : SPAN("80")) ? SPAN_NONE : port;
}

static bool is_same_origin(const char *origin, const char *host)
{
	struct span name, port, host_name, host_port;
	bool https = strncasecmp(origin, "https://", 8) == 0;

	if (!host || (!https && strncasecmp(origin, "http://", 7) != 0))
		return false; /* also `null` */
	if (host_split(span_string(origin + (https ? 8 : 7)), &name, &port) ||
	    host_split(span_string(host), &host_name, &host_port))
		return false;
	return name.len == host_name.len && strncasecmp(name.at, host_name.at, name.len) == 0 &&
	       span_equals(without_default_port(port, https),
			   without_default_port(host_port, https));
}

bool cors_origin_is_allowed(const struct worker *worker, const char *origin, const char *host)
{
	return !origin || is_same_origin(origin, host) ||
	       listed_as(&worker->config->cors_origins, origin);
}

void cors_set_headers(struct request *request)
{
	const struct config_list *origins = &request_worker(request)->config->cors_origins;

	if (!origins->count)
		return;
	/* Also where this request has no Origin: a cache must not give its answer to one that has.
	 */
	request_set_header(request, "Vary", "Origin");
	const char *origin = request_header(request, "Origin");
	const char *entry = origin ? listed_as(origins, origin) : NULL;
	if (!entry)
		return;
	request_set_header(request, "Access-Control-Allow-Origin",
			   strcmp(entry, "*") == 0 ? "*" : origin);
	request_set_header(request, "Access-Control-Expose-Headers", EXPOSED_HEADERS);
}

void cors_set_preflight_headers(struct request *request, const char *methods)
{
	const char *origin = request_header(request, "Origin");

	if (!origin || !request_header(request, "Access-Control-Request-Method") ||
	    !listed_as(&request_worker(request)->config->cors_origins, origin))
		return;
	request_set_header(request, "Access-Control-Allow-Methods", methods);
	request_set_header(request, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
	request_set_header(request, "Access-Control-Max-Age", PREFLIGHT_AGE);
}
