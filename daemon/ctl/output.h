/* output.h — how things look: JSON laid out for people, tables, times, sizes, colours. Pure but for
 * output_open(), output_write() and what writes to stderr, which know the terminal. */
#ifndef SYNCDOC_CTL_OUTPUT_H
#define SYNCDOC_CTL_OUTPUT_H

#include "json.h"

struct output {
	bool json;      /* --json */
	bool terminal;  /* stdout is one */
	bool colour;    /* a terminal that has them, and no NO_COLOR */
	unsigned width; /* columns; 0: as many as it takes */
};

enum colour {
	COLOUR_NONE,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_BLUE,
	COLOUR_DIM,
	COLOUR_BOLD
};

void output_open(struct output *output, bool json);
/* All of it to stdout. -errno. */
int output_write(struct span text);
/* What goes to stderr from here on is JSON, one object a line. */
void output_use_json(void);
/* `syncdocctl: …` and a newline on stderr, or {"detail":…}. */
void output_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What is no fault: the text alone, or {"note":…}. */
void output_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Nothing if colours are off; COLOUR_NONE ends one. */
void output_colour(const struct output *output, struct buffer *ret, enum colour colour);

/* Text for a terminal: control characters (C0, DEL, C1) and those that turn the direction of
 * writing around become \uXXXX; bytes that are no UTF-8 `?`. */
void output_append_safe(struct buffer *ret, struct span text);
/* A JSON value with two spaces for each level, its strings safe for a terminal; no newline at the
 * end. */
void output_append_pretty(struct buffer *ret, const struct json *json, uint32_t token,
			  unsigned level);
/* On one line; ends with … where it would have more than `max` characters (0: any number). */
void output_append_short(struct buffer *ret, struct span json_text, size_t max);

/* 1500 → "1.5 k", 12 → "12". */
void output_append_count(struct buffer *ret, double count);
/* 1536 → "1.5 KiB". */
void output_append_bytes(struct buffer *ret, uint64_t bytes);
/* 93784000 ms → "1 d 2 h", 61000 → "1 min 1 s". */
void output_append_duration(struct buffer *ret, int64_t ms);
/* Unix ms → "2026-11-23 06:03:14", local time. */
void output_append_time(struct buffer *ret, int64_t unix_ms);

/* Rows of cells, each column as wide as its widest cell. */
#define TABLE_COLUMNS_MAX 16
struct table {
	unsigned columns;
	uint32_t right;      /* bit i: column i stands to the right */
	struct buffer cells; /* owned: each ended by NUL */
	size_t count;
};
void table_cell(struct table *table, const char *text);
void table_printf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_cell_span(struct table *table, struct span text); /* made safe */
/* Appends the lines; the first row is the head. Empties the table. */
void table_print(struct table *table, const struct output *output, struct buffer *ret);
void table_fini(struct table *table);

#endif
