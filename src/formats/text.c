/* SPDX-License-Identifier: MIT */
#include "formats/text.h"

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

/* ---- UTF-8 ---- */

/* Unicode, table 3-7: the first byte, the range of the second, and how many follow. */
static const struct {
	uint8_t first, last, low, high, more;
} sequences[] = {
	{ 0x01, 0x7f, 0x00, 0x00, 0 }, { 0xc2, 0xdf, 0x80, 0xbf, 1 }, { 0xe0, 0xe0, 0xa0, 0xbf, 2 },
	{ 0xe1, 0xec, 0x80, 0xbf, 2 }, { 0xed, 0xed, 0x80, 0x9f, 2 }, { 0xee, 0xef, 0x80, 0xbf, 2 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 3 }, { 0xf1, 0xf3, 0x80, 0xbf, 3 }, { 0xf4, 0xf4, 0x80, 0x8f, 3 },
};

/* Bytes of the character that begins here; 0 if none does. */
static size_t character(const uint8_t *at)
{
	for (size_t i = 0; i < GABI_COUNT_OF(sequences); i++) {
		if (*at < sequences[i].first || *at > sequences[i].last)
			continue;
		for (unsigned more = 1; more <= sequences[i].more; more++)
			if (at[more] < (more == 1 ? sequences[i].low : 0x80) || at[more] > (more == 1 ? sequences[i].high : 0xbf))
				return 0;
		return 1u + sequences[i].more;
	}
	return 0;
}

bool gabi_text_valid(const char *text)
{
	for (const uint8_t *at = (const uint8_t *)text; *at;) {
		size_t len = character(at);

		if (!len)
			return false;
		at += len;
	}
	return true;
}
