/* SPDX-License-Identifier: MIT */
#include "formats/syntax.h"

#include <string.h>

struct check {
	const char *at, *end;
	uint64_t objects; /* bit n: what is open at depth n + 1 is an object, else a list */
	unsigned depth;
};

_Static_assert(GABI_SYNTAX_MAX_DEPTH <= 64, "one bit of check.objects for each depth");

/* ---- characters ---- */

/* Unicode, table 3-7: the range of the first byte, that of the second, and how many follow. */
static const struct {
	uint8_t first, last, low, high, more;
} sequences[] = {
	{ 0x00, 0x7f, 0x00, 0x00, 0 }, { 0xc2, 0xdf, 0x80, 0xbf, 1 }, { 0xe0, 0xe0, 0xa0, 0xbf, 2 },
	{ 0xe1, 0xec, 0x80, 0xbf, 2 }, { 0xed, 0xed, 0x80, 0x9f, 2 }, { 0xee, 0xef, 0x80, 0xbf, 2 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 3 }, { 0xf1, 0xf3, 0x80, 0xbf, 3 }, { 0xf4, 0xf4, 0x80, 0x8f, 3 },
};

size_t gabi_utf8_len(const char *text, const char *end)
{
	const uint8_t *at = (const uint8_t *)text;

	for (size_t i = 0; i < GABI_COUNT_OF(sequences); i++) {
		if (*at < sequences[i].first || *at > sequences[i].last)
			continue;
		if (end - text <= sequences[i].more)
			return 0;
		for (unsigned more = 1; more <= sequences[i].more; more++)
			if (at[more] < (more == 1 ? sequences[i].low : 0x80) || at[more] > (more == 1 ? sequences[i].high : 0xbf))
				return 0;
		return 1u + sequences[i].more;
	}
	return 0;
}

int gabi_syntax_hex4(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		char c = at[i], lower = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (lower >= 'a' && lower <= 'f')
			value = value << 4 | (lower - 'a' + 10);
		else
			return -1;
	}
	return value;
}

static bool is_digit(const struct check *check)
{
	return check->at < check->end && *check->at >= '0' && *check->at <= '9';
}

static void skip_space(struct check *check)
{
	while (check->at < check->end && (*check->at == ' ' || *check->at == '\n' || *check->at == '\r' || *check->at == '\t'))
		check->at++;
}

/* Stays at the character that is wrong. */
static enum gabi_syntax wrong(const struct check *check)
{
	return check->at < check->end ? GABI_SYNTAX_BAD : GABI_SYNTAX_CUT;
}

static enum gabi_syntax take(struct check *check, char c)
{
	if (check->at == check->end || *check->at != c)
		return wrong(check);
	check->at++;
	return GABI_SYNTAX_GOOD;
}

/* ---- values ---- */

/* After the backslash. */
static enum gabi_syntax check_escape(struct check *check)
{
	int unit, low;

	if (check->at == check->end)
		return GABI_SYNTAX_CUT;
	if (*check->at != 'u') {
		if (!*check->at || !strchr("\"\\/bfnrt", *check->at))
			return GABI_SYNTAX_ESCAPE;
		check->at++;
		return GABI_SYNTAX_GOOD;
	}
	unit = gabi_syntax_hex4(check->at + 1, check->end);
	if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return GABI_SYNTAX_ESCAPE;
	if (unit == 0)
		return GABI_SYNTAX_NUL;
	check->at += 5;
	if (unit < 0xd800 || unit > 0xdbff)
		return GABI_SYNTAX_GOOD;
	if (check->end - check->at < 6 || check->at[0] != '\\' || check->at[1] != 'u')
		return GABI_SYNTAX_ESCAPE;
	low = gabi_syntax_hex4(check->at + 2, check->end);
	if (low < 0xdc00 || low > 0xdfff)
		return GABI_SYNTAX_ESCAPE;
	check->at += 6;
	return GABI_SYNTAX_GOOD;
}

static enum gabi_syntax check_text(struct check *check)
{
	enum gabi_syntax found = take(check, '"');

	while (found == GABI_SYNTAX_GOOD && check->at < check->end) {
		unsigned char c = (unsigned char)*check->at;
		size_t len = c < 0x80 ? 1 : gabi_utf8_len(check->at, check->end);

		if (len == 0)
			return GABI_SYNTAX_UTF8;
		if (c < 0x20)
			return c ? GABI_SYNTAX_CONTROL : GABI_SYNTAX_NUL;
		check->at += len;
		if (c == '"')
			return GABI_SYNTAX_GOOD;
		if (c == '\\')
			found = check_escape(check);
	}
	return found == GABI_SYNTAX_GOOD ? GABI_SYNTAX_CUT : found;
}

static enum gabi_syntax check_digits(struct check *check)
{
	if (!is_digit(check))
		return wrong(check);
	while (is_digit(check))
		check->at++;
	return GABI_SYNTAX_GOOD;
}

static bool take_any(struct check *check, char a, char b)
{
	if (check->at == check->end || (*check->at != a && *check->at != b))
		return false;
	check->at++;
	return true;
}

static enum gabi_syntax check_number(struct check *check)
{
	enum gabi_syntax found = GABI_SYNTAX_GOOD;

	take_any(check, '-', '-');
	if (!take_any(check, '0', '0'))
		found = check_digits(check);
	if (found == GABI_SYNTAX_GOOD && take_any(check, '.', '.'))
		found = check_digits(check);
	if (found == GABI_SYNTAX_GOOD && take_any(check, 'e', 'E')) {
		take_any(check, '+', '-');
		found = check_digits(check);
	}
	return found;
}

static enum gabi_syntax check_literal(struct check *check, const char *literal)
{
	enum gabi_syntax found = GABI_SYNTAX_GOOD;

	while (*literal && found == GABI_SYNTAX_GOOD)
		found = take(check, *literal++);
	return found;
}

static enum gabi_syntax check_scalar(struct check *check)
{
	switch (*check->at) {
	case '"':
		return check_text(check);
	case 't':
		return check_literal(check, "true");
	case 'f':
		return check_literal(check, "false");
	case 'n':
		return check_literal(check, "null");
	default:
		return check_number(check);
	}
}

/* ---- structure ---- */

static bool in_object(const struct check *check)
{
	return check->objects >> (check->depth - 1) & 1;
}

static enum gabi_syntax check_key(struct check *check)
{
	enum gabi_syntax found;

	skip_space(check);
	found = check_text(check);
	skip_space(check);
	return found == GABI_SYNTAX_GOOD ? take(check, ':') : found;
}

/* An opening bracket, with the key of the first member; true in *ret_empty if nothing is in it. */
static enum gabi_syntax check_open(struct check *check, bool *ret_empty)
{
	bool object = *check->at == '{';

	if (check->depth == GABI_SYNTAX_MAX_DEPTH)
		return GABI_SYNTAX_DEEP;
	check->at++;
	check->objects = (check->objects & ~((uint64_t)1 << check->depth)) | (uint64_t)object << check->depth;
	check->depth++;
	skip_space(check);
	*ret_empty = check->at < check->end && *check->at == (object ? '}' : ']');
	return object && !*ret_empty ? check_key(check) : GABI_SYNTAX_GOOD;
}

/* After a value: closes what ends here, and takes the comma, with the key, where another item follows. */
static enum gabi_syntax check_after(struct check *check)
{
	while (check->depth) {
		bool object = in_object(check);

		skip_space(check);
		if (take_any(check, ',', ','))
			return object ? check_key(check) : GABI_SYNTAX_GOOD;
		if (!take_any(check, object ? '}' : ']', object ? '}' : ']'))
			return wrong(check);
		check->depth--;
	}
	return GABI_SYNTAX_GOOD;
}

static enum gabi_syntax check_document(struct check *check)
{
	enum gabi_syntax found = GABI_SYNTAX_GOOD;

	do {
		bool empty = true;

		skip_space(check);
		if (check->at == check->end)
			return GABI_SYNTAX_CUT;
		if (*check->at == '{' || *check->at == '[')
			found = check_open(check, &empty);
		else
			found = check->depth ? check_scalar(check) : GABI_SYNTAX_BAD;
		if (found == GABI_SYNTAX_GOOD && empty)
			found = check_after(check);
	} while (found == GABI_SYNTAX_GOOD && check->depth);
	if (found != GABI_SYNTAX_GOOD)
		return found;
	skip_space(check);
	return check->at < check->end ? GABI_SYNTAX_TRAILING : GABI_SYNTAX_GOOD;
}

enum gabi_syntax gabi_syntax_check(const char *text, size_t len, const char **ret_at)
{
	struct check check = { .at = text, .end = text + len };
	enum gabi_syntax found = check_document(&check);

	*ret_at = check.at;
	return found;
}
