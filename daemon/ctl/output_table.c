/* output_table.c — tables; see output.h. */
#include "output.h"

#include <stdarg.h>

void table_cell(struct table *table, const char *text)
{
	buffer_append(&table->cells, text, strlen(text) + 1);
	table->count++;
}

void table_printf(struct table *table, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(table, text);
}

void table_cell_span(struct table *table, struct span text)
{
	output_append_safe(&table->cells, text);
	buffer_append_char(&table->cells, '\0');
	table->count++;
}

/* Characters, not bytes. Wide ones count as one: names are ASCII, and data stands last. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
	const char *at = table->cells.at;
	for (size_t i = 0; i < table->count; i++, at += strlen(at) + 1) {
		size_t width = width_of(at), *column = &widths[i % table->columns];
		if (width > *column)
			*column = width;
	}
}

static void append_spaces(struct buffer *ret, size_t count)
{
	for (; count; count--)
		buffer_append_char(ret, ' ');
}

static void append_cell(const struct table *table, size_t index, const char *text, size_t width,
			struct buffer *ret)
{
	unsigned column = (unsigned)(index % table->columns);
	bool last = column + 1 == table->columns;
	size_t blank = width - width_of(text);
	if (table->right >> column & 1)
		append_spaces(ret, blank);
	buffer_append_string(ret, text);
	if (!last && !(table->right >> column & 1))
		append_spaces(ret, blank);
	if (!last)
		append_spaces(ret, 2);
}

static void trim_line(struct buffer *ret)
{
	while (ret->len && ret->at[ret->len - 1] == ' ')
		ret->len--;
}

void table_print(struct table *table, const struct output *output, struct buffer *ret)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};
	MUST(table->columns && table->columns <= TABLE_COLUMNS_MAX &&
	     table->count % table->columns == 0);
	measure(table, widths);
	const char *at = table->cells.at;
	for (size_t i = 0; i < table->count; i++, at += strlen(at) + 1) {
		if (i == 0)
			output_colour(output, ret, COLOUR_BOLD);
		append_cell(table, i, at, widths[i % table->columns], ret);
		if ((i + 1) % table->columns)
			continue;
		trim_line(ret);
		if (i + 1 == table->columns)
			output_colour(output, ret, COLOUR_NONE);
		buffer_append_char(ret, '\n');
	}
	table->cells.len = 0;
	table->count = 0;
}

void table_fini(struct table *table)
{
	buffer_fini(&table->cells);
}
