/* SPDX-License-Identifier: MIT */
/* gabi model: named CPU models and -cpu arguments, what they hold, how they differ, and which one is nearest to a host. */
#include "load.h"
#include "rows.h"
#include "vmcs.h"

#include <gabi/cpu_string.h>
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

static size_t list_names(const struct args *args)
{
	size_t count, found = 0;
	const struct gabi_model *model = gabi_models(&count);
	const struct gabi_model_alias *alias;

	for (size_t i = 0; i < count; i++)
		if (wanted(args, model[i].name) && ++found)
			printf("%s\n", model[i].name);
	alias = gabi_model_aliases(&count);
	for (size_t i = 0; i < count; i++)
		if (wanted(args, alias[i].name) && ++found)
			printf("%s\n", alias[i].name);
	return found;
}

static size_t list_models(struct rows *rows, const struct args *args)
{
	static const struct column columns[] = { { "MODEL" }, { "PARENT" }, { "SINCE" }, { "CHANGES", .wraps = true } };
	size_t count, found = 0;
	const struct gabi_model *model = gabi_models(&count);

	rows_open(rows, "models", "Models", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		if (!wanted(args, model[i].name))
			continue;
		rows_add(rows, COLOR_NONE, (const char *[]){ model[i].name, model[i].parent, model[i].source, model[i].changes });
		found++;
	}
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

static enum status model_list(const struct args *args)
{
	struct rows rows;
	size_t found;

	if (args->option[OPTION_LIST])
		return list_names(args) ? STATUS_YES : STATUS_NO;
	rows_begin(&rows, args->option[OPTION_JSON]);
	found = list_models(&rows, args);
	found += list_aliases(&rows, args);
	rows_end(&rows);
	return found ? STATUS_YES : STATUS_NO;
}

/* ---- words ---- */

struct set {
	const struct gabi_word *word;
	size_t count;
};

static uint64_t value_of(const struct set *set, const struct gabi_field *field)
{
	for (size_t i = 0; i < set->count; i++)
		if (!gabi_key_compare(&set->word[i].key, &field->key))
			return (uint64_t)gabi_field_get(field, set->word[i].value);
	return 0;
}

static enum status parse(const char *text, struct gabi_cpu **ret_cpu, struct set *ret_set)
{
	struct gabi_diag diag = { 0 };

	if (gabi_cpu_parse(text, strlen(text), NULL, ret_cpu, &diag))
		return complain_diag(NULL, &diag) == STATUS_REFUSED ? STATUS_REFUSED : STATUS_USAGE;
	ret_set->word = gabi_cpu_words(*ret_cpu, &ret_set->count);
	for (size_t i = 0; i < gabi_cpu_note_count(*ret_cpu); i++)
		complain("note: %s", gabi_cpu_note(*ret_cpu, i));
	return STATUS_YES;
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
		fprintf(out, "%s=%" PRIu64, field->name, value);
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

static enum status model_show(const struct args *args)
{
	static const struct column columns[] = { { "WORD" }, { "VALUE", .right = true }, { "MEANS", .wraps = true } };
	const struct gabi_model *model;
	struct gabi_cpu *cpu;
	struct rows rows;
	struct set set;
	enum status status = parse(args->file[0], &cpu, &set);

	if (status)
		return status;
	model = gabi_cpu_model(cpu);
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_text(&rows, "model", "Model", model ? model->name : gabi_cpu_takes_host(cpu) ? "the host's, with these changes" : "base");
	if (model) {
		rows_text(&rows, "since", "Since", model->source);
		if (*model->parent)
			rows_text(&rows, "parent", "Parent", model->parent);
		rows_text(&rows, "changes", "Changes", model->changes);
	}
	rows_open(&rows, "words", "Asks for", columns, COUNT_OF(columns));
	for (size_t i = 0; i < set.count; i++)
		add_word(&rows, &set.word[i]);
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
	snprintf(out, cap, field->kind == GABI_KIND_TEXT || value > 0xffff ? "0x%" PRIx64 : "%" PRIu64, value);
	return out;
}

/* The text of a CPU's name is no ABI that a person wants to read in hexadecimal pieces. */
static bool is_text_piece(const struct gabi_field *field)
{
	return field->kind == GABI_KIND_TEXT && field->key.index >= 0x80000002 && field->key.index <= 0x80000004;
}

static size_t compare(struct rows *rows, const struct set *a, const struct set *b)
{
	size_t count, found = 0;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		uint64_t one, two;
		char left[24], right[24];

		if (gabi_space_arch(field[i].key.space) != GABI_ARCH_X86 || is_text_piece(&field[i]))
			continue;
		one = value_of(a, &field[i]);
		two = value_of(b, &field[i]);
		if (one == two)
			continue;
		rows_add(rows, COLOR_NONE, (const char *[]){ field[i].name, value_text(&field[i], one, left, sizeof(left)),
							      value_text(&field[i], two, right, sizeof(right)) });
		found++;
	}
	return found;
}

static enum status model_diff(const struct args *args)
{
	static const struct column columns[] = { { "NAME" }, { "FIRST" }, { "SECOND" } };
	struct gabi_cpu *first, *second;
	struct rows rows;
	struct set a, b;
	size_t found;
	enum status status = parse(args->file[0], &first, &a);

	if (status)
		return status;
	status = parse(args->file[1], &second, &b);
	if (status) {
		gabi_cpu_free(first);
		return status;
	}
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_open(&rows, "differences", "Differences", columns, COUNT_OF(columns));
	found = compare(&rows, &a, &b);
	rows_close(&rows);
	rows_end(&rows);
	gabi_cpu_free(first);
	gabi_cpu_free(second);
	return found ? STATUS_NO : STATUS_YES;
}

/* ---- fit ---- */

/* A model beside a host: how many of its features the host lacks, and what the host has beyond it. */
struct fit {
	const struct gabi_model *model;
	size_t lacks, beyond;
	bool same_vendor;
};

/* Is it a feature that QEMU's command line can switch, of the CPU itself? */
static bool is_switch(const struct gabi_field *field)
{
	return field->key.space == GABI_SPACE_CPUID && field->kind == GABI_KIND_FLAG && !strncmp(field->source, "QEMU", 4);
}

/* Does QEMU with KVM give the feature to a guest of the model, where the host has it? */
static bool gives(const struct set *model, const struct gabi_field *field)
{
	static const struct {
		const char *name;
		bool on;
	} defaults[] = {
#define GABI_KVM_DEFAULT_ROW(name, value) { name, value },
#include <models/qemu_option.def>
	};

	for (size_t i = 0; i < COUNT_OF(defaults); i++)
		if (!strcmp(field->name, defaults[i].name))
			return defaults[i].on;
	return value_of(model, field);
}

/* QEMU shows it to every guest, whatever the host has. */
static bool is_given(const struct gabi_field *field)
{
	return !strcmp(field->name, "hypervisor");
}

static struct fit fit_of(const struct gabi_model *model, const struct set *host)
{
	struct fit fit = { .model = model, .same_vendor = true };
	struct set own;
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	own.word = gabi_model_words(model, &own.count);
	for (size_t i = 0; i < count; i++) {
		if (field[i].rule == GABI_RULE_VENDOR && value_of(&own, &field[i]) != value_of(host, &field[i]))
			fit.same_vendor = false;
		if (!is_switch(&field[i]) || is_given(&field[i]))
			continue;
		fit.lacks += gives(&own, &field[i]) && !value_of(host, &field[i]);
		fit.beyond += value_of(host, &field[i]) && !gives(&own, &field[i]);
	}
	return fit;
}

/* The host's own vendor first, then the fewest differences, then the order of the table's newest. */
static int by_distance(const void *a, const void *b)
{
	const struct fit *x = a, *y = b;
	size_t left = x->lacks + x->beyond, right = y->lacks + y->beyond;

	if (x->same_vendor != y->same_vendor)
		return x->same_vendor ? -1 : 1;
	if (left != right)
		return left < right ? -1 : 1;
	return x->model < y->model ? 1 : -1;
}

/* "Model,-a,+b" */
static void print_argument(FILE *out, const struct gabi_model *model, const struct set *host)
{
	struct set own;
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	own.word = gabi_model_words(model, &own.count);
	fputs(model->name, out);
	for (size_t i = 0; i < count; i++) {
		if (is_switch(&field[i]) && !is_given(&field[i]) && !gives(&own, &field[i]) != !value_of(host, &field[i]))
			fprintf(out, ",%c%s", gives(&own, &field[i]) ? '-' : '+', field[i].name);
	}
}

static void show_fits(struct rows *rows, const struct fit *fits, size_t count)
{
	static const struct column columns[] = { { "MODEL" }, { "HOST LACKS", .right = true }, { "HOST HAS MORE", .right = true } };

	rows_open(rows, "models", "Nearest models", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		char lacks[24], beyond[24];

		snprintf(lacks, sizeof(lacks), "%zu", fits[i].lacks);
		snprintf(beyond, sizeof(beyond), "%zu", fits[i].beyond);
		rows_add(rows, COLOR_NONE, (const char *[]){ fits[i].model->name, lacks, beyond });
	}
	rows_close(rows);
}

static enum status fit_host(const struct args *args, const struct set *host)
{
	size_t count, len, kept = 0;
	const struct gabi_model *model = gabi_models(&count);
	struct fit *fits = calloc(count, sizeof(*fits));
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	struct rows rows;

	if (!fits || !out) {
		free(fits);
		if (out)
			fclose(out);
		free(text);
		complain("out of memory");
		return STATUS_REFUSED;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(model[i].source, "gabi")) /* QEMU has to know it */
			fits[kept++] = fit_of(&model[i], host);
	qsort(fits, kept, sizeof(*fits), by_distance);
	print_argument(out, fits[0].model, host);
	fclose(out);
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_text(&rows, "cpu", "Nearest, made the same", text ? text : "out of memory");
	show_fits(&rows, fits, args->option[OPTION_ALL] || kept < 5 ? kept : 5);
	rows_end(&rows);
	free(fits);
	free(text);
	return STATUS_YES;
}

static enum status model_fit(const struct args *args)
{
	struct gabi_contract *contract;
	struct gabi_host *host;
	struct set set;
	enum status status = load_any(args, args->file[0], &contract, &host);

	if (status)
		return status;
	if ((contract ? gabi_contract_arch(contract) : gabi_host_arch(host)) == GABI_ARCH_X86) {
		set.word = contract ? gabi_contract_words(contract, &set.count) : gabi_host_words(host, &set.count);
		status = fit_host(args, &set);
	} else {
		complain("%s: is not of x86; the named models are", args->file[0]);
		status = STATUS_INPUT;
	}
	gabi_contract_free(contract);
	gabi_host_free(host);
	return status;
}

enum status run_model(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "list", model_list, 0, 1, "list [TEXT]" },
		{ "show", model_show, 1, 1, "show CPU" },
		{ "diff", model_diff, 2, 2, "diff CPU CPU" },
		{ "fit", model_fit, 1, 1, "fit FILE" },
	};

	return run_sub("model", subs, COUNT_OF(subs), args);
}
