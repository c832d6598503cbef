/* control.h — the control socket, `<state_dir>/control.sock`: a stream socket in the supervisor on
 * which syncdocctl asks and orders. One line of JSON is a request, `{"verb":"status"}`, one line is
 * its answer: `{"ok":true,"result":{…}}` or `{"ok":false,"code":"…","detail":"…"}`; any number of
 * them on one connection, one after the other. What the verbs mean is control_verbs.c's.
 *
 * Only root and the daemon's own user are served: the file has mode 0600, and the peer's
 * credentials are asked of the kernel. Nothing here waits: clients, their lines and their silence
 * are bounded, and a client that does not read its answer is not read either. */
#ifndef SYNCDOC_CONTROL_H
#define SYNCDOC_CONTROL_H

#include "buffer.h"
#include <ev.h>

#define CONTROL_SOCKET "control.sock"
#define CONTROL_CLIENTS_MAX 8
#define CONTROL_LINE_MAX 4096 /* of a request, newline included */
#define CONTROL_IDLE_S 30.

struct control;

/* Appends the answer to one request line (without newline). */
typedef void (*control_answer_fn)(struct span line, struct buffer *ret, void *arg);

/* Binds `<state_dir>/control.sock`. A socket that a former run left there is replaced, in one step;
 * the caller holds the state directory's lock, so nobody listens on it. -EEXIST: something else
 * than a socket stands there; other -errno; one line in ret_error. */
int control_open(struct ev_loop *loop, const char *state_dir, control_answer_fn answer, void *arg,
		 struct control **ret, char *ret_error, size_t error_len);
/* Removes the file and drops the clients. Not from inside `answer`. NULL is fine. */
void control_close(struct control *control);

struct control_counts {
	unsigned clients;
	uint64_t requests;
	uint64_t refused_busy; /* CONTROL_CLIENTS_MAX were there */
	uint64_t refused_peer; /* not root, not our user */
	uint64_t refused_line; /* a line above CONTROL_LINE_MAX */
	uint64_t closed_idle;
};
void control_count(const struct control *control, struct control_counts *ret);

/* Pure: who is served. */
bool control_may(unsigned peer_uid, unsigned own_uid);

#endif
