/* patch_pointer.h — JSON Pointer (RFC 6901) taken apart. Internal to patch. Pure. */
#ifndef SYNCDOC_PATCH_POINTER_H
#define SYNCDOC_PATCH_POINTER_H

#include "json_tree.h"

/* All zero is the whole document. Keeps its memory from one parse to the next. */
struct patch_pointer {
	struct buffer text;    /* owned: as the client wrote it, decoded */
	struct json_path path; /* owned */
};

/* 0, or -EINVAL: no pointer; *ret_reason is static, for humans, to stand behind its name. */
int patch_pointer_parse(struct patch_pointer *ret, const struct json *doc, uint32_t token,
			const char **ret_reason);
void patch_pointer_fini(struct patch_pointer *pointer);
/* `inner` leads to a place below that of `outer`. */
bool patch_pointer_is_inside(const struct patch_pointer *inner, const struct patch_pointer *outer);

#endif
