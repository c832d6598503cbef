/* exit_code.h — what syncdocctl's exit status says. Documented in syncdocctl(1): change both. */
#ifndef SYNCDOC_CTL_EXIT_CODE_H
#define SYNCDOC_CTL_EXIT_CODE_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* refused, or failed in another way than below */
	EXIT_USAGE = 2,       /* the command line, or a file or JSON it names */
	EXIT_NOT_FOUND = 3,   /* 404, 410: no such document, or it is deleted */
	EXIT_CONFLICT = 4,    /* 409, 412: the document is not as expected */
	EXIT_UNREACHABLE = 5, /* no connection, no answer in time, TLS */
	EXIT_FORBIDDEN = 6,   /* 401, 403; the control socket is another user's */
	EXIT_UNAVAILABLE = 7, /* 429, 503 but outcome_unknown: surely not done, try again */
};

#endif
