/* resp.h — commands as Redis reads them (RESP): `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`. Pure. Room is the
 * caller's business, made once for a whole command: a write has about thirty arguments, and
 * hiredis's own formatter calls sprintf for each. */
#ifndef SYNCDOC_RESP_H
#define SYNCDOC_RESP_H

#include "base.h"

#define RESP_AROUND_MAX 25 /* bytes beside its own that a count or an item takes, at most */

/* Both return the place behind what they put at `at`. */
char *resp_put_count(char *at, size_t items);
char *resp_put_item(char *at, const char *bytes, size_t len);

#endif
