/* message_id.h — the client's `id` in a message that is no JSON text: cut off, or faulty. Pure. */
#ifndef SYNCDOC_MESSAGE_ID_H
#define SYNCDOC_MESSAGE_ID_H

#include "base.h"

#define MESSAGE_ID_MAX 256 /* bytes of the `id` a client may choose, as JSON text */

/* Raw text of the member `id` of the outermost object, as far as that can be told: a string or a
 * number of at most MESSAGE_ID_MAX bytes, valid JSON, whose end lies in `text`. Else len 0. An `id`
 * inside of other members is never taken for it: it may name another message of the client's. */
struct span message_id_find(struct span text);

#endif
