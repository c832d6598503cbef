/* diff_form.h — a diff as the history keeps it, as clients get it (the two forms: diff.h). Pure. */
#ifndef SYNCDOC_DIFF_FORM_H
#define SYNCDOC_DIFF_FORM_H

#include "json.h"

/* Appends the client form of a reversible diff. 0, or -EINVAL: it is no such diff; ret unchanged.
 */
int diff_client_form(const struct json *reversible, struct buffer *ret);

#endif
