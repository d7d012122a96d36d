/* SPDX-License-Identifier: MIT */
/* Rows that are printed as tables for people, or as one JSON object of lists. The heads of columns are the members' names there. */
#ifndef GABI_TOOL_ROWS_H
#define GABI_TOOL_ROWS_H

#include "table.h"

#include "base/json.h"

struct rows {
	bool json;
	struct gabi_json writer;
	const struct column *columns;
	size_t count;
	struct table *table;
	const char *title; /* of the open table, until its first row */
	bool empty;        /* the open table has no row yet */
	bool any; /* something was printed before: a table is set off by an empty line */
};

void rows_begin(struct rows *rows, bool json);
/* A member of its own; a headline in tables. */
void rows_text(struct rows *rows, const char *key, const char *head, const char *text);
/* A table, which every row until rows_close belongs to; `title` is printed above the
 * first. */
void rows_open(struct rows *rows, const char *key, const char *title, const struct column *columns, size_t count);
void rows_add(struct rows *rows, enum color color, const char *const cells[]);
void rows_close(struct rows *rows);
void rows_end(struct rows *rows);

#endif
