/* access_log.h — log.access: one line for each HTTP request that is over. Says method, path,
 * status, bytes, time, id and peer; never a query, a header or a body, in which secrets may stand.
 */
#ifndef SYNCDOC_ACCESS_LOG_H
#define SYNCDOC_ACCESS_LOG_H

#include "base.h"

struct request;

#define ACCESS_PATH_MAX 1024

/* What a line needs to know of its request beside what that itself knows. One per request where
 * log.access is on, else there is none: NULL is fine everywhere. */
struct access_line;

/* The first line has come; `target` as it was sent. */
struct access_line *access_line_create(struct span target);
/* `bytes` of body. Of an event stream they are not known yet. */
void access_line_answered(struct access_line *line, int status, size_t bytes);
void access_line_add_bytes(struct access_line *line, size_t bytes);
/* The request is over: writes the line. `request` must still have its connection. */
void access_line_finish(struct access_line *line, const struct request *request);
void access_line_destroy(struct access_line *line);

/* Of a target only its path: no scheme, no authority, no query; at most ACCESS_PATH_MAX bytes.
 * Pure. */
struct span access_line_path(struct span target);

#endif
