/* keys.h — every key and channel name in Redis, in one place (DESIGN.md section 4). */
#ifndef SYNCDOC_KEYS_H
#define SYNCDOC_KEYS_H

#include "buffer.h"

#define KEY_SEQUENCE "syncdoc:sequence"
#define KEY_PURGED "syncdoc:purged" /* string: highest sequence of a tombstone that was purged */
/* zset: sequence after a loss of writes → what it was raised to */
#define KEY_RAISED "syncdoc:raised"
#define KEY_SERVICES "syncdoc:services"
#define KEY_EXPIRY "syncdoc:expiry"
#define KEY_RUNS "syncdoc:runs"
#define KEY_REVOKED "syncdoc:revoked"
#define KEY_CONTROL "syncdoc:control"         /* channel: messages to all workers of all hosts */
#define KEY_ANSWERS_PREFIX "syncdoc:answers:" /* list, seconds of TTL: what workers answered */
/* set: runs that have ended and whose presence is being cleaned */
#define KEY_RUNS_ENDED "syncdoc:runs-ended"
/* zset: presence entry of REST → when its time is up */
#define KEY_PRESENCE_EXPIRY "syncdoc:presence-expiry"
#define KEY_PRESENCE_PREFIX "syncdoc:presence:"
#define KEY_CHANNEL_PREFIX "syncdoc:channel:"
#define KEY_NODE_LEASE_PREFIX "syncdoc:node:"
#define KEY_CHANNEL_PATTERN "syncdoc:channel:*"
#define KEY_MAX 320

/* Each replaces what is in `ret` (KEY_MAX bytes, NUL-terminated) and returns the length. */
/* syncdoc:data:{service}:{id} */
size_t key_data(char ret[KEY_MAX], struct span service, struct span id);
/* syncdoc:channel:{service}:{id} */
size_t key_channel(char ret[KEY_MAX], struct span service, struct span id);
/* syncdoc:history:{syncdoc:data:…}, literal braces */
size_t key_history(char ret[KEY_MAX], struct span service, struct span id);
/* syncdoc:presence:{service}:{id} */
size_t key_presence(char ret[KEY_MAX], struct span service, struct span id);
size_t key_index(char ret[KEY_MAX], struct span service);
size_t key_names(char ret[KEY_MAX], struct span service);
size_t key_deleted(char ret[KEY_MAX], struct span service);
size_t key_mark(char ret[KEY_MAX], const char *node, uint64_t incarnation);
size_t key_node_lease(char ret[KEY_MAX], const char *node, uint64_t incarnation);
size_t key_node_presence(char ret[KEY_MAX], struct span run_id);

#endif
