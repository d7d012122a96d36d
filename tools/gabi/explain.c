/* SPDX-License-Identifier: MIT */
/* gabi explain: what a feature, a leaf, an MSR or a register is. */
#include "rows.h"

#include "gabi.h"

#include <gabi/change.h>
#include <gabi/model.h>
#include <gabi/vocab.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static uint64_t bits_of(const struct gabi_field *field)
{
	return (field->bits < 64 ? ((uint64_t)1 << field->bits) - 1 : ~(uint64_t)0) << field->lo;
}

static void text_of_bits(const struct gabi_field *field, char *out, size_t cap)
{
	if (field->bits == 1)
		snprintf(out, cap, "%u", field->lo);
	else
		snprintf(out, cap, "%u:%u", field->lo + field->bits - 1, field->lo);
}

/* ---- one field ---- */

static const char *text_of_hide(const struct gabi_field *field)
{
	switch (field->hide) {
	case GABI_HIDE_FAULTS:
		return "a guest that is not told of it cannot use it";
	case GABI_HIDE_CPUID_ONLY:
		return "a guest that is not told of it can still use it, or be served by it";
	default:
		return "it cannot be hidden from a guest";
	}
}

/* "avx512f, which needs avx2": what has to be promised for it to matter. */
static void print_needs(FILE *out, const struct gabi_field *field)
{
	const struct gabi_reg *reg = gabi_reg_of(&field->key);
	const struct gabi_field *need = gabi_field_when(field);

	if (!need && reg)
		need = gabi_reg_when(reg);
	for (unsigned depth = 0; need && depth < 8; depth++, need = gabi_field_when(need))
		fprintf(out, "%s%s", depth ? ", which needs " : "", need->name);
}

static void print_needed_by(FILE *out, const struct gabi_field *field)
{
	size_t count, found = 0;
	const struct gabi_field *other = gabi_fields(&count);

	for (size_t i = 0; i < count; i++)
		if (gabi_field_when(&other[i]) == field)
			fprintf(out, "%s%s", found++ ? " " : "", other[i].name);
}

static bool has_field(const struct gabi_model *model, const struct gabi_field *field)
{
	size_t count;
	const struct gabi_word *word = gabi_model_words(model, &count);

	for (size_t i = 0; i < count; i++)
		if (!gabi_key_compare(&word[i].key, &field->key))
			return word[i].value >> field->lo & 1;
	return false;
}

static void print_models(FILE *out, const struct gabi_field *field)
{
	size_t count, found = 0;
	const struct gabi_model *model = gabi_models(&count);

	for (size_t i = 0; field->kind == GABI_KIND_FLAG && i < count; i++)
		if (has_field(&model[i], field))
			fprintf(out, "%s%s", found++ ? " " : "", model[i].name);
}

/* One line of text out of a printer; nothing where it printed nothing. */
static void add_printed(struct rows *rows, const char *what, void (*print)(FILE *out, const struct gabi_field *field),
			const struct gabi_field *field)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out) {
		print(out, field);
		fclose(out);
	}
	if (!text || *text)
		rows_add(rows, COLOR_NONE, (const char *[]){ field->name, what, text ? text : "out of memory" });
	free(text);
}

static void add_line(struct rows *rows, const struct gabi_field *field, const char *what, const char *text)
{
	if (*text)
		rows_add(rows, COLOR_NONE, (const char *[]){ field->name, what, text });
}

static void add_place(struct rows *rows, const struct gabi_field *field)
{
	const struct gabi_reg *reg = gabi_reg_of(&field->key);
	char key[64], bits[24], text[192];

	gabi_key_print(&field->key, key, sizeof(key));
	text_of_bits(field, bits, sizeof(bits));
	snprintf(text, sizeof(text), "%s, bit%s %s%s%s", key, field->bits == 1 ? "" : "s", bits, reg ? " of " : "", reg ? reg->name : "");
	add_line(rows, field, "where", text);
}

static void explain_field(struct rows *rows, const struct gabi_field *field)
{
	char text[256];

	add_place(rows, field);
	add_line(rows, field, "other names", field->aliases);
	snprintf(text, sizeof(text), "%s: %s (C is the contract's value, H the host's)", gabi_rule_text(field->rule),
		 gabi_rule_what(field->rule));
	add_line(rows, field, "fits a host if", text);
	add_line(rows, field, "hiding", text_of_hide(field));
	if (gabi_field_is_emulated(field))
		add_line(rows, field, "emulated", "KVM can give it where the CPU lacks it");
	add_printed(rows, "needs", print_needs, field);
	add_printed(rows, "needed by", print_needed_by, field);
	add_printed(rows, "models", print_models, field);
	add_line(rows, field, "source", field->source);
}

/* ---- what kernels changed about it ---- */

static void explain_changes(struct rows *rows, const struct gabi_key *key, uint64_t bits)
{
	static const struct column columns[] = { { "LINUX" }, { "ALSO IN" }, { "CHANGE", .wraps = true } };
	size_t count;
	const struct gabi_change *change = gabi_changes(&count);

	rows_open(rows, "changes", "Changes of Linux", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++)
		if (gabi_change_touches(&change[i], key, bits))
			rows_add(rows, COLOR_NONE, (const char *[]){ change[i].release, change[i].also, change[i].what });
	rows_close(rows);
}

static bool explain_name(struct rows *rows, const char *name)
{
	static const struct column columns[] = { { "NAME" }, { "WHAT" }, { "ANSWER", .wraps = true } };
	const struct gabi_field *first = gabi_field_by_name(name, GABI_ARCH_ANY), *field = first;

	rows_open(rows, "fields", NULL, columns, COUNT_OF(columns));
	for (; field; field = gabi_field_by_name_next(name, GABI_ARCH_ANY, field))
		explain_field(rows, field);
	rows_close(rows);
	if (first)
		explain_changes(rows, &first->key, bits_of(first));
	return first;
}

/* ---- registers ---- */

static void explain_register(struct rows *rows, const struct gabi_reg *reg)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		char key[64], bits[24];

		if (field[i].key.space != reg->key.space || field[i].key.index != reg->key.index || field[i].key.sub < reg->key.sub ||
		    field[i].key.sub > reg->sub_last)
			continue;
		gabi_key_print(&field[i].key, key, sizeof(key));
		text_of_bits(&field[i], bits, sizeof(bits));
		rows_add(rows, COLOR_NONE, (const char *[]){ reg->name, key, bits, field[i].name, gabi_rule_text(field[i].rule) });
	}
}

/* What has no fields is saved state, whose value is nobody's promise. */
static bool has_fields(const struct gabi_reg *reg)
{
	size_t count;

	for (uint16_t part = 0; part < 4; part++) {
		struct gabi_key key = reg->key;

		key.part = part;
		gabi_fields_of(&key, &count);
		if (count)
			return true;
	}
	return false;
}

static void add_register(struct rows *rows, const struct gabi_reg *reg)
{
	char key[64];

	gabi_key_print(&reg->key, key, sizeof(key));
	if (has_fields(reg))
		explain_register(rows, reg);
	else
		rows_add(rows, COLOR_NONE, (const char *[]){ reg->name, key, "", reg->resets_to_0 ? "saved state; resets to 0" : "saved state", "" });
}

static bool is_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 0);
	return isdigit((unsigned char)*text) && !*end && !errno;
}

/* A register by its name, in upper or lower case, a leaf without its subleaf, or by the number of a leaf, an MSR or an arm64 register. */
static bool is_asked_for(const struct gabi_reg *reg, const char *text)
{
	size_t len = strlen(text);
	uint64_t number;

	if (!strncasecmp(reg->name, text, len) && (!reg->name[len] || reg->name[len] == '.'))
		return true;
	return is_number(text, &number) && reg->key.index == number && reg->key.space != GABI_SPACE_CAP && reg->key.space != GABI_SPACE_VM;
}

static bool explain_registers(struct rows *rows, const char *text)
{
	static const struct column columns[] = { { "REGISTER" }, { "WORD" }, { "BITS" }, { "NAME" }, { "RULE" } };
	size_t count, found = 0;
	const struct gabi_reg *reg = gabi_regs(&count);

	rows_open(rows, "registers", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		if (!is_asked_for(&reg[i], text))
			continue;
		add_register(rows, &reg[i]);
		found++;
	}
	rows_close(rows);
	return found;
}

enum status run_explain(const struct args *args)
{
	const char *text = args->file[0];
	struct rows rows;
	bool found;

	rows_begin(&rows, args->option[OPTION_JSON]);
	found = explain_name(&rows, text);
	found |= explain_registers(&rows, text);
	rows_end(&rows);
	if (!found)
		complain("explain: nothing is called '%s'; gabi names lists what there is", text);
	return found ? STATUS_YES : STATUS_NO;
}
