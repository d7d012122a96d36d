/* SPDX-License-Identifier: MIT */
#include "formats/load.h"

#include <string.h>

/* ---- where ---- */

/* RFC 6901, with control characters as JSON escapes them, so that a pointer can be shown on a terminal. */
static void out_key(struct gabi_out *out, const char *key)
{
	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;

		if (c == '~' || c == '/') {
			gabi_out_text(out, c == '~' ? "~0" : "~1");
		} else if (c < 0x20 || c == 0x7f) {
			gabi_out_text(out, "\\u");
			gabi_out_hex(out, c, 4);
		} else {
			gabi_out_char(out, (char)c);
		}
	}
}

static void out_steps(struct gabi_out *out, const struct gabi_step *step)
{
	if (!step)
		return;
	out_steps(out, step->up); /* as deep as the readers nest, not as the document does */
	gabi_out_char(out, '/');
	if (step->key)
		out_key(out, step->key);
	else
		gabi_out_dec(out, step->at);
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

/* ---- the document ---- */

static const struct {
	enum json_error_code code;
	int err;
	const char *text;
} syntax[] = {
	{ json_error_stack_overflow, GABI_ERR_LIMIT, "the JSON is nested too deeply" },
	{ json_error_invalid_utf8, GABI_ERR_SYNTAX, "the text is not UTF-8" },
	{ json_error_premature_end_of_input, GABI_ERR_SYNTAX, "the text ends in the middle; it may have been cut off" },
	{ json_error_end_of_input_expected, GABI_ERR_SYNTAX, "there is more text after the end of the document" },
	{ json_error_invalid_syntax, GABI_ERR_SYNTAX, "this is not JSON" },
	{ json_error_null_character, GABI_ERR_SYNTAX, "a text holds a NUL character" },
	{ json_error_null_byte_in_key, GABI_ERR_SYNTAX, "a key holds a NUL character" },
	{ json_error_duplicate_key, GABI_ERR_DUPLICATE, "the key is there twice in its object" },
	{ json_error_numeric_overflow, GABI_ERR_RANGE, "the number is too large" },
};

/* The position of the last of the first `end` bytes. */
static void set_position(struct gabi_diag *diag, const char *text, size_t end)
{
	if (!diag)
		return;
	diag->line = 1;
	diag->column = end ? 0 : 1;
	for (size_t i = 0; i < end; i++) {
		diag->column++;
		if (text[i] == '\n' && i + 1 < end) {
			diag->line++;
			diag->column = 0;
		}
	}
}

int gabi_load(const char *text, size_t len, json_t **ret_root, struct gabi_diag *diag)
{
	json_error_t error;
	json_t *root;

	if (len > GABI_FORMATS_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the text is longer than 64 MiB", (char *)NULL);
	if (len == 0) {
		gabi_fail(diag, GABI_ERR_SYNTAX, "the text is empty", (char *)NULL);
		set_position(diag, text, 0);
		return GABI_ERR_SYNTAX;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (root) {
		*ret_root = root;
		return 0;
	}
	for (size_t i = 0; i < GABI_COUNT_OF(syntax); i++) {
		size_t end = error.position < 0 ? 0 : (size_t)error.position;

		if (syntax[i].code != json_error_code(&error))
			continue;
		gabi_fail(diag, syntax[i].err, syntax[i].text, (char *)NULL);
		set_position(diag, text, end < len ? end : len);
		return syntax[i].err;
	}
	/* Where memory is short, jansson gives that code or none. */
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

int gabi_load_head(json_t *root, const char *kind, unsigned newest, struct gabi_diag *diag)
{
	const struct gabi_step kind_step = { .key = "gabi" }, schema_step = { .key = "schema" };
	const char *found = json_string_value(json_object_get(root, "gabi"));
	json_t *schema = json_object_get(root, "schema");
	char number[24];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	if (!found)
		return GABI_LOAD_FAIL(diag, NULL, GABI_ERR_SCHEMA, "this is no file of gabi's: it does not say \"gabi\": \"", kind, "\"");
	if (strcmp(found, kind))
		return GABI_LOAD_FAIL(diag, &kind_step, GABI_ERR_SCHEMA, "a ", kind, " is wanted, and this file is something else");
	if (!json_is_integer(schema) || json_integer_value(schema) < 1)
		return GABI_LOAD_FAIL(diag, &schema_step, GABI_ERR_SCHEMA, "the schema's number is missing or none");
	if (json_integer_value(schema) <= (json_int_t)newest)
		return 0;
	gabi_out_dec(&out, (uint64_t)json_integer_value(schema));
	return GABI_LOAD_FAIL(diag, &schema_step, GABI_ERR_VERSION, "the ", kind, " has schema ", number,
			      "; reading it needs a later version of gabi, one that knows that schema");
}

/* ---- members ---- */

static const char *type_text(json_type type)
{
	static const char *const texts[] = {
		[JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
		[JSON_INTEGER] = "an integer", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
	};

	return texts[type];
}

int gabi_load_type(json_t *value, const struct gabi_step *step, json_type type, struct gabi_diag *diag)
{
	if (json_typeof(value) == type)
		return 0;
	return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, type_text(type), " is wanted here");
}

int gabi_load_members(json_t *object, const struct gabi_step *step, const struct gabi_member *members, size_t count,
		      json_t **ret_values, struct gabi_diag *diag)
{
	int err = gabi_load_type(object, step, JSON_OBJECT, diag);
	const char *key;
	json_t *value;

	if (err)
		return err;
	memset(ret_values, 0, count * sizeof(*ret_values));
	json_object_foreach(object, key, value) {
		const struct gabi_step here = { .up = step, .key = key };
		size_t i = 0;

		while (i < count && strcmp(members[i].key, key))
			i++;
		if (i == count)
			return GABI_LOAD_FAIL(diag, &here, GABI_ERR_SCHEMA, "no member of that name is known here");
		err = gabi_load_type(value, &here, members[i].type, diag);
		if (err)
			return err;
		ret_values[i] = value;
	}
	for (size_t i = 0; i < count; i++)
		if (members[i].required && !ret_values[i])
			return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "the member \"", members[i].key, "\" is missing");
	return 0;
}

int gabi_load_arch(json_t *value, const struct gabi_step *step, enum gabi_arch *ret_arch, struct gabi_diag *diag)
{
	for (enum gabi_arch arch = GABI_ARCH_X86; arch <= GABI_ARCH_ARM64; arch++) {
		if (!strcmp(json_string_value(value), gabi_arch_text(arch))) {
			*ret_arch = arch;
			return 0;
		}
	}
	return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "the architecture must be \"x86\" or \"arm64\"");
}

const char *gabi_load_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *at = text + 2;

	if (text[0] != '0' || text[1] != 'x')
		return NULL;
	for (; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'); at++) {
		if (at - text == 18)
			return NULL;
		number = number << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	}
	if (at == text + 2 || (text[2] == '0' && at > text + 3))
		return NULL;
	*ret_number = number;
	return at;
}
