/* rights_internal.h — what rights.c and rights_compile.c share: how compiled rights lie in memory.
 * Nobody else includes this. */
#ifndef SYNCDOC_RIGHTS_INTERNAL_H
#define SYNCDOC_RIGHTS_INTERNAL_H

#include "rights.h"

struct rights_service {
	struct span name; /* len 0: `*` */
	uint32_t first, count;
	uint8_t letters; /* enum right */
	bool is_restricted;
};

struct rights {
	uint32_t references;
	uint64_t hash;
	size_t service_count, pattern_count;
	struct rights_service *services; /* owned; sorted by name */
	struct rights_pattern *patterns; /* owned; of each service behind each other, sorted */
	struct buffer names;             /* owned; what the spans point into */
	struct buffer canonical;         /* owned; equal where the rights are */
};

/* Bytewise; what begins with the other comes after it. */
int rights_compare_spans(struct span a, struct span b);
/* Two struct rights_service by name, for qsort() and bsearch(). */
int rights_compare_services(const void *a, const void *b);

#endif
