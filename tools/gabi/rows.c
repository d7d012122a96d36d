/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "gabi.h"

#include <ctype.h>
#include <stdio.h>

static int to_stdout(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	return fwrite(text, 1, len, stdout) == len ? 0 : -1;
}

void rows_begin(struct rows *rows, bool json)
{
	*rows = (struct rows){ .json = json, .writer = { .sink = to_stdout } };
	if (json)
		gabi_json_open(&rows->writer, NULL, '{');
}

void rows_text(struct rows *rows, const char *key, const char *head, const char *text)
{
	if (rows->json) {
		gabi_json_text(&rows->writer, key, text);
		return;
	}
	printf("%s: ", head);
	print_safe(text);
	putchar('\n');
	rows->any = true;
}

void rows_open(struct rows *rows, const char *key, const char *title, const struct column *columns, size_t count)
{
	rows->columns = columns;
	rows->count = count;
	if (rows->json) {
		gabi_json_open(&rows->writer, key, '[');
		return;
	}
	rows->table = table_new(columns, count);
	rows->title = title;
	rows->empty = true;
}

/* "USED IF" is used_if. */
static const char *key_of(const char *head, char *key, size_t cap)
{
	size_t i = 0;

	for (; head[i] && i + 1 < cap; i++)
		key[i] = head[i] == ' ' ? '_' : (char)tolower((unsigned char)head[i]);
	key[i] = '\0';
	return key;
}

/* What stands above a table that has rows. */
static void head(struct rows *rows)
{
	if (rows->any)
		putchar('\n');
	if (rows->title)
		print_headline(COLOR_BOLD, rows->title);
	rows->any = true;
	rows->empty = false;
}

void rows_add(struct rows *rows, enum color color, const char *const cells[])
{
	if (!rows->json) {
		if (rows->empty)
			head(rows);
		table_row(rows->table, color, cells);
		return;
	}
	gabi_json_open(&rows->writer, NULL, '{');
	for (size_t i = 0; i < rows->count; i++) {
		char key[32];

		if (cells[i] && *cells[i])
			gabi_json_text(&rows->writer, key_of(rows->columns[i].head, key, sizeof(key)), cells[i]);
	}
	gabi_json_close(&rows->writer, '}');
}

void rows_close(struct rows *rows)
{
	if (rows->json)
		gabi_json_close(&rows->writer, ']');
	else
		table_print(rows->table);
	rows->table = NULL;
}

void rows_end(struct rows *rows)
{
	if (rows->json) {
		gabi_json_close(&rows->writer, '}');
		putchar('\n');
	}
}
