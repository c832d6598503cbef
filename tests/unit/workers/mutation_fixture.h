/* mutation_fixture.h — what writes are made on: a document in each of its states. */
#ifndef SYNCDOC_TESTS_MUTATION_FIXTURE_H
#define SYNCDOC_TESTS_MUTATION_FIXTURE_H

#include "mutation.h"

#define REVISION 7
#define UPDATED_MS INT64_C(1760000000000)
#define CREATED_MS INT64_C(1750000000000)
#define EXPIRES_MS (UPDATED_MS + 5000)
#define NOW_MS (UPDATED_MS + 1000)

enum state { UNKNOWN, LIVING, DELETED, EXPIRED, STATES };

static inline struct revision base_of(enum state state, const char *data)
{
	if (state == UNKNOWN)
		return (struct revision){0};
	return (struct revision){
		.number = REVISION,
		.updated_at_ms = UPDATED_MS,
		.created_at_ms = CREATED_MS,
		.expires_at_ms = state == EXPIRED ? UPDATED_MS - 1 : 0,
		.deleted = state != LIVING,
		.data = text_create(span_string(data)),
	};
}

#endif
