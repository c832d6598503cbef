/* diff.h — what changed between two documents (DESIGN.md section 5). Pure.
 *
 * Sent to clients:
 *     {"added":{path:value},"removed":[path],"changed":{path:{"from":old,"to":new}}}
 * Kept in the history, reversible:
 *     {"added":{path:value},"removed":{path:value},"changed":{…}}
 *
 * A path is member names joined by `.`; `.` and `\` inside a name are written `\.` and `\\`; the
 * empty name is legal. Objects are compared deeply, arrays index by index (removals from the
 * highest index down), type changes and scalars as whole values. Equality is json_equals(). Both
 * roots are objects. Law: diff_apply(old, diff(old, new)) equals new, and the diff is empty only
 * when they are equal. */
#ifndef SYNCDOC_DIFF_H
#define SYNCDOC_DIFF_H

#include "json.h"

/* The diff of two equal documents, as sent and as kept. */
#define DIFF_EMPTY "{\"added\":{},\"removed\":[],\"changed\":{}}"
#define DIFF_EMPTY_REVERSIBLE "{\"added\":{},\"removed\":{},\"changed\":{}}"

/* Appends the client form to `ret_diff` and the reversible form to `ret_reversible` (either may be
 * NULL), in one walk over the tokens: no tree. Values are copied as the bytes they are in their
 * document. */
void diff_format(const struct json *old, const struct json *new, struct buffer *ret_diff,
		 struct buffer *ret_reversible);

/* Appends `data` changed forwards by `diff` (either form) to `ret`.
 * 0, or -EINVAL: the diff is malformed or does not fit the data; ret unchanged. */
int diff_apply(const struct json *data, const struct json *diff, struct buffer *ret);

/* Appends `data` changed backwards by a reversible diff. -EINVAL: malformed, not reversible, or it
 * does not fit. */
int diff_revert(const struct json *data, const struct json *diff, struct buffer *ret);

/* As diff_revert() with one diff after the other, the newest first, in one go: one tree for all of
 * them. The texts are as stored. 0, or -EINVAL: one of them is no JSON, not reversible, or does not
 * fit; ret unchanged. */
int diff_revert_all(const struct json *data, const struct span *diffs, size_t count,
		    struct buffer *ret);

/* Appends the client form of a diff in either form. 0, or -EINVAL: it is no diff; ret unchanged. */
int diff_client_form(const struct json *diff, struct buffer *ret);

#endif
