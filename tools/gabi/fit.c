/* SPDX-License-Identifier: MIT */
/* gabi model fit: the named model nearest to a host, or to a contract, and what to add and to remove. */
#include "fit_hyperv.h"
#include "load.h"
#include "models.h"
#include "rows.h"

#include <gabi/vocab.h>

#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

struct set {
	const struct gabi_word *word;
	size_t count;
};

/* What is to be fitted: one of the two, its architecture and its words. */
struct subject {
	struct gabi_contract *contract;
	struct gabi_host *host;
	enum gabi_arch arch;
	struct set words;
};

static uint64_t value_of(const struct set *set, const struct gabi_field *field)
{
	for (size_t i = 0; i < set->count; i++)
		if (!gabi_key_compare(&set->word[i].key, &field->key))
			return (uint64_t)gabi_field_get(field, set->word[i].value);
	return 0;
}

/* A model beside a host: how many of its features the host lacks, and what the host has beyond it. */
struct fit {
	const char *name;
	size_t lacks, beyond, order;
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

/* A field of an ID register that a host can have more of, or less. */
static bool is_level(const struct gabi_field *field)
{
	return field->key.space == GABI_SPACE_ARM64 && (field->rule == GABI_RULE_AT_MOST || field->rule == GABI_RULE_SUBSET);
}

static bool is_same_part(const struct gabi_field *field)
{
	return !strcmp(field->name, "midr.implementer") || !strcmp(field->name, "midr.partnum");
}

/* The same for arm64: a model of the host's own part first. Of a part alone, which is all that libvirt's models are, no more is known. */
static struct fit fit_arm64(const char *name, const struct set *own, const struct set *host)
{
	struct fit fit = { .name = name, .same_vendor = true };
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		int64_t mine, theirs;

		if (is_same_part(&field[i]) && value_of(own, &field[i]) != value_of(host, &field[i]))
			fit.same_vendor = false;
		if (!is_level(&field[i]))
			continue;
		mine = (int64_t)value_of(own, &field[i]);
		theirs = (int64_t)value_of(host, &field[i]);
		fit.lacks += mine > theirs;
		fit.beyond += theirs > mine;
	}
	return fit;
}

static struct fit fit_of(const char *name, const struct set *own, const struct set *host)
{
	struct fit fit = { .name = name, .same_vendor = true };
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		if (field[i].rule == GABI_RULE_VENDOR && value_of(own, &field[i]) != value_of(host, &field[i]))
			fit.same_vendor = false;
		if (!is_switch(&field[i]) || is_given(&field[i]))
			continue;
		fit.lacks += gives(own, &field[i]) && !value_of(host, &field[i]);
		fit.beyond += value_of(host, &field[i]) && !gives(own, &field[i]);
	}
	return fit;
}

/* The host's own vendor first, then the fewest differences, then the newest: a user's own, then the table's last. */
static int by_distance(const void *a, const void *b)
{
	const struct fit *x = a, *y = b;
	size_t left = x->lacks + x->beyond, right = y->lacks + y->beyond;

	if (x->same_vendor != y->same_vendor)
		return x->same_vendor ? -1 : 1;
	if (left != right)
		return left < right ? -1 : 1;
	return x->order < y->order ? 1 : -1;
}

/* "Model,-a,+b" */
static void print_argument(FILE *out, const char *name, const struct set *own, const struct set *host)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	fputs(name, out);
	for (size_t i = 0; i < count; i++) {
		if (is_switch(&field[i]) && !is_given(&field[i]) && !gives(own, &field[i]) != !value_of(host, &field[i]))
			fprintf(out, ",%c%s", gives(own, &field[i]) ? '-' : '+', field[i].name);
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
		rows_add(rows, COLOR_NONE, (const char *[]){ fits[i].name, lacks, beyond });
	}
	rows_close(rows);
}

/* ---- the whole ---- */

struct fits {
	struct fit *at;
	size_t count;
};

/* Measures the models of one list that QEMU can be told: its own by their words, a user's by what they stand for. */
static enum status measure(struct fits *fits, const struct gabi_model *model, size_t count, const struct gabi_model_set *own,
			   enum gabi_arch arch, const struct set *host)
{
	for (size_t i = 0; i < count; i++) {
		struct gabi_cpu *cpu;
		struct set words;
		enum status status;

		if (!strcmp(model[i].source, "gabi") || model[i].arch != arch)
			continue;
		status = cpu_parse(model[i].name, own, &cpu);
		if (status)
			return status;
		words.word = gabi_cpu_words(cpu, &words.count);
		fits->at[fits->count] = (arch == GABI_ARCH_X86 ? fit_of : fit_arm64)(model[i].name, &words, host);
		fits->at[fits->count].order = fits->count;
		fits->count++;
		gabi_cpu_free(cpu);
	}
	return STATUS_YES;
}

static enum status show_nearest(const struct args *args, const struct gabi_model_set *own, const struct fits *fits, const struct subject *subject)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct gabi_cpu *cpu;
	struct rows rows;
	struct set words;
	enum status status = out ? cpu_parse(fits->at[0].name, own, &cpu) : STATUS_REFUSED;

	if (!status) {
		words.word = gabi_cpu_words(cpu, &words.count);
		if (subject->arch == GABI_ARCH_X86)
			print_argument(out, fits->at[0].name, &words, &subject->words);
		else
			fputs("host: with KVM the CPU is the host's own", out);
		gabi_cpu_free(cpu);
	}
	if (out)
		fclose(out);
	if (!text)
		complain("out of memory");
	if (!status) {
		rows_begin(&rows, args->option[OPTION_JSON]);
		rows_text(&rows, "cpu", "Nearest, made the same", text);
		show_fits(&rows, fits->at, args->option[OPTION_ALL] || fits->count < 5 ? fits->count : 5);
		if (subject->arch == GABI_ARCH_X86)
			show_hyperv_fits(&rows, subject->contract, subject->host, args->option[OPTION_ALL]);
		rows_end(&rows);
	}
	free(text);
	return status;
}

static enum status fit_subject(const struct args *args, const struct gabi_model_set *own, const struct subject *subject)
{
	size_t count, more;
	const struct gabi_model *model = gabi_models(&count), *users = gabi_model_set_models(own, &more);
	struct fits fits = { .at = calloc(count + more, sizeof(*fits.at)) };
	enum status status = fits.at ? measure(&fits, model, count, own, subject->arch, &subject->words) : STATUS_REFUSED;

	if (!fits.at)
		complain("out of memory");
	if (!status)
		status = measure(&fits, users, more, own, subject->arch, &subject->words);
	if (!status) {
		qsort(fits.at, fits.count, sizeof(*fits.at), by_distance);
		status = show_nearest(args, own, &fits, subject);
	}
	free(fits.at);
	return status;
}

enum status model_fit(const struct args *args, const struct gabi_model_set *own)
{
	struct subject subject;
	enum status status = load_any(args, args->file[0], &subject.contract, &subject.host);

	if (status)
		return status;
	subject.arch = subject.contract ? gabi_contract_arch(subject.contract) : gabi_host_arch(subject.host);
	subject.words.word = subject.contract ? gabi_contract_words(subject.contract, &subject.words.count) :
						gabi_host_words(subject.host, &subject.words.count);
	status = fit_subject(args, own, &subject);
	gabi_contract_free(subject.contract);
	gabi_host_free(subject.host);
	return status;
}
