/* operations_private.h — what operations*.c share. Nobody else includes
 * this. */
#ifndef SYNCDOC_OPERATIONS_PRIVATE_H
#define SYNCDOC_OPERATIONS_PRIVATE_H

#include "document_cache.h"
#include "operations.h"
#include "write_queue.h"

struct operations {
	struct worker *worker;
	struct document_cache *cache;
	struct write_queues *writes;
	size_t pending_reads;
};

/* A read that waits for Redis. */
struct pending {
	struct operations *operations;
	operation_done_fn done;
	void *arg;
	bool deleted;
	struct tag_condition if_none_match;
};

struct pending *operations_pending_create(struct operations *operations, operation_done_fn done,
					  void *arg);
void operations_pending_finish(struct pending *pending, const struct outcome *outcome);

/* 0, or -EINVAL with a 400 refusal. */
int operations_check_service(struct span service, struct outcome *ret_refusal);
int operations_check_id(struct span id, struct outcome *ret_refusal);
/* operations_members.c. The same: `ttl` and `expiresAt` are within bounds. */
int operations_check_expiry(const struct write_request *request, struct outcome *ret_refusal);
/* If-None-Match of a read. */
bool operations_tag_matches(const struct tag_condition *condition, const struct document *document);

/* operations_history.c */
void operations_read_revision(struct operations *operations, const struct read_request *request,
			      operation_done_fn done, void *arg);
/* Rebuilds the data of request->revision, then writes it. All members have been checked. */
void operations_restore(struct operations *operations, const struct write_request *request,
			operation_done_fn done, void *arg);

#endif
