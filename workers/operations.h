/* operations.h — documents as users see them: one layer for REST and WebSocket. Reads go to Redis;
 * a write goes fetch → clone → apply → diff → persist (write_queue.c), refusals are judged in the
 * order of DESIGN.md section 6. */
#ifndef SYNCDOC_OPERATIONS_H
#define SYNCDOC_OPERATIONS_H

#include "context.h"
#include "history.h"
#include "outcome.h"
#include "store.h"

struct operations;

struct operations *operations_create(struct worker *worker);
/* All pending callbacks are called with 503. NULL is fine. */
void operations_destroy(struct operations *operations);
/* Operations whose callback has not been called yet. */
size_t operations_pending(const struct operations *operations);

/* Called exactly once per operation, possibly before the starting call returns. */
typedef void (*operation_done_fn)(const struct outcome *outcome, void *arg);

enum write_kind {
	WRITE_CREATE,
	WRITE_REPLACE,
	WRITE_MERGE,
	WRITE_PATCH,
	WRITE_DELETE,
	WRITE_RESTORE
};

enum expiry_kind {
	EXPIRY_UNCHANGED,
	EXPIRY_REMOVED, /* null */
	EXPIRY_TTL,     /* value: seconds from the write's updatedAt */
	EXPIRY_AT,      /* value: Unix ms */
};

#define CONDITION_TAGS_MAX STORE_TAGS_MAX

/* If-Match or If-None-Match. */
struct tag_condition {
	bool present;
	bool any;       /* `*` */
	unsigned count; /* tags that have our form; others can match nothing and are left out */
	struct entity_tag tags[CONDITION_TAGS_MAX];
};

/* What a client asks to be written. Filled by the caller, copied by operations_write(). */
struct write_request {
	enum write_kind kind;
	struct span service, id; /* id empty with WRITE_CREATE: one is made, with an idempotency_key
				    the same each time */
	struct span data; /* CREATE, REPLACE: object; MERGE: merge patch, an object; PATCH: array of
			     operations. Strict JSON, already checked; CREATE with len 0: {} */
	bool has_expected_revision;
	int64_t expected_revision; /* >= 0 */
	struct tag_condition if_match, if_none_match;
	enum expiry_kind expiry;
	int64_t expiry_value;
	struct span by;              /* user, or empty */
	struct span connection_id;   /* WebSocket writer, or empty */
	struct span idempotency_key; /* or empty */
	/* RESTORE: the revision whose data becomes the newest. What became of it, and its data, are
	 * filled in by operations_write(). */
	uint64_t revision;
	struct history_finding found;
	int64_t found_created_at_ms; /* of the document it was found in */
};

/* 0, or -EINVAL with a 400 refusal: invalid_service, invalid_id (of len 0: none is asked for).
 * Operations check their names themselves; a caller does it before it judges anything else of what
 * was asked. */
int operations_check_names(struct span service, struct span id, struct outcome *ret_refusal);
/* The same of a presence member that REST names: invalid_member. */
int operations_check_member(struct span member, struct outcome *ret_refusal);

void operations_write(struct operations *operations, const struct write_request *request,
		      operation_done_fn done, void *arg);

struct read_request {
	struct span service, id;
	bool deleted;                       /* show tombstones */
	uint64_t revision;                  /* 0: the newest; else that one, also of a tombstone */
	struct tag_condition if_none_match; /* holds → 304 with the head only */
	bool head_only; /* HEAD: whatever the answer, nobody reads the document */
};
void operations_read(struct operations *operations, const struct read_request *request,
		     operation_done_fn done, void *arg);
struct history_query {
	struct span service, id;
	struct span page_token; /* of a former page, or empty */
	unsigned page_size;     /* 1…1000 */
};
/* Items: the revisions that are kept, newest first, also of a tombstone; a page ends early at
 * 1 MiB. */
void operations_history(struct operations *operations, const struct history_query *query,
			operation_done_fn done, void *arg);
/* `ids` is a JSON array of strings in `doc` (1…100, else 422); items: envelopes of the living ones,
 * in that order; unknown ones are left out, and those that `filter` (or NULL) does not allow. */
void operations_read_many(struct operations *operations, struct span service,
			  const struct json *doc, uint32_t ids, const struct rights *filter,
			  operation_done_fn done, void *arg);
void operations_list(struct operations *operations, const struct store_list_query *query,
		     operation_done_fn done, void *arg);
/* `filter`, or NULL: see store_services(). */
void operations_services(struct operations *operations, const struct rights *filter,
			 operation_done_fn done, void *arg);

/* Ids that are made here begin so. */
#define GENERATED_ID_PREFIX "doc_"

/* Reads `data`, `expectedRevision`, `ttl`, `expiresAt` of a body or message (object `object` of
 * `doc`) into *ret, the data as the client's bytes; members listed in `others` (NULL-terminated)
 * belong to the caller, anything else is 422 unknown_member. `data_needed`: absent is 422
 * data_missing. Returns 0, or -EINVAL with *ret_fault set. */
int operations_parse_members(const struct json *doc, uint32_t object, const char *const *others,
			     bool data_needed, struct write_request *ret,
			     struct outcome *ret_fault);
/* The same for a restore: `revision` must be there and `data` must not. `others` lists it too. */
int operations_parse_restore(const struct json *doc, uint32_t object, const char *const *others,
			     struct write_request *ret, struct outcome *ret_fault);
/* `size_max` and kind of data: 413 document_too_large, 422 data_not_object / patch_invalid. 0 or
 * -EINVAL. */
int operations_check_data(struct operations *operations, const struct write_request *request,
			  struct outcome *ret_fault);

#endif
