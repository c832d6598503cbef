/* static_files.h — the files of the Admin UI and the JavaScript client, put into the program by
 * workers/web/embed.sh, and which of them a path means. No file system: a path that is not in the
 * table exactly is nothing. Pure. */
#ifndef SYNCDOC_STATIC_FILES_H
#define SYNCDOC_STATIC_FILES_H

#include "target.h"

struct static_file {
	const char *path; /* `/admin/tree.js` */
	const char *content_type;
	const char *etag;      /* of `bytes`, with its quotes */
	const char *gzip_etag; /* strong, so another one */
	bool admin;            /* belongs to the Admin UI, which admin.enabled switches off */
	const unsigned char *bytes;
	size_t len;
	const unsigned char *gzip; /* NULL: it would not be shorter */
	size_t gzip_len;
};

extern const struct static_file static_files[];
extern const size_t static_files_count;

/* NULL: there is none. Segments are compared after decoding, one by one: an encoded slash does not
 * separate, `.` and `..` are names like any other. */
const struct static_file *static_files_find(const struct target *target);
/* By its path as in the table. NULL: there is none. */
const struct static_file *static_files_named(const char *path);
/* Does an If-None-Match header name this tag, or `*`? Weak comparison (RFC 9110 13.1.2). NULL: no
 * header, false. */
bool static_files_etag_matches(const char *if_none_match, const char *etag);

#endif
