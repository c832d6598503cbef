#include "base.h"

must_tell_fn must_tell;

void must_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, line, condition);
	if (must_tell)
		must_tell(file, line, condition);
	abort();
}
