/* merge.h — JSON Merge Patch (RFC 7396) over scanner tokens. Pure.
 * Works on text, so untouched members keep their exact bytes and no tree is built. */
#ifndef SYNCDOC_MERGE_H
#define SYNCDOC_MERGE_H

#include "json.h"

/* Appends MergePatch(target, patch) to `ret`. Both are any JSON values. Members keep the target's
 * order, new ones come behind in the patch's order. Iterative or bounded by JSON_DEPTH_LIMIT.
 * Linear in the sizes, also for wide objects. */
void merge_apply(const struct json *target, const struct json *patch, struct buffer *ret);

#endif
