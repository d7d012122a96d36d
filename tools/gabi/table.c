/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "gabi.h"

#include <libsmartcols/libsmartcols.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define GAP      2  /* spaces between columns */
#define NARROWEST 16 /* a column is not wrapped to less */

struct row {
	char *cell[TABLE_COLUMNS]; /* what is no row of cells has its text in the first, and no others */
	enum color color;
	enum { CELLS, SECTION, PARAGRAPH } kind;
};

struct table {
	const struct column *columns;
	size_t count;
	struct row *rows;
	size_t row_count, row_cap;
	bool short_of_memory;
};

static const char *const color_names[] = {
	[COLOR_GOOD] = "green", [COLOR_CARE] = "yellow", [COLOR_BAD] = "red", [COLOR_DIM] = "darkgray", [COLOR_BOLD] = "bold",
};
static const char *const color_codes[] = {
	[COLOR_GOOD] = "\033[32m", [COLOR_CARE] = "\033[33m", [COLOR_BAD] = "\033[31m", [COLOR_DIM] = "\033[90m",
	[COLOR_BOLD] = "\033[1m",
};

static bool colors_wanted(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb");
}

/* Columns of the terminal, or what $COLUMNS says; 0 where nothing limits the width. */
static size_t width_of_output(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (size_t)atoi(columns);
	return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? size.ws_col : 0;
}

/* Terminal columns that the first len bytes of text take; a byte each where they are not of the locale's encoding. */
static size_t width_of(const char *text, size_t len)
{
	mbstate_t state = { 0 };
	size_t width = 0;

	while (len) {
		wchar_t wide;
		size_t step = mbrtowc(&wide, text, len, &state);
		int columns = step <= len && step ? wcwidth(wide) : -1;

		if (step > len || !step) {
			memset(&state, 0, sizeof(state));
			step = 1;
		}
		width += columns < 0 ? 4 * step : (size_t)columns; /* libsmartcols prints such a byte as \xNN */
		text += step;
		len -= step;
	}
	return width;
}

struct table *table_new(const struct column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table) {
		table->columns = columns;
		table->count = count;
	}
	return table;
}

/* A new row at the end; NULL if there is no memory for it. */
static struct row *new_row(struct table *table)
{
	size_t cap = table->row_cap ? 2 * table->row_cap : 32;
	struct row *rows;

	if (table->row_count == table->row_cap) {
		rows = realloc(table->rows, cap * sizeof(*rows));
		if (!rows) {
			table->short_of_memory = true;
			return NULL;
		}
		table->rows = rows;
		table->row_cap = cap;
	}
	table->rows[table->row_count] = (struct row){ 0 };
	return &table->rows[table->row_count++];
}

static void set_cell(struct table *table, struct row *row, size_t at, const char *text)
{
	row->cell[at] = strdup(text ? text : "");
	if (!row->cell[at])
		table->short_of_memory = true;
}

void table_row(struct table *table, enum color color, const char *const cells[])
{
	struct row *row = table ? new_row(table) : NULL;

	if (!row)
		return;
	row->color = color;
	for (size_t i = 0; i < table->count; i++)
		set_cell(table, row, i, cells[i]);
}

static void add_text(struct table *table, enum color color, int kind, const char *text)
{
	struct row *row = table ? new_row(table) : NULL;

	if (!row)
		return;
	row->color = color;
	row->kind = kind;
	set_cell(table, row, 0, text);
}

void table_section(struct table *table, enum color color, const char *text)
{
	add_text(table, color, SECTION, text);
}

void table_paragraph(struct table *table, const char *text)
{
	add_text(table, COLOR_NONE, PARAGRAPH, text);
}

/* Breaks text in place at spaces, so that no line is wider than width where a space allows it. */
static void wrap(char *text, size_t width)
{
	char *line = text, *last = NULL;

	for (char *at = text;; at++) {
		if (*at != ' ' && *at != '\0')
			continue;
		if (last && width_of(line, (size_t)(at - line)) > width) {
			*last = '\n';
			line = last + 1;
		}
		if (*at == '\0')
			return;
		last = at;
	}
}

static size_t widest(const struct table *table, size_t column)
{
	size_t width = strlen(table->columns[column].head);

	for (size_t i = 0; i < table->row_count; i++) {
		const char *cell = table->rows[i].cell[column];
		size_t own = table->rows[i].kind ? 0 : width_of(cell, strlen(cell));

		if (own > width)
			width = own;
	}
	return width;
}

/* Shares `room` between the columns that wrap: what needs less than its share leaves the rest to the others. */
static void share(const struct table *table, size_t room, size_t *width)
{
	size_t left = 0, open = 0;
	bool given[TABLE_COLUMNS] = { false }, again;

	for (size_t i = 0; i < table->count; i++)
		open += table->columns[i].wraps;
	left = room;
	do {
		again = false;
		for (size_t i = 0; i < table->count; i++) {
			if (!table->columns[i].wraps || given[i] || width[i] > left / open)
				continue;
			left -= width[i];
			given[i] = again = true;
			if (!--open)
				return;
		}
	} while (again);
	for (size_t i = 0; i < table->count; i++)
		if (table->columns[i].wraps && !given[i])
			width[i] = left / open > NARROWEST ? left / open : NARROWEST;
}

static void wrap_row(const struct table *table, struct row *row, const size_t *width, size_t limit)
{
	if (row->kind == PARAGRAPH)
		wrap(row->cell[0], limit);
	for (size_t k = 0; row->kind == CELLS && k < table->count; k++)
		if (table->columns[k].wraps)
			wrap(row->cell[k], width[k]);
}

static void fit_to_width(const struct table *table)
{
	size_t limit = width_of_output(), fixed = 0, width[TABLE_COLUMNS];

	if (!limit)
		return;
	for (size_t i = 0; i < table->count; i++) {
		width[i] = widest(table, i);
		fixed += (i ? GAP : 0) + (table->columns[i].wraps ? 0 : width[i]);
	}
	share(table, limit > fixed ? limit - fixed : 0, width);
	for (size_t i = 0; i < table->row_count; i++)
		wrap_row(table, &table->rows[i], width, limit);
}

static bool add_columns(struct libscols_table *out, const struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct column *column = &table->columns[i];
		int flags = (column->wraps ? SCOLS_FL_WRAP : 0) | (column->right ? SCOLS_FL_RIGHT : 0);
		struct libscols_column *added = scols_table_new_column(out, column->head, 0, flags);

		if (!added)
			return false;
		if (!column->wraps)
			continue;
		if (scols_column_set_safechars(added, "\n") ||
		    scols_column_set_wrapfunc(added, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL))
			return false;
	}
	return true;
}

static bool add_row(struct libscols_table *out, const struct table *table, const struct row *row)
{
	struct libscols_line *line = scols_table_new_line(out, NULL);

	if (!line)
		return false;
	for (size_t k = 0; k < table->count; k++)
		if (scols_line_set_data(line, k, row->cell[k]))
			return false;
	return !row->color || !scols_cell_set_color(scols_line_get_cell(line, 0), color_names[row->color]);
}

/* The heads are a row like the others, so that sections can stand between the rows. */
static bool add_heads(struct libscols_table *out, const struct table *table)
{
	struct libscols_line *line = scols_table_new_line(out, NULL);

	if (!line)
		return false;
	for (size_t k = 0; k < table->count; k++)
		if (scols_line_set_data(line, k, table->columns[k].head))
			return false;
	return !scols_line_set_color(line, color_names[COLOR_BOLD]);
}

/* ---- printing: into memory first, so that the spaces at the ends of lines can be left out ---- */

static void write_headline(FILE *to, enum color color, const char *text)
{
	bool colored = color && colors_wanted();

	if (colored)
		fputs(color_codes[color], to);
	write_safe(to, text);
	if (colored)
		fputs("\033[0m", to);
	fputc('\n', to);
}

void print_headline(enum color color, const char *text)
{
	write_headline(stdout, color, text);
}

/* Writes the lines first to last of out. The library ends every line but the table's last. */
static bool write_range(struct libscols_table *out, FILE *to, size_t first, size_t last)
{
	if (scols_table_print_range(out, scols_table_get_line(out, first), scols_table_get_line(out, last)))
		return false;
	if (last + 1 == scols_table_get_nlines(out))
		fputc('\n', to);
	return true;
}

static void write_text(FILE *to, const struct row *row)
{
	if (row->kind == SECTION)
		fputc('\n', to);
	for (char *line = row->cell[0], *end; line; line = end) { /* a paragraph was broken into lines */
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		write_headline(to, row->color, line);
	}
}

/* Writes the heads, then runs of rows with the texts between them. */
static bool write_lines(struct libscols_table *out, FILE *to, const struct table *table)
{
	size_t first = 0, last = 0; /* lines of out that are still to be written; line 0 is the heads */

	for (size_t i = 0; i < table->row_count; i++) {
		if (table->rows[i].kind == CELLS) {
			last++;
			continue;
		}
		if (first <= last && !write_range(out, to, first, last))
			return false;
		write_text(to, &table->rows[i]);
		first = last + 1;
	}
	return first > last || write_range(out, to, first, last);
}

static bool write_with_libsmartcols(FILE *to, const struct table *table)
{
	struct libscols_table *out = scols_new_table();
	bool done = out && !scols_table_set_column_separator(out, "  ") && add_columns(out, table) && add_heads(out, table);

	for (size_t i = 0; done && i < table->row_count; i++)
		done = table->rows[i].kind || add_row(out, table, &table->rows[i]);
	if (done) {
		scols_table_set_stream(out, to);
		scols_table_enable_noheadings(out, 1);
		scols_table_enable_colors(out, colors_wanted());
		scols_table_set_termforce(out, SCOLS_TERMFORCE_NEVER); /* the width is kept by what was wrapped */
		done = write_lines(out, to, table);
	}
	scols_unref_table(out);
	return done;
}

static void print_trimmed(const char *text)
{
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *last = end;

		while (last > line && last[-1] == ' ')
			last--;
		fwrite(line, 1, (size_t)(last - line), stdout);
		putchar('\n');
	}
}

static bool print(const struct table *table)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	bool done = to && write_with_libsmartcols(to, table);

	if (to)
		done = !fclose(to) && done;
	if (done)
		print_trimmed(text);
	free(text);
	return done;
}

static void table_free(struct table *table)
{
	for (size_t i = 0; i < table->row_count; i++)
		for (size_t k = 0; k < table->count; k++)
			free(table->rows[i].cell[k]);
	free(table->rows);
	free(table);
}

void table_print(struct table *table)
{
	bool done = table && !table->short_of_memory;

	if (done && table->row_count) {
		fit_to_width(table);
		done = print(table);
	}
	if (!done)
		complain("out of memory: the table is not shown");
	if (table)
		table_free(table);
}
