/* stats.c — names and help of all counters, from stats.def. */
#include "stats.h"

const struct stat_description stat_descriptions[STAT_COUNT] = {
#define STAT_COUNTER(name, help) [STAT_##name] = {#name, help, false},
#define STAT_GAUGE(name, help) [STAT_##name] = {#name, help, true},
#include "stats.def"
#undef STAT_COUNTER
#undef STAT_GAUGE
};

const struct stat_description histogram_descriptions[HISTOGRAM_COUNT] = {
#define HISTOGRAM(name, help) [HISTOGRAM_##name] = {#name, help, false},
#include "histograms.def"
#undef HISTOGRAM
};
