#include "static_files.h"

static bool path_matches(const char *path, const struct target *target)
{
	for (unsigned i = 0; i < target->segment_count; i++) {
		if (*path != '/')
			return false;
		const char *end = strchrnul(path + 1, '/');
		if (!span_equals(span_of(path + 1, (size_t)(end - path - 1)), target->segments[i]))
			return false;
		path = end;
	}
	return !*path;
}

const struct static_file *static_files_find(const struct target *target)
{
	/* More segments than are kept: none of ours has so many. */
	if (!target->path_is_valid || target->asterisk || !target->segment_count ||
	    target->segment_count > TARGET_SEGMENTS_MAX)
		return NULL;
	for (size_t i = 0; i < static_files_count; i++)
		if (path_matches(static_files[i].path, target))
			return &static_files[i];
	return NULL;
}

const struct static_file *static_files_named(const char *path)
{
	for (size_t i = 0; i < static_files_count; i++)
		if (strcmp(static_files[i].path, path) == 0)
			return &static_files[i];
	return NULL;
}

bool static_files_etag_matches(const char *if_none_match, const char *etag)
{
	const char *at = if_none_match ? if_none_match : "";

	/* Our tags hold neither commas nor blanks, so that pieces of others never equal one. */
	while (*at) {
		at += strspn(at, " \t,");
		if (at[0] == 'W' && at[1] == '/')
			at += 2;
		struct span tag = span_of(at, strcspn(at, " \t,"));
		if (span_equals(tag, span_string(etag)) || span_equals(tag, SPAN("*")))
			return true;
		at += tag.len;
	}
	return false;
}
