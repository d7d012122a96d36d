/* SPDX-License-Identifier: MIT */
/* gabi names: what can be promised, by name. */
#include "gabi.h"
#include "rows.h"

#include <gabi/vocab.h>

#include <stdio.h>
#include <string.h>

static bool arch_of(const char *text, enum gabi_arch *ret_arch)
{
	if (!text) {
		*ret_arch = GABI_ARCH_ANY;
		return true;
	}
	for (unsigned arch = GABI_ARCH_X86; arch <= GABI_ARCH_ARM64; arch++) {
		if (strcmp(text, gabi_arch_text(arch)))
			continue;
		*ret_arch = arch;
		return true;
	}
	return false;
}

static bool wanted(const struct gabi_field *field, enum gabi_arch arch, const char *text)
{
	enum gabi_arch own = gabi_space_arch(field->key.space);

	if (arch != GABI_ARCH_ANY && own != GABI_ARCH_ANY && own != arch)
		return false;
	return !text || strstr(field->name, text) || strstr(field->aliases, text);
}

static void add(struct rows *rows, const struct gabi_field *field)
{
	const struct gabi_reg *reg = gabi_reg_of(&field->key);
	char key[64], bits[24];

	gabi_key_print(&field->key, key, sizeof(key));
	if (field->bits == 1)
		snprintf(bits, sizeof(bits), "%u", field->lo);
	else
		snprintf(bits, sizeof(bits), "%u:%u", field->lo + field->bits - 1, field->lo);
	rows_add(rows, COLOR_NONE, (const char *[]){ field->name, reg ? reg->name : "", key, bits, gabi_rule_text(field->rule),
						     field->aliases });
}

enum status run_names(const struct args *args)
{
	static const struct column columns[] = {
		{ "NAME" }, { "REGISTER" }, { "KEY" }, { "BITS" }, { "RULE" }, { "OTHER NAMES", .wraps = true },
	};
	const char *text = args->files ? args->file[0] : NULL;
	enum gabi_arch arch;
	size_t count, found = 0;
	const struct gabi_field *field = gabi_fields(&count);
	struct rows rows;

	if (!arch_of(args->option[OPTION_ARCH], &arch)) {
		complain("names: '%s' is no architecture; x86 and arm64 are", args->option[OPTION_ARCH]);
		return STATUS_USAGE;
	}
	if (!args->option[OPTION_LIST]) {
		rows_begin(&rows, args->option[OPTION_JSON]);
		rows_open(&rows, "names", NULL, columns, sizeof(columns) / sizeof(*columns));
	}
	for (size_t i = 0; i < count; i++) {
		if (!wanted(&field[i], arch, text))
			continue;
		found++;
		if (args->option[OPTION_LIST])
			printf("%s\n", field[i].name);
		else
			add(&rows, &field[i]);
	}
	if (!args->option[OPTION_LIST]) {
		rows_close(&rows);
		rows_end(&rows);
	}
	return found ? STATUS_YES : STATUS_NO;
}
