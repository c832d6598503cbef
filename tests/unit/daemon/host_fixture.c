#include "host_fixture.h"
#include "log.h"

#include <criterion/criterion.h>

struct host_fixture host;

void host_fixture_open(int64_t confirmed_ms)
{
	log_set_level(LOG_LEVEL_ERROR);
	cr_assert_eq(publisher_init(&host.publisher, RING_SIZE_MIN, 4), 0);
	cr_assert_eq(ring_reader_init(&host.reader, (char *)host.publisher.header + SHM_PAGE,
				      host.publisher.ring_len - SHM_PAGE),
		     0);
	marks_init(&host.marks, &host.publisher);
	marks_set_run_id(&host.marks, "0123abcd");
	marks_confirm(&host.marks, confirmed_ms);
}

void host_fixture_close(void)
{
	buffer_fini(&host.bytes);
	publisher_fini(&host.publisher);
}

struct event_record host_next_record(void)
{
	struct event_record record = {0};
	uint16_t type = 0;
	host.bytes.len = 0;
	cr_assert_eq(ring_read(&host.reader, &host.bytes, &type), RING_RECORD);
	cr_assert_eq(event_record_parse(buffer_span(&host.bytes), &record), 0);
	cr_assert_eq(type, record.kind);
	return record;
}

void host_expect_nothing(void)
{
	uint16_t type;
	host.bytes.len = 0;
	cr_assert_eq(ring_read(&host.reader, &host.bytes, &type), RING_EMPTY);
}
