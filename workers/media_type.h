/* media_type.h — Content-Type, Accept and Accept-Encoding, as far as an API of JSON needs them; the
 * latter with their weights (RFC 9110 12.4.2). Pure. */
#ifndef SYNCDOC_MEDIA_TYPE_H
#define SYNCDOC_MEDIA_TYPE_H

#include "base.h"

#define MEDIA_JSON "application/json"
#define MEDIA_MERGE_PATCH "application/merge-patch+json"
#define MEDIA_JSON_PATCH "application/json-patch+json"
#define MEDIA_PROBLEM "application/problem+json"
#define MEDIA_EVENT_STREAM "text/event-stream"

/* Bits, so that a route can say which ones it takes. */
enum media_type {
	MEDIA_TYPE_NONE = 0, /* no Content-Type */
	MEDIA_TYPE_JSON = 1,
	MEDIA_TYPE_MERGE_PATCH = 2,
	MEDIA_TYPE_JSON_PATCH = 4,
	MEDIA_TYPE_OTHER = 8, /* also the above with a charset that is not UTF-8 */
};

/* `content_type` NULL: absent. */
enum media_type media_type_parse(const char *content_type);
/* False when the Accept header excludes application/json. NULL or empty: everything is welcome. */
bool media_type_json_is_accepted(const char *accept);

/* The same for text/event-stream. */
bool media_type_event_stream_is_accepted(const char *accept);

/* Does Accept name text/html itself, and weigh it above JSON? With equal weights what is named goes
 * before what only a wildcard holds, and JSON before HTML. Browsers do, programs do not. NULL: no.
 */
bool media_type_html_is_preferred(const char *accept);
/* Accept-Encoding: may the answer be gzipped? NULL: no. */
bool media_type_gzip_is_accepted(const char *accept_encoding);

#endif
