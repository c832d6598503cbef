/* session_presence.h — presence.* messages. */
#ifndef SYNCDOC_SESSION_PRESENCE_H
#define SYNCDOC_SESSION_PRESENCE_H

#include "session.h"

void session_presence(struct connection *connection, const struct session_message *message);

#endif
