/* target.h — the request target (`/v1/services/a%20b?page_size=5`) cut into decoded path segments
 * and query parameters. Pure. */
#ifndef SYNCDOC_TARGET_H
#define SYNCDOC_TARGET_H

#include "base.h"

#define TARGET_SEGMENTS_MAX 8
#define TARGET_PARAMETERS_MAX 32

/* Both NUL-terminated, valid UTF-8. */
struct target_parameter {
	const char *name;
	const char *value;
};

struct target {
	bool asterisk;         /* `OPTIONS *` */
	struct span authority; /* of an absolute-form target (`http://host/path`), else len 0 */

	bool path_is_valid; /* false: bad percent-encoding, NUL or invalid UTF-8; no segments then
			     */
	/* `/` has none, `/a/` has two, the second one empty; a longer path has TARGET_SEGMENTS_MAX
	 * + 1 and only the first are kept */
	unsigned segment_count;
	struct span segments[TARGET_SEGMENTS_MAX];

	const char *query_fault; /* NULL, or for humans what is wrong; no parameters then */
	unsigned parameter_count;
	struct target_parameter parameters[TARGET_PARAMETERS_MAX];
};

#define TARGET_MEMORY(uri_len) ((uri_len) + 3)

/* `memory` has TARGET_MEMORY(uri.len) bytes, holds all that *ret points to and is the caller's.
 * Never fails: faults are in *ret, so that the router can answer 404 before it complains about a
 * query. */
void target_parse(struct span uri, char *memory, struct target *ret);

#endif
