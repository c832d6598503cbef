/* json_scan.h — strings and numbers of the strict scanner; private to json*.c. Pure. */
#ifndef SYNCDOC_JSON_SCAN_H
#define SYNCDOC_JSON_SCAN_H

#include "json.h"

struct json_scan {
	const char *start;
	const char *end;
	int error; /* 0 until the first fault */
	struct json_fault fault;
};

/* Notes the fault at `at`; always NULL. */
const char *json_scan_fail(struct json_scan *scan, int error, const char *at, const char *reason);
/* Both read the token at `at`, which is its quote, digit or minus sign, and return the place behind
 * it; NULL: refused, the fault is noted. */
const char *json_scan_string(struct json_scan *scan, const char *at, bool is_name,
			     uint8_t *ret_escaped);
const char *json_scan_number(struct json_scan *scan, const char *at, uint8_t *ret_type);

#endif
