/* SPDX-License-Identifier: MIT */
/* gabi explain: what a feature, a leaf, an MSR or a register is. */
#include "rows.h"

#include "gabi.h"

#include <gabi/change.h>
#include <gabi/model.h>
#include <gabi/vocab.h>

#include "base/nearest.h"

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

/* ---- names ---- */

static const struct pair {
	const char *libvirt, *qemu;
} libvirt_names[] = {
#define GABI_LIBVIRT_NAME_ROW(name, of_qemu) { name, of_qemu },
#define GABI_LIBVIRT_HYPERV_ROW(name, property) { name, property },
#include <models/libvirt.def>
};

static const char *const unknown_to_libvirt[] = {
#define GABI_LIBVIRT_UNKNOWN_ROW(name) name,
#include <models/libvirt.def>
};

/* What libvirt calls a switch of QEMU's CPUs: a feature of <cpu>, or an element of <hyperv>. Its names are QEMU's but for these. */
static const char *libvirt_name(const struct gabi_field *field)
{
	for (size_t i = 0; i < COUNT_OF(libvirt_names); i++)
		if (!strcmp(libvirt_names[i].qemu, field->name))
			return libvirt_names[i].libvirt;
	for (size_t i = 0; i < COUNT_OF(unknown_to_libvirt); i++)
		if (!strcmp(unknown_to_libvirt[i], field->name))
			return "";
	return field->key.space == GABI_SPACE_CPUID || field->key.space == GABI_SPACE_MSR ? field->name : "";
}

/* Every name of that tool among the aliases, which are "tool:name" each. */
static size_t print_aliases(FILE *out, const char *aliases, const char *tool)
{
	size_t len = strlen(tool), found = 0;

	for (const char *at = aliases; *at; at += strspn(at, " ")) {
		size_t own = strcspn(at, " ");

		if (own > len && !strncmp(at, tool, len) && at[len] == ':')
			fprintf(out, "%s%.*s", found++ ? " " : "", (int)(own - len - 1), at + len + 1);
		at += own;
	}
	return found;
}

static void print_qemu_names(FILE *out, const struct gabi_field *field)
{
	bool own = !strncmp(field->source, "QEMU", 4);

	if (own)
		fputs(field->name, out);
	if (own && strstr(field->aliases, "qemu:"))
		fputc(' ', out);
	print_aliases(out, field->aliases, "qemu");
}

static void print_libvirt_names(FILE *out, const struct gabi_field *field)
{
	if (!print_aliases(out, field->aliases, "libvirt") && field->bits == 1 && !strncmp(field->source, "QEMU", 4))
		fputs(libvirt_name(field), out);
}

static void print_linux_names(FILE *out, const struct gabi_field *field)
{
	print_aliases(out, field->aliases, "linux");
}

static void print_arm_names(FILE *out, const struct gabi_field *field)
{
	print_aliases(out, field->aliases, "arm");
}

/* Names of still other tools, with the tool. */
static void print_other_names(FILE *out, const struct gabi_field *field)
{
	static const char *const shown[] = { "qemu:", "libvirt:", "linux:", "arm:" };
	size_t found = 0;

	for (const char *at = field->aliases; *at; at += strspn(at, " ")) {
		size_t own = strcspn(at, " "), i = 0;

		while (i < COUNT_OF(shown) && strncmp(at, shown[i], strlen(shown[i])))
			i++;
		if (i == COUNT_OF(shown))
			fprintf(out, "%s%.*s", found++ ? " " : "", (int)own, at);
		at += own;
	}
}

/* ---- kernels, migration, rollback ---- */

#define OF_MANY 64 /* fields: a change of more is one of how kernels list registers, and not of when a feature came */

static size_t breadth_of(const struct gabi_change *change)
{
	size_t count, touched = 0;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++)
		touched += gabi_change_touches(change, &field[i].key, bits_of(&field[i])) == 1;
	return touched;
}

/* The change that gave the feature, or took it away: of several that touch it the one that touches the least else. */
static const struct gabi_change *change_of(const struct gabi_field *field, bool takes_away)
{
	size_t count, least = OF_MANY + 1;
	const struct gabi_change *change = gabi_changes(&count), *found = NULL;

	for (size_t i = 0; i < count; i++) {
		size_t breadth;

		if (!gabi_change_touches(&change[i], &field->key, bits_of(field)) || !gabi_change_takes_away(&change[i]) != !takes_away)
			continue;
		breadth = breadth_of(&change[i]);
		if (breadth >= least)
			continue;
		least = breadth;
		found = &change[i];
	}
	return found;
}

static void print_since(FILE *out, const struct gabi_field *field)
{
	const struct gabi_change *change = change_of(field, false);

	if (!change)
		fputs("Linux 5.10 or before, as far as the CPU has it: no later kernel is known to have changed what is offered", out);
	else
		fprintf(out, "Linux %s%s%s: %s", change->release, *change->also ? ", and stable releases from " : "", change->also, change->what);
}

/* Is it a promise that a host can break? */
static bool is_compared(const struct gabi_field *field)
{
	return field->rule != GABI_RULE_FREE && field->rule != GABI_RULE_PRESENTED && field->rule != GABI_RULE_OFFERED;
}

static void print_migration(FILE *out, const struct gabi_field *field)
{
	if (!is_compared(field))
		fputs("no host is refused for it", out);
	else if (field->hide == GABI_HIDE_FAULTS)
		fputs("promised, the guest goes only to hosts that fit; not promised, it goes anywhere and finds no trace of it", out);
	else if (field->hide == GABI_HIDE_CPUID_ONLY)
		fputs("promised, the guest goes only to hosts that fit; not promised, it goes anywhere, unless it tried without being told", out);
	else
		fputs("the guest goes only to hosts that fit, promised or not: what a host has of it, the guest sees", out);
}

static void print_rollback(FILE *out, const struct gabi_field *field)
{
	const struct gabi_change *given = change_of(field, false), *taken = change_of(field, true);

	if (!is_compared(field))
		fputs("no bar: no host is refused for it", out);
	else if (given)
		fprintf(out, "promised on Linux %s or later, the way back to an older kernel is barred, unless that is known to do the same (gabi rollback says)%s",
			given->release, field->hide == GABI_HIDE_NO ? "" : "; left out of the contract, it is open");
	else
		fputs("no bar by the kernel alone: none from 5.10 on is known to have begun to offer it", out);
	if (taken && is_compared(field))
		fprintf(out, "; Linux %s offers less: %s", taken->release, taken->what);
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
	add_printed(rows, "name in QEMU", print_qemu_names, field);
	add_printed(rows, "name in libvirt", print_libvirt_names, field);
	add_printed(rows, "name in Linux", print_linux_names, field);
	add_printed(rows, "name in the Arm ARM", print_arm_names, field);
	add_printed(rows, "other names", print_other_names, field);
	snprintf(text, sizeof(text), "%s: %s (C is the contract's value, H the host's)", gabi_rule_text(field->rule),
		 gabi_rule_what(field->rule));
	add_line(rows, field, "fits a host if", text);
	add_line(rows, field, "hiding", text_of_hide(field));
	if (gabi_field_is_emulated(field))
		add_line(rows, field, "emulated", "KVM can give it where the CPU lacks it");
	add_printed(rows, "offered since", print_since, field);
	add_printed(rows, "migration", print_migration, field);
	add_printed(rows, "rollback", print_rollback, field);
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

/* A name of the vocabulary, or libvirt's of something in it. */
static const char *own_name(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(libvirt_names) && !gabi_field_by_name(name, GABI_ARCH_ANY); i++)
		if (!strcmp(libvirt_names[i].libvirt, name))
			return libvirt_names[i].qemu;
	return name;
}

static bool explain_name(struct rows *rows, const char *text)
{
	static const struct column columns[] = { { "NAME" }, { "WHAT" }, { "ANSWER", .wraps = true } };
	const char *name = own_name(text);
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

/* ---- nothing of that name ---- */

/* Offers each tool's name of a field by itself. */
static void offer_aliases(struct gabi_nearest *nearest, const char *aliases)
{
	for (const char *at = aliases; *at; at += strspn(at, " ")) {
		size_t own = strcspn(at, " ");
		const char *colon = memchr(at, ':', own);

		if (colon)
			gabi_nearest_offer(nearest, colon + 1, own - (size_t)(colon + 1 - at));
		at += own;
	}
}

static enum status nothing(const char *text)
{
	struct gabi_nearest nearest = { .wanted = text };
	char near[512];
	struct gabi_out out = gabi_out_to(near, sizeof(near));
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);
	const struct gabi_reg *reg;

	for (size_t i = 0; i < count; i++) {
		gabi_nearest_offer(&nearest, field[i].name, strlen(field[i].name));
		offer_aliases(&nearest, field[i].aliases);
	}
	reg = gabi_regs(&count);
	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, reg[i].name, strlen(reg[i].name));
	gabi_nearest_print(&nearest, &out);
	complain("explain: nothing is called '%s'%s", text, *near ? near : "; gabi names lists what there is");
	return STATUS_NO;
}

/* What a shell completes: fields, and registers, each name once. */
static enum status list_names(void)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);
	const struct gabi_reg *reg;

	for (size_t i = 0; i < count; i++)
		if (gabi_field_by_name(field[i].name, GABI_ARCH_ANY) == &field[i])
			printf("%s\n", field[i].name);
	reg = gabi_regs(&count);
	for (size_t i = 0; i < count; i++)
		if (gabi_reg_by_name(reg[i].name) == &reg[i])
			printf("%s\n", reg[i].name);
	return STATUS_YES;
}

enum status run_explain(const struct args *args)
{
	const char *text = args->files ? args->file[0] : NULL;
	struct rows rows;
	bool found;

	if (args->option[OPTION_LIST])
		return list_names();
	if (!text) {
		complain("explain: too few operands; usage: gabi explain [OPTION]... WHAT");
		return STATUS_USAGE;
	}
	rows_begin(&rows, args->option[OPTION_JSON]);
	found = explain_name(&rows, text);
	found |= explain_registers(&rows, text);
	rows_end(&rows);
	return found ? STATUS_YES : nothing(text);
}
