/* access.h — what a principal gets of a subscription. */
#ifndef SYNCDOC_ACCESS_H
#define SYNCDOC_ACCESS_H

#include "principal.h"
#include "subscriptions.h"

/* Sets the filter of `spec`, or NULL where the principal may have all it matches, and takes
 * presence that did not have to be there out of it, or back into it where a former principal might
 * not have it. The filter is borrowed from the principal.
 * `with_document`: documents are to be sent, too. -EACCES: the principal may have nothing of it, or
 * not what was asked for by name; *ret_refusal is a 403. */
int access_narrow(const struct principal *principal, struct subscription_spec *spec,
		  bool with_document, struct outcome *ret_refusal);

#endif
