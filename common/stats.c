/* stats.c — names and help of all counters, from stats.def. */
#include "stats.h"

const struct stat_description stat_descriptions[STAT_COUNT] = {
#define STAT_COUNTER(name, help) [STAT_##name] = {#name, help, false},
#define STAT_GAUGE(name, help) [STAT_##name] = {#name, help, true},
#include "stats.def"
#undef STAT_COUNTER
#undef STAT_GAUGE
};

const char *const refusal_codes[REFUSAL_COUNT] = {
#define REFUSAL(code) [REFUSAL_##code] = #code,
#include "refusals.def"
#undef REFUSAL
};

static int compare_code(const void *code, const void *entry)
{
	return strcmp(code, *(const char *const *)entry);
}

enum refusal refusal_find(const char *code)
{
	const char *const *found =
		bsearch(code, refusal_codes, REFUSAL_COUNT, sizeof(refusal_codes[0]), compare_code);
	return found ? (enum refusal)(found - refusal_codes) : REFUSAL_other;
}

const struct stat_description histogram_descriptions[HISTOGRAM_COUNT] = {
#define HISTOGRAM(name, help) [HISTOGRAM_##name] = {#name, help, false},
#include "histograms.def"
#undef HISTOGRAM
};
