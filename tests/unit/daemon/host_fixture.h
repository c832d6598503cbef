/* host_fixture.h — the writer's side of a host without Redis and workers: publisher and marks, with
 * the subscription confirmed, and a reader of the ring. One per process: Criterion forks for each
 * test. */
#ifndef SYNCDOC_TESTS_HOST_FIXTURE_H
#define SYNCDOC_TESTS_HOST_FIXTURE_H

#include "marks.h"
#include "publisher.h"

struct host_fixture {
	struct publisher publisher; /* of a ring of RING_SIZE_MIN */
	struct marks marks;         /* of run 0123abcd */
	struct ring_reader reader;
	struct buffer bytes; /* of the last record */
};

extern struct host_fixture host;

void host_fixture_open(int64_t confirmed_ms); /* monotonic */
void host_fixture_close(void);
/* The next record of the ring, which there must be; it points into host.bytes. */
struct event_record host_next_record(void);
void host_expect_nothing(void);

#endif
