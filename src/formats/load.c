/* SPDX-License-Identifier: MIT */
#include "formats/load.h"

#include "formats/syntax.h"

#include <string.h>

bool gabi_slice_is(struct gabi_slice slice, const char *text)
{
	return strlen(text) == slice.len && !memcmp(text, slice.at, slice.len);
}

bool gabi_slice_copy(struct gabi_slice slice, char *buf, size_t cap)
{
	if (slice.len >= cap)
		return false;
	memcpy(buf, slice.at, slice.len);
	buf[slice.len] = '\0';
	return true;
}

/* ---- values: all below trusts the check of gabi_load ---- */

static const char *skip_space(const char *at)
{
	while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
		at++;
	return at;
}

/* Behind the text that begins here. The quote that ends it is there, and memchr stops at it (C11 7.24.5.1); no text is
 * longer than the limit. */
static const char *skip_text(const char *at)
{
	for (const char *end = at;;) {
		const char *before;

		end = (const char *)memchr(end + 1, '"', GABI_FORMATS_MAX_LEN);
		before = end;
		while (before[-1] == '\\')
			before--;
		if ((end - before) % 2 == 0)
			return end + 1;
	}
}

/* Behind the value. Brackets match, so that it is enough to count them. */
static const char *skip(const char *at)
{
	unsigned depth = 0;

	do {
		if (*at == '"') {
			at = skip_text(at);
			continue;
		}
		if (!depth && *at != '{' && *at != '[') { /* a number or a literal: up to what may follow it */
			while (!strchr(",]} \n\r\t", *at))
				at++;
			return at;
		}
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		at++;
	} while (depth);
	return at;
}

/* The next item after a value that ends at `at`, or the bracket that closes. */
static const char *following(const char *at)
{
	at = skip_space(at);
	return *at == ',' ? skip_space(at + 1) : at;
}

struct gabi_items gabi_items_of(struct gabi_value value, struct gabi_items *outer)
{
	return (struct gabi_items){ .at = skip_space(value.at + 1), .outer = outer, .keyed = *value.at == GABI_TYPE_OBJECT };
}

bool gabi_items_next(struct gabi_items *items, struct gabi_slice *ret_key, struct gabi_value *ret_value)
{
	const char *at = items->at ? items->at : following(skip(items->value));

	items->at = at;
	if (*at == '}' || *at == ']') {
		if (items->outer)
			items->outer->at = following(at + 1);
		return false;
	}
	if (items->keyed) {
		const char *end = skip_text(at);

		*ret_key = (struct gabi_slice){ at + 1, (size_t)(end - at) - 2 };
		at = skip_space(skip_space(end) + 1);
	}
	ret_value->at = items->value = at;
	items->at = NULL;
	return true;
}

bool gabi_items_none(struct gabi_value value)
{
	const char *at = skip_space(value.at + 1);

	return *at == '}' || *at == ']';
}

struct gabi_slice gabi_value_raw(struct gabi_value text)
{
	return (struct gabi_slice){ text.at + 1, (size_t)(skip_text(text.at) - text.at) - 2 };
}

struct gabi_slice gabi_value_all(struct gabi_value value)
{
	return (struct gabi_slice){ value.at, (size_t)(skip(value.at) - value.at) };
}

static void out_utf8(struct gabi_out *out, uint32_t c)
{
	if (c < 0x80) {
		gabi_out_char(out, (char)c);
		return;
	}
	if (c < 0x800) {
		gabi_out_char(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			gabi_out_char(out, (char)(0xe0 | c >> 12));
		} else {
			gabi_out_char(out, (char)(0xf0 | c >> 18));
			gabi_out_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		gabi_out_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	gabi_out_char(out, (char)(0x80 | (c & 0x3f)));
}

/* Behind the escape whose backslash is at `at`. */
static const char *out_escape(struct gabi_out *out, const char *at)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found;
	uint32_t unit, low;

	if (at[1] != 'u') {
		found = strchr(from, at[1]);
		gabi_out_char(out, found ? to[found - from] : at[1]);
		return at + 2;
	}
	unit = (uint32_t)gabi_syntax_hex4(at + 2, at + 6);
	if (unit < 0xd800 || unit > 0xdbff) {
		out_utf8(out, unit);
		return at + 6;
	}
	low = (uint32_t)gabi_syntax_hex4(at + 8, at + 12);
	out_utf8(out, 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)));
	return at + 12;
}

char *gabi_value_text(struct gabi_value text, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_slice raw = gabi_value_raw(text);
	const char *at = raw.at, *end = raw.at + raw.len;
	char *copy = gabi_mem_get(&own, raw.len + 1); /* an escape is longer than what it stands for */
	struct gabi_out out;

	if (!copy)
		return NULL;
	out = gabi_out_to(copy, raw.len + 1);
	while (at < end) {
		if (*at == '\\')
			at = out_escape(&out, at);
		else
			gabi_out_char(&out, *at++);
	}
	return copy;
}

bool gabi_value_uint(struct gabi_value value, uint32_t *ret_number)
{
	const char *end = skip(value.at);
	uint64_t number = 0;

	for (const char *at = value.at; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		number = 10 * number + (uint64_t)(*at - '0');
		if (number > UINT32_MAX)
			return false;
	}
	*ret_number = (uint32_t)number;
	return true;
}

/* ---- errors ---- */

static const struct {
	int err;
	const char *text;
} faults[] = {
	[GABI_SYNTAX_BAD] = { GABI_ERR_SYNTAX, "this is not JSON" },
	[GABI_SYNTAX_CUT] = { GABI_ERR_SYNTAX, "the text ends in the middle; it may have been cut off" },
	[GABI_SYNTAX_TRAILING] = { GABI_ERR_SYNTAX, "there is more text after the end of the document" },
	[GABI_SYNTAX_DEEP] = { GABI_ERR_LIMIT, "the JSON is nested too deeply" },
	[GABI_SYNTAX_UTF8] = { GABI_ERR_SYNTAX, "the text is not UTF-8" },
	[GABI_SYNTAX_CONTROL] = { GABI_ERR_SYNTAX, "a text holds a control character that is not escaped" },
	[GABI_SYNTAX_ESCAPE] = { GABI_ERR_SYNTAX, "JSON has no such escape" },
	[GABI_SYNTAX_NUL] = { GABI_ERR_SYNTAX, "a text holds a NUL character" },
};

static void set_position(struct gabi_diag *diag, const char *text, const char *at)
{
	if (!diag)
		return;
	diag->line = 1;
	diag->column = 1;
	for (; text < at; text++) {
		diag->column++;
		if (*text == '\n') {
			diag->line++;
			diag->column = 1;
		}
	}
}

int gabi_load(const char *text, size_t len, struct gabi_value *ret_root, struct gabi_diag *diag)
{
	enum gabi_syntax found;
	const char *at = text;

	if (len > GABI_FORMATS_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the text is longer than 64 MiB", (char *)NULL);
	if (len == 0) {
		gabi_fail(diag, GABI_ERR_SYNTAX, "the text is empty", (char *)NULL);
		set_position(diag, text, at);
		return GABI_ERR_SYNTAX;
	}
	found = gabi_syntax_check(text, len, &at);
	if (found != GABI_SYNTAX_GOOD) {
		gabi_fail(diag, faults[found].err, faults[found].text, (char *)NULL);
		set_position(diag, text, at);
		return faults[found].err;
	}
	ret_root->at = skip_space(text);
	return 0;
}

/* RFC 6901, with the escapes that the key has in the text: no control character comes through. */
static void out_key(struct gabi_out *out, struct gabi_slice key)
{
	for (size_t i = 0; i < key.len; i++) {
		if (key.at[i] == '~' || key.at[i] == '/')
			gabi_out_text(out, key.at[i] == '~' ? "~0" : "~1");
		else
			gabi_out_char(out, key.at[i]);
	}
}

static void out_steps(struct gabi_out *out, const struct gabi_step *step)
{
	if (!step)
		return;
	out_steps(out, step->up); /* as deep as the readers nest, not as the document does */
	gabi_out_char(out, '/');
	if (step->key.at)
		out_key(out, step->key);
	else
		gabi_out_dec(out, step->key.len);
}

/* A buffer that was too small may end within a UTF-8 character. */
static void trim(struct gabi_out *out)
{
	size_t len = out->cap - 1;

	if (out->len <= len)
		return;
	while (len && ((unsigned char)out->at[len - 1] & 0xc0) == 0x80)
		len--;
	if (len && (unsigned char)out->at[len - 1] >= 0x80)
		len--;
	out->at[len] = '\0';
}

int gabi_load_at(struct gabi_diag *diag, const struct gabi_step *step, int err)
{
	struct gabi_out out;

	if (!diag)
		return err;
	out = gabi_out_to(diag->where, sizeof(diag->where));
	out_steps(&out, step);
	trim(&out);
	return err;
}

/* ---- forms ---- */

static enum gabi_type type_of(struct gabi_value value)
{
	switch (*value.at) {
	case '-':
	case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		return GABI_TYPE_NUMBER;
	default:
		return (enum gabi_type)*value.at;
	}
}

static const char *type_text(enum gabi_type type)
{
	switch (type) {
	case GABI_TYPE_OBJECT:
		return "an object";
	case GABI_TYPE_LIST:
		return "a list";
	case GABI_TYPE_TEXT:
		return "a text";
	case GABI_TYPE_NUMBER:
		return "a number";
	default:
		return "true";
	}
}

int gabi_load_type(struct gabi_value value, const struct gabi_step *step, enum gabi_type type, struct gabi_diag *diag)
{
	if (type_of(value) == type)
		return 0;
	return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, type_text(type), " is wanted here");
}

int gabi_load_members(struct gabi_value object, const struct gabi_step *step, const struct gabi_member *members, size_t count,
		      struct gabi_value *ret_values, struct gabi_diag *diag)
{
	int err = gabi_load_type(object, step, GABI_TYPE_OBJECT, diag);
	struct gabi_items items;
	struct gabi_value value;
	struct gabi_step here = { .up = step };

	if (err)
		return err;
	memset(ret_values, 0, count * sizeof(*ret_values));
	items = gabi_items_of(object, NULL);
	while (gabi_items_next(&items, &here.key, &value)) {
		size_t i = 0;

		while (i < count && !gabi_slice_is(here.key, members[i].key))
			i++;
		if (i == count)
			return GABI_LOAD_FAIL(diag, &here, GABI_ERR_SCHEMA, "no member of that name is known here");
		if (ret_values[i].at)
			return GABI_LOAD_FAIL(diag, &here, GABI_ERR_DUPLICATE, "the member is there twice");
		err = gabi_load_type(value, &here, members[i].type, diag);
		if (err)
			return err;
		ret_values[i] = value;
	}
	for (size_t i = 0; i < count; i++)
		if (members[i].required && !ret_values[i].at)
			return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "the member \"", members[i].key, "\" is missing");
	return 0;
}

struct gabi_value gabi_load_find(struct gabi_value object, const char *name)
{
	struct gabi_items items = gabi_items_of(object, NULL);
	struct gabi_value value;
	struct gabi_slice key;

	while (gabi_items_next(&items, &key, &value))
		if (gabi_slice_is(key, name))
			return value;
	return (struct gabi_value){ NULL };
}

int gabi_load_head(struct gabi_value root, const char *kind, unsigned newest, struct gabi_diag *diag)
{
	const struct gabi_step kind_step = GABI_STEP("gabi"), schema_step = GABI_STEP("schema");
	struct gabi_value found, schema;
	uint32_t number;
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	int err = gabi_load_type(root, NULL, GABI_TYPE_OBJECT, diag);

	if (err)
		return err;
	found = gabi_load_find(root, "gabi");
	schema = gabi_load_find(root, "schema");
	if (!found.at || type_of(found) != GABI_TYPE_TEXT)
		return GABI_LOAD_FAIL(diag, NULL, GABI_ERR_SCHEMA, "this is no file of gabi's: it does not say \"gabi\": \"", kind, "\"");
	if (!gabi_slice_is(gabi_value_raw(found), kind))
		return GABI_LOAD_FAIL(diag, &kind_step, GABI_ERR_SCHEMA, "a file that says \"", kind, "\" here is wanted, and this one is something else");
	if (!schema.at || !gabi_value_uint(schema, &number) || number == 0)
		return GABI_LOAD_FAIL(diag, &schema_step, GABI_ERR_SCHEMA, "the schema's number is missing or none");
	if (number <= newest)
		return 0;
	gabi_out_dec(&out, number);
	return GABI_LOAD_FAIL(diag, &schema_step, GABI_ERR_VERSION, "the ", kind, " has schema ", text,
			      "; reading it needs a later version of gabi, one that knows that schema");
}

int gabi_load_arch(struct gabi_value value, const struct gabi_step *step, enum gabi_arch *ret_arch, struct gabi_diag *diag)
{
	for (enum gabi_arch arch = GABI_ARCH_X86; arch <= GABI_ARCH_ARM64; arch++) {
		if (gabi_slice_is(gabi_value_raw(value), gabi_arch_text(arch))) {
			*ret_arch = arch;
			return 0;
		}
	}
	return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "the architecture must be \"x86\" or \"arm64\"");
}

bool gabi_load_number(struct gabi_slice *slice, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t at = 2;

	if (slice->len < 3 || slice->at[0] != '0' || slice->at[1] != 'x')
		return false;
	for (; at < slice->len; at++) {
		char c = slice->at[at];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			break;
		if (at == 18)
			return false;
		number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (at == 2 || (slice->at[2] == '0' && at > 3))
		return false;
	slice->at += at;
	slice->len -= at;
	*ret_number = number;
	return true;
}
