/* SPDX-License-Identifier: MIT */
/* Tables for people: aligned, wrapped between words at the terminal's width, coloured on a terminal alone. */
#ifndef GABI_TOOL_TABLE_H
#define GABI_TOOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 12 /* no table has more */

enum color { COLOR_NONE, COLOR_GOOD, COLOR_CARE, COLOR_BAD, COLOR_DIM, COLOR_BOLD };

struct column {
	const char *head;
	bool wraps; /* may be broken between words; the others keep their width */
	bool right; /* numbers */
};

struct table;

/* NULL only if memory is short; the other functions then do nothing, and table_print says so. */
struct table *table_new(const struct column *columns, size_t count);
/* A row of as many cells as there are columns, copied; NULL is empty. The colour is that of the first cell. */
void table_row(struct table *table, enum color color, const char *const cells[]);
/* A line of its own between rows, which says what the following rows have in common. */
void table_section(struct table *table, enum color color, const char *text);
/* Text under a section, as wide as the output. */
void table_paragraph(struct table *table, const char *text);
/* Prints the table, if it has rows, and frees it. */
void table_print(struct table *table);

/* A line of its own, above or between tables. */
void print_headline(enum color color, const char *text);

#endif
