/* SPDX-License-Identifier: MIT */
#include "formats/text.h"

#include "formats/syntax.h"

#include <string.h>

/* ---- layout ---- */

static int put(struct gabi_text *text, char c)
{
	void *at = text->at;
	int err = gabi_mem_room(&text->mem, &at, &text->cap, text->len, 1);

	if (err)
		return err;
	text->at = at;
	text->at[text->len++] = c;
	return 0;
}

static int new_line(struct gabi_text *text)
{
	int err = put(text, '\n');

	for (unsigned i = 0; !err && i < text->depth; i++)
		err = put(text, ' ');
	return err;
}

/* Opens, closes or goes on with an object or a list: c is outside of texts. */
static int lay_out(struct gabi_text *text, char c)
{
	bool opens = c == '{' || c == '[', closes = c == '}' || c == ']', is_empty = text->opened && closes;
	int err = 0;

	if ((text->opened || closes) && !is_empty && text->depth < text->flat) {
		text->depth -= closes;
		err = new_line(text);
		text->depth += closes;
	}
	if (!err)
		err = put(text, c);
	text->opened = opens;
	text->in_text = c == '"';
	text->depth += opens;
	text->depth -= closes;
	if (err || text->depth >= text->flat)
		return err;
	if (c == ',')
		return new_line(text);
	return c == ':' ? put(text, ' ') : 0;
}

int gabi_text_sink(void *ctx, const char *piece, size_t len)
{
	struct gabi_text *text = ctx;
	int err = 0;

	for (size_t i = 0; !err && i < len; i++) {
		if (!text->in_text) {
			err = lay_out(text, piece[i]);
			continue;
		}
		err = put(text, piece[i]);
		text->in_text = text->escaped || piece[i] != '"';
		text->escaped = !text->escaped && piece[i] == '\\';
	}
	return err;
}

int gabi_text_finish(struct gabi_text *text, int err, char **ret_text, size_t *ret_len)
{
	if (!err)
		err = put(text, '\n');
	if (!err)
		err = put(text, '\0');
	if (err) {
		gabi_mem_put(&text->mem, text->at);
		return err;
	}
	*ret_text = text->at;
	*ret_len = text->len - 1;
	return 0;
}

void gabi_text_free(char *text, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);

	gabi_mem_put(&own, text);
}

bool gabi_text_valid(const char *text)
{
	const char *end = text + strlen(text);

	while (text < end) {
		size_t len = gabi_utf8_len(text, end);

		if (!len)
			return false;
		text += len;
	}
	return true;
}
