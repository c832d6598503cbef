/* fake_store_private.h — shared by fake_store.c (documents, replies, scripting) and
 * fake_store_commands.c (what workers call). */
#ifndef SYNCDOC_TESTS_FAKE_STORE_PRIVATE_H
#define SYNCDOC_TESTS_FAKE_STORE_PRIVATE_H

#include "fake_store.h"

#include <bsd/sys/queue.h>
#include <criterion/criterion.h>

#define FATES_MAX 4096

enum fake_kind { FAKE_READ, FAKE_WRITE, FAKE_FIND, FAKE_HISTORY };

/* The answer of a command that has been executed. */
struct fake_reply {
	STAILQ_ENTRY(fake_reply) link;
	enum fake_kind kind;
	int error;
	struct buffer envelope;
	struct store_write_result written;
	struct store_found found;
	struct store_history history;
	struct store_history_entry *entries; /* owned */
	char *texts;                         /* owned; of the entries */
	store_history_fn history_fn;
	store_read_fn read_fn;
	store_write_fn write_fn;
	store_find_fn find_fn;
	void *arg;
};

struct store {
	struct ev_loop *loop;
	size_t history_max;
	enum fake_delivery delivery;
	STAILQ_HEAD(, fake_reply) replies;
	ev_timer turn;
	struct fake_document *documents;
	enum fake_fate fates[FATES_MAX];
	size_t fate_next, fate_count;
	int read_error;
	unsigned read_errors, hidden;
	bool lies_about_key;
	size_t lie;
	uint64_t sequence;
	struct fake_counts counts;
};

/* Made where there is none. */
struct fake_document *fake_document_of(struct store *store, struct span service, struct span id);
/* Of its envelope; all 0: it has none. */
struct document fake_document_head(const struct fake_document *document);
void fake_document_set(struct fake_document *document, const struct document *head);
void fake_document_add(struct store *store, struct fake_document *document, uint64_t revision,
		       const struct store_revision *from);
/* Takes over what the reply owns. */
void fake_store_answer(struct store *store, struct fake_reply reply);

#endif
