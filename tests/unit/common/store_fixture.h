/* store_fixture.h — a store on a server of the test's own, and what its callbacks said. */
#ifndef SYNCDOC_STORE_FIXTURE_H
#define SYNCDOC_STORE_FIXTURE_H

#include "redis_fixture.h"
#include "store.h"

#include <criterion/criterion.h>

#define SERVICE SPAN("session")
/* Of the document "a". */
#define HISTORY "syncdoc:history:{syncdoc:data:session:a}"
#define DATA "syncdoc:data:session:a"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* The same test on both encodings. */
#define STORE_TEST(suite, name)                                                                    \
	static void name(struct store_fixture *f, enum config_encoding encoding);                  \
	Test(suite, name)                                                                          \
	{                                                                                          \
		struct store_fixture fixture;                                                      \
		store_fixture_open(&fixture, CONFIG_ENCODING_STRING);                              \
		name(&fixture, CONFIG_ENCODING_STRING);                                            \
		store_fixture_close(&fixture);                                                     \
	}                                                                                          \
	Test(suite, name##_json)                                                                   \
	{                                                                                          \
		struct store_fixture fixture;                                                      \
		store_fixture_open(&fixture, CONFIG_ENCODING_JSON);                                \
		name(&fixture, CONFIG_ENCODING_JSON);                                              \
		store_fixture_close(&fixture);                                                     \
	}                                                                                          \
	static void name(struct store_fixture *f,                                                  \
			 enum config_encoding encoding __attribute__((unused)))

/* The reply as text, valid until the next; `f` is the test's fixture. */
#define ASK(...) fixture_ask(&f->redis, __VA_ARGS__)

struct store_fixture {
	struct redis_fixture redis;
	struct config config; /* may be changed before store_fixture_open_again() */
	struct store *store;
	int64_t now_ms; /* real time at the start, so that keys live */

	/* The last answer; texts are copies, NUL-terminated. */
	int calls;
	int error;
	enum store_write_answer answer;
	uint64_t first_sequence, key_revision;
	size_t key_index;
	struct buffer envelope; /* also items of lists; "" when there is none */
	struct buffer token;
	struct store_found found;
	char many[8][512];
	size_t many_count;
};

/* The document as the writer believes it is. */
struct writer {
	struct span id;
	struct document document; /* service, id, data borrowed */
	struct span key;          /* Idempotency-Key of the next revisions */
	struct span reversible;   /* diff of the next revisions; empty: {} */
};

/* JSON ends the test as skipped, aloud, where the server cannot. */
void store_fixture_open(struct store_fixture *fixture, enum config_encoding encoding);
void store_fixture_open_again(struct store_fixture *fixture);
void store_fixture_close(struct store_fixture *fixture);
const char *store_fixture_text(const struct buffer *buffer);

/* Writes `count` revisions on top of what the writer believes; the last has `data`. Follows when it
 * is written. */
enum store_write_answer store_fixture_write(struct store_fixture *fixture, struct writer *writer,
					    const char *op, const char *data, size_t count);
/* The same without waiting for the answer. */
void store_fixture_write_begin(struct store_fixture *fixture, struct writer *writer, const char *op,
			       const char *data, size_t count);
/* A write of `stale` is refused, and that envelope comes back. */
void store_fixture_assert_mismatch(struct store_fixture *fixture, struct writer stale,
				   const char *envelope);
/* What PTTL in `command` says lasts until then, give or take a slow machine. */
void store_fixture_assert_ttl(struct store_fixture *fixture, const char *command, int64_t until_ms);
/* Was there such a request for the document "a"? What is known of it is in fixture->found. */
bool store_fixture_find(struct store_fixture *fixture, const char *request);
/* The envelope's text, or "". */
const char *store_fixture_read(struct store_fixture *fixture, const char *id);
/* One page; items as text. The token is kept in fixture->token and used by the next call when
 * `goes_on`. */
const char *store_fixture_list(struct store_fixture *fixture, struct store_list_query query,
			       bool goes_on);
/* `id` of all items of that page, joined by spaces. */
const char *store_fixture_ids(const struct store_fixture *fixture);

void store_fixture_on_write(int error, const struct store_write_result *result, void *arg);
void store_fixture_on_read(int error, struct span envelope, void *arg);

#endif
