/* SPDX-License-Identifier: MIT */
/* gabi model: named CPU models and -cpu arguments, what they hold, and how they differ. */
#include "models.h"
#include "rows.h"
#include "vmcs.h"

#include <gabi/formats.h>
#include <gabi/vocab.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* ---- list ---- */

static bool wanted(const struct args *args, const char *name)
{
	return !args->files || strstr(name, args->file[0]);
}

static void add_model(struct rows *rows, const struct gabi_model *model)
{
	rows_add(rows, COLOR_NONE, (const char *[]){ model->name, model->parent, model->source, model->changes });
}

/* Calls for each model that is wanted, a user's behind the built-in ones; returns how many there are. */
static size_t each_model(const struct args *args, const struct gabi_model_set *own, struct rows *rows,
			 void (*found)(struct rows *rows, const struct gabi_model *model))
{
	size_t count, more, wants = 0;
	const struct gabi_model *model = gabi_models(&count), *users = gabi_model_set_models(own, &more);

	for (size_t i = 0; i < count + more; i++) {
		const struct gabi_model *at = i < count ? &model[i] : &users[i - count];

		if (!wanted(args, at->name))
			continue;
		found(rows, at);
		wants++;
	}
	return wants;
}

static void print_name(struct rows *rows, const struct gabi_model *model)
{
	(void)rows;
	printf("%s\n", model->name);
}

static size_t list_names(const struct args *args, const struct gabi_model_set *own)
{
	size_t count, found = each_model(args, own, NULL, print_name);
	const struct gabi_model_alias *alias = gabi_model_aliases(&count);
	const struct gabi_hyperv_set *set;

	for (size_t i = 0; i < count; i++)
		if (wanted(args, alias[i].name) && ++found)
			printf("%s\n", alias[i].name);
	set = gabi_hyperv_sets(&count);
	for (size_t i = 0; i < count; i++)
		if (wanted(args, set[i].name) && ++found)
			printf("%s\n", set[i].name);
	return found;
}

static size_t list_models(struct rows *rows, const struct args *args, const struct gabi_model_set *own)
{
	static const struct column columns[] = { { "MODEL" }, { "PARENT" }, { "SINCE" }, { "CHANGES", .wraps = true } };
	size_t found;

	rows_open(rows, "models", "Models", columns, COUNT_OF(columns));
	found = each_model(args, own, rows, add_model);
	rows_close(rows);
	return found;
}

static size_t list_aliases(struct rows *rows, const struct args *args)
{
	static const struct column columns[] = { { "ALIAS" }, { "MODEL" }, { "SINCE" } };
	size_t count, found = 0;
	const struct gabi_model_alias *alias = gabi_model_aliases(&count);

	rows_open(rows, "aliases", "Aliases", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		if (!wanted(args, alias[i].name))
			continue;
		rows_add(rows, COLOR_NONE, (const char *[]){ alias[i].name, alias[i].model, alias[i].source });
		found++;
	}
	rows_close(rows);
	return found;
}

static size_t list_sets(struct rows *rows, const struct args *args)
{
	static const struct column columns[] = { { "SET" }, { "OF", .wraps = true }, { "FLAGS", .wraps = true } };
	size_t count, found = 0;
	const struct gabi_hyperv_set *set = gabi_hyperv_sets(&count);

	rows_open(rows, "hyperv", "Hyper-V flags", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		if (!wanted(args, set[i].name))
			continue;
		rows_add(rows, COLOR_NONE, (const char *[]){ set[i].name, set[i].source, set[i].flags });
		found++;
	}
	rows_close(rows);
	return found;
}

static enum status model_list(const struct args *args, const struct gabi_model_set *own)
{
	struct rows rows;
	size_t found;

	if (args->option[OPTION_LIST])
		return list_names(args, own) ? STATUS_YES : STATUS_NO;
	rows_begin(&rows, args->option[OPTION_JSON]);
	found = list_models(&rows, args, own);
	found += list_aliases(&rows, args);
	found += list_sets(&rows, args);
	rows_end(&rows);
	return found ? STATUS_YES : STATUS_NO;
}

/* ---- show ---- */

static void print_text(FILE *out, uint64_t value, unsigned bits)
{
	for (unsigned i = 0; i < bits; i += 8) {
		int c = (int)(value >> i & 0xff);

		if (c)
			fputc(c >= ' ' && c < 0x7f ? c : '.', out);
	}
}

/* "avx2", or "stepping=7"; what is 0 says nothing. */
static void print_field(FILE *out, const struct gabi_field *field, uint64_t value)
{
	if (!value)
		return;
	if (ftell(out) > 0)
		fputc(' ', out);
	if (field->kind == GABI_KIND_FLAG)
		fputs(field->name, out);
	else if (field->kind == GABI_KIND_TEXT)
		print_text(out, value, field->bits);
	else
		fprintf(out, "%s=%" PRId64, field->name, (int64_t)value); /* as every printer has them: signed where the field is */
}

static void add_word(struct rows *rows, const struct gabi_word *word)
{
	size_t count, len;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);
	char key[64], value[24], *text = NULL;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; out && i < count; i++)
		print_field(out, &field[i], (uint64_t)gabi_field_get(&field[i], word->value));
	if (out)
		fclose(out);
	gabi_key_print(&word->key, key, sizeof(key));
	snprintf(value, sizeof(value), "0x%" PRIx64, word->value);
	rows_add(rows, COLOR_NONE, (const char *[]){ key, value, text ? text : "out of memory" });
	free(text);
}

static void print_model(struct rows *rows, const struct gabi_model *model)
{
	rows_text(rows, "since", "Since", model->source);
	if (*model->parent)
		rows_text(rows, "parent", "Parent", model->parent);
	rows_text(rows, "changes", "Changes", model->changes);
}

/* Whose model it is, and what QEMU is told where it does not have that. */
static void print_head(struct rows *rows, const char *text, const struct gabi_model_set *own, const struct gabi_cpu *cpu)
{
	char name[64], *argument;
	const struct gabi_hyperv_set *set;
	const struct gabi_model *model;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, ","), text);
	model = gabi_model_set_find(own, name);
	set = gabi_hyperv_set_find(name);
	rows_text(rows, "model", "Model", model ? model->name : gabi_cpu_takes_host(cpu) ? "the host's, with these changes" : "base");
	if (model)
		print_model(rows, model);
	if (set)
		rows_text(rows, "since", "Since", set->source);
	if (gabi_model_set_argument(own, text, strlen(text), NULL, &argument, NULL))
		return;
	if (strcmp(argument, text))
		rows_text(rows, "qemu", "QEMU is told", argument);
	gabi_text_free(argument, NULL);
}

static enum status model_show(const struct args *args, const struct gabi_model_set *own)
{
	static const struct column columns[] = { { "WORD" }, { "VALUE", .right = true }, { "MEANS", .wraps = true } };
	const struct gabi_word *word;
	struct gabi_cpu *cpu;
	struct rows rows;
	size_t count;
	enum status status = cpu_parse(args->file[0], own, &cpu);

	if (status)
		return status;
	rows_begin(&rows, args->option[OPTION_JSON]);
	print_head(&rows, args->file[0], own, cpu);
	rows_open(&rows, "words", "Asks for", columns, COUNT_OF(columns));
	word = gabi_cpu_words(cpu, &count);
	for (size_t i = 0; i < count; i++)
		add_word(&rows, &word[i]);
	rows_close(&rows);
	rows_end(&rows);
	gabi_cpu_free(cpu);
	return STATUS_YES;
}

/* ---- diff ---- */

static const char *value_text(const struct gabi_field *field, uint64_t value, char *out, size_t cap)
{
	if (field->kind == GABI_KIND_FLAG)
		return value ? "on" : "off";
	snprintf(out, cap, field->kind == GABI_KIND_TEXT || (int64_t)value > 0xffff ? "0x%" PRIx64 : "%" PRId64, value);
	return out;
}

/* The text of a CPU's name is no ABI that a person wants to read in hexadecimal pieces. */
static bool is_text_piece(const struct gabi_field *field)
{
	return field->kind == GABI_KIND_TEXT && field->key.index >= 0x80000002 && field->key.index <= 0x80000004;
}

static uint64_t value_in(const struct gabi_cpu *cpu, const struct gabi_field *field)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);

	for (size_t i = 0; i < count; i++)
		if (!gabi_key_compare(&word[i].key, &field->key))
			return (uint64_t)gabi_field_get(field, word[i].value);
	return 0;
}

static size_t compare(struct rows *rows, const struct gabi_cpu *a, const struct gabi_cpu *b)
{
	size_t count, found = 0;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		uint64_t one, two;
		char left[24], right[24];

		if (is_text_piece(&field[i]))
			continue;
		one = value_in(a, &field[i]);
		two = value_in(b, &field[i]);
		if (one == two)
			continue;
		rows_add(rows, COLOR_NONE, (const char *[]){ field[i].name, value_text(&field[i], one, left, sizeof(left)),
							      value_text(&field[i], two, right, sizeof(right)) });
		found++;
	}
	return found;
}

static size_t print_diff(const struct args *args, const struct gabi_cpu *a, const struct gabi_cpu *b)
{
	static const struct column columns[] = { { "NAME" }, { "FIRST" }, { "SECOND" } };
	struct rows rows;
	size_t found;

	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_open(&rows, "differences", "Differences", columns, COUNT_OF(columns));
	found = compare(&rows, a, b);
	rows_close(&rows);
	rows_end(&rows);
	return found;
}

static enum status model_diff(const struct args *args, const struct gabi_model_set *own)
{
	struct gabi_cpu *first, *second;
	enum status status = cpu_parse(args->file[0], own, &first);

	if (status)
		return status;
	status = cpu_parse(args->file[1], own, &second);
	if (!status) {
		status = print_diff(args, first, second) ? STATUS_NO : STATUS_YES;
		gabi_cpu_free(second);
	}
	gabi_cpu_free(first);
	return status;
}

/* ---- the whole ---- */

static enum status with_models(const struct args *args, enum status (*run)(const struct args *args, const struct gabi_model_set *own))
{
	struct gabi_model_set *own;
	enum status status = models_load(args, &own);

	if (status)
		return status;
	status = run(args, own);
	gabi_model_set_free(own);
	return status;
}

static enum status sub_list(const struct args *args)
{
	return with_models(args, model_list);
}

static enum status sub_show(const struct args *args)
{
	return with_models(args, model_show);
}

static enum status sub_diff(const struct args *args)
{
	return with_models(args, model_diff);
}

static enum status sub_fit(const struct args *args)
{
	return with_models(args, model_fit);
}

enum status run_model(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "list", sub_list, 0, 1, "list [TEXT]" },
		{ "show", sub_show, 1, 1, "show CPU" },
		{ "diff", sub_diff, 2, 2, "diff CPU CPU" },
		{ "fit", sub_fit, 1, 1, "fit FILE" },
	};

	return run_sub("model", subs, COUNT_OF(subs), args);
}
