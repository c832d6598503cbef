#include "base.h"

must_tell_fn must_tell;

void must_fail(const char *file, int line, const char *condition)
{
	must_tell_fn tell = must_tell;

	/* Where memory has run out, telling fails the same way: once is enough. */
	must_tell = NULL;
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
	if (tell)
		tell(file, line, condition);
	abort();
}
