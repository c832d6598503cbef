/* backoff.c — see backoff.h. */
#include "backoff.h"

#include <inttypes.h>

int64_t backoff_delay_ms(struct backoff *backoff, int64_t lived_ms)
{
	if (lived_ms >= BACKOFF_HEALTHY_MS)
		backoff->next_ms = 0;
	int64_t delay_ms = backoff->next_ms;
	backoff->next_ms = delay_ms == 0 ? BACKOFF_FIRST_MS : delay_ms * 2;
	if (backoff->next_ms > BACKOFF_MAX_MS)
		backoff->next_ms = BACKOFF_MAX_MS;
	return delay_ms;
}

void backoff_describe(int64_t delay_ms, char *ret, size_t len)
{
	if (delay_ms == 0)
		snprintf(ret, len, "starting again at once");
	else
		snprintf(ret, len, "starting again in %" PRId64 " ms", delay_ms);
}
