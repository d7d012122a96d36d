/* SPDX-License-Identifier: MIT */
/* The CPU that libvirt's host-model is, by libvirt's own rules: libvirt 11.3 src/cpu/cpu_x86.c, x86Decode and what it calls. */
#include "formats/libvirt_host.h"

#include "formats/libvirt.h"

#include <gabi/vocab.h>

#include <string.h>

#define PENALTY 2 /* BASE_PENALTY: what the first feature counts that a model has and the host does not */

static const struct candidate {
	const char *name, *vendor, *signatures;
} candidates[] = {
#define GABI_LIBVIRT_HOST_ROW(of_name, of_vendor, list) { of_name, of_vendor, list },
#include <models/libvirt.def>
};

static const struct {
	const char *model, *features;
} less[] = {
#define GABI_LIBVIRT_LESS_ROW(of_model, names) { of_model, names },
#include <models/libvirt.def>
};

static const struct {
	const char *model, *feature;
} removed[] = {
#define GABI_LIBVIRT_REMOVED_ROW(of_model, name) { of_model, name },
#include <models/libvirt.def>
};

static const char *const unsaid[] = {
#define GABI_LIBVIRT_UNSAID_ROW(name) name,
#define GABI_LIBVIRT_UNKNOWN_ROW(name) name,
#include <models/libvirt.def>
};

/* QEMU with KVM takes these from every named model; of them libvirt hears as what keeps a model from being used. */
static const struct {
	const char *name;
	bool on;
} defaults[] = {
#define GABI_KVM_DEFAULT_ROW(name, value) { name, value },
#include <models/qemu_option.def>
};

/* ---- bits ---- */

struct set {
	const struct gabi_word *word;
	size_t count;
};

/* Fields and words are both sorted by key: `at` goes along with the fields that are asked for, from 0. */
static bool has(const struct set *set, const struct gabi_field *field, size_t *at)
{
	while (*at < set->count && gabi_key_order(&set->word[*at].key, &field->key) < 0)
		++*at;
	return *at < set->count && !gabi_key_order(&set->word[*at].key, &field->key) && set->word[*at].value >> field->lo & 1;
}

static uint64_t value_of(const struct set *set, uint64_t leaf, unsigned part)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = leaf, .part = (uint16_t)part };

	for (size_t i = 0; i < set->count; i++)
		if (!gabi_key_order(&set->word[i].key, &key))
			return set->word[i].value;
	return 0;
}

static bool is_word_of(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; *at; at += strspn(at, " ")) {
		size_t own = strcspn(at, " ");

		if (own == len && !memcmp(at, name, len))
			return true;
		at += own;
	}
	return false;
}

/* A feature that libvirt has a name for, and tells QEMU of. */
static bool is_feature(const struct gabi_field *field)
{
	static const uint64_t amd_copies = 0x0183f3ff; /* of CPUID 1 EDX in 0x80000001 EDX: QEMU's by themselves */
	const char *name;

	if (field->bits != 1 || field->kind != GABI_KIND_FLAG || strncmp(field->source, "QEMU", 4) ||
	    (field->key.space != GABI_SPACE_CPUID && field->key.space != GABI_SPACE_MSR))
		return false;
	if (field->key.index == 0x80000001 && field->key.part == GABI_EDX && amd_copies >> field->lo & 1)
		return false;
	name = gabi_libvirt_name(field->name);
	for (size_t i = 0; i < GABI_COUNT_OF(unsaid); i++)
		if (!strcmp(name, unsaid[i]))
			return false;
	return true;
}

/* ---- a candidate ---- */

struct measured {
	const struct candidate *candidate;
	size_t on, off;    /* what must be said of it */
	bool is_same_part; /* of the host's family and model */
};

/* libvirt's models are without VMX, and QEMU's have vmx itself off, which takes the rest along. */
static bool is_vmx(const struct gabi_field *field)
{
	return field->key.space == GABI_SPACE_MSR && field->key.index >= 0x480 && field->key.index <= 0x491;
}

/* Does libvirt's model have the feature, where QEMU's of that name does? */
static bool libvirt_has(bool qemus, const char *lacks, const struct gabi_field *field)
{
	return qemus && !is_vmx(field) && strcmp(field->name, "hypervisor") && !is_word_of(lacks, gabi_libvirt_name(field->name));
}

/* Does the guest, as KVM leaves the model? */
static bool guest_has(bool qemus, const struct gabi_field *field)
{
	for (size_t i = 0; qemus && i < GABI_COUNT_OF(defaults); i++)
		if (!strcmp(field->name, defaults[i].name))
			return defaults[i].on;
	return qemus && !is_vmx(field);
}

static const char *lacks_of(const struct gabi_model *model)
{
	for (size_t i = 0; i < GABI_COUNT_OF(less); i++)
		if (!strcmp(less[i].model, model->name))
			return less[i].features;
	return "";
}

static bool is_removed(const char *model, const struct gabi_field *field)
{
	for (size_t i = 0; i < GABI_COUNT_OF(removed); i++)
		if (!strcmp(removed[i].model, model) && !strcmp(removed[i].feature, gabi_libvirt_name(field->name)))
			return true;
	return false;
}

enum said { SAID_NOT, SAID_ON, SAID_OFF };

/* What libvirt says of a feature beside that model's name. */
static enum said said_of(const struct candidate *candidate, const struct gabi_field *field, bool qemus, const char *lacks, bool on)
{
	bool mine = libvirt_has(qemus, lacks, field);

	if (on)
		return mine ? SAID_NOT : SAID_ON;
	return mine || guest_has(qemus, field) || is_removed(candidate->name, field) ? SAID_OFF : SAID_NOT;
}

/* libvirt drops TSX where the CPU's own is broken: x86DataFilterTSX. */
static bool is_broken(const struct gabi_field *field, const struct set *host)
{
	uint64_t signature = value_of(host, 1, GABI_EAX);
	unsigned family = signature >> 8 & 0xf, model = (unsigned)(signature >> 4 & 0xf) | (unsigned)(signature >> 12 & 0xf0);

	return (!strcmp(field->name, "hle") || !strcmp(field->name, "rtm")) && family == 6 &&
	       (model == 60 || model == 69 || model == 70 || (model == 63 && (signature & 0xf) < 4));
}

/* The features that libvirt has names for, and whether the host has them; found once for all candidates. */
struct features {
	size_t count;
	struct feature {
		const struct gabi_field *field;
		bool on;
	} at[GABI_LIBVIRT_FEATURES];
};

static void find_features(struct features *features, const struct set *host)
{
	size_t count, at = 0;
	const struct gabi_field *field = gabi_fields(&count);

	features->count = 0;
	for (size_t i = 0; i < count && features->count < GABI_LIBVIRT_FEATURES; i++)
		if (is_feature(&field[i]))
			features->at[features->count++] = (struct feature){ &field[i], has(host, &field[i], &at) && !is_broken(&field[i], host) };
}

static bool take_decimal(const char **at, unsigned *ret_number)
{
	const char *from = *at;

	for (*ret_number = 0; **at >= '0' && **at <= '9'; ++*at)
		*ret_number = 10 * *ret_number + (unsigned)(**at - '0');
	return *at > from;
}

/* "6:85:0-4 6:94": is the host's one of these? */
static bool is_signed(const char *signatures, const struct set *host)
{
	uint64_t signature = value_of(host, 1, GABI_EAX);
	unsigned base = signature >> 8 & 0xf, family = base + (base == 15 ? (unsigned)(signature >> 20 & 0xff) : 0);
	unsigned model = (unsigned)(signature >> 4 & 0xf) | (unsigned)(signature >> 12 & 0xf0), stepping = signature & 0xf;

	for (const char *at = signatures; *at; at += *at == ' ') {
		unsigned of_family, of_model, first = 0, last = 15;

		take_decimal(&at, &of_family);
		at++;
		take_decimal(&at, &of_model);
		if (*at == ':') {
			at++;
			take_decimal(&at, &first);
			last = first;
			if (*at == '-') {
				at++;
				take_decimal(&at, &last);
			}
		}
		if (of_family == family && of_model == model && stepping >= first && stepping <= last)
			return true;
	}
	return false;
}

static struct measured measure(const struct candidate *candidate, const struct gabi_model *model, const struct features *features,
			       const struct set *host)
{
	struct measured measured = { .candidate = candidate, .is_same_part = is_signed(candidate->signatures, host) };
	const char *lacks = lacks_of(model);
	struct set words;
	size_t at = 0;

	words.word = gabi_model_words(model, &words.count);
	for (size_t i = 0; i < features->count; i++) {
		const struct gabi_field *field = features->at[i].field;
		enum said said = said_of(candidate, field, has(&words, field, &at), lacks, features->at[i].on);

		measured.on += said == SAID_ON;
		measured.off += said == SAID_OFF;
	}
	return measured;
}

/*
 * What a list of features costs: one for each that is on, more for each that is off than for the last. libvirt's loop shortens the list
 * while it walks it, so that it meets only half of those that are off, rounded up, and counts the rest as if they were on.
 */
static size_t cost_of(const struct measured *measured, size_t *ret_off)
{
	size_t met = (measured->off + 1) / 2;

	*ret_off = met * PENALTY + met * (met ? met - 1 : 0) / 2;
	return measured->on + measured->off - met + *ret_off;
}

/* virCPUx86CompareCandidateFeatureList, behind the signatures. */
static bool is_better(const struct measured *candidate, const struct measured *current)
{
	size_t off, off_current, cost, cost_current;

	if (!current->candidate)
		return true;
	if (candidate->is_same_part != current->is_same_part)
		return candidate->is_same_part;
	cost = cost_of(candidate, &off);
	cost_current = cost_of(current, &off_current);
	return cost < cost_current || (cost == cost_current && off < off_current);
}

static bool is_other_vendor(const struct candidate *candidate, const struct set *host)
{
	static const struct {
		const char *name;
		uint32_t ebx; /* the first four letters */
	} vendors[] = { { "Intel", 0x756e6547 }, { "AMD", 0x68747541 }, { "Hygon", 0x6f677948 } };
	uint64_t own = value_of(host, 0, GABI_EBX);
	const char *known = NULL;

	for (size_t i = 0; i < GABI_COUNT_OF(vendors); i++)
		if (own == vendors[i].ebx)
			known = vendors[i].name;
	return known && *candidate->vendor && strcmp(known, candidate->vendor);
}

static void list_features(struct gabi_libvirt_cpu *cpu, const struct candidate *candidate, const struct features *features)
{
	const struct gabi_model *model = gabi_model_find(candidate->name);
	const char *lacks = lacks_of(model);
	struct set words;
	size_t at = 0;

	words.word = gabi_model_words(model, &words.count);
	cpu->model = candidate->name;
	for (size_t i = 0; i < features->count; i++) {
		const struct gabi_field *field = features->at[i].field;
		enum said said = said_of(candidate, field, has(&words, field, &at), lacks, features->at[i].on);

		if (said != SAID_NOT)
			cpu->features[cpu->count++] = (struct gabi_libvirt_feature){ field->name, said == SAID_ON };
	}
}

bool gabi_libvirt_decode(const struct gabi_word *word, size_t count, bool (*usable)(void *ctx, const struct gabi_model *model, const char *name),
			 void *ctx, struct gabi_libvirt_cpu *ret_cpu)
{
	const struct set host = { word, count };
	struct measured best = { .candidate = NULL };
	struct features features;

	find_features(&features, &host);
	for (size_t i = GABI_COUNT_OF(candidates); i; i--) { /* the newest first, as libvirt */
		const struct candidate *candidate = &candidates[i - 1];
		const struct gabi_model *model = gabi_model_find(candidate->name);
		struct measured measured;

		if (!model || !usable(ctx, model, candidate->name) || is_other_vendor(candidate, &host))
			continue;
		measured = measure(candidate, model, &features, &host);
		if (is_better(&measured, &best))
			best = measured;
	}
	*ret_cpu = (struct gabi_libvirt_cpu){ .count = 0 };
	if (best.candidate)
		list_features(ret_cpu, best.candidate, &features);
	return best.candidate;
}

struct gabi_libvirt_difference gabi_libvirt_compare(const struct gabi_model *model, const struct gabi_word *word, size_t count,
						    bool (*is_named)(void *ctx, const char *name), void *ctx)
{
	struct gabi_libvirt_difference difference = { .missing = NULL };
	const struct set host = { word, count };
	const char *lacks = lacks_of(model);
	struct features features;
	struct set words;
	size_t at = 0;

	find_features(&features, &host);
	words.word = gabi_model_words(model, &words.count);
	for (size_t i = 0; i < features.count; i++) {
		const struct gabi_field *field = features.at[i].field;
		bool mine = libvirt_has(has(&words, field, &at), lacks, field), theirs = features.at[i].on;

		if (mine == theirs || is_named(ctx, field->name))
			continue;
		if (mine && !difference.missing_count++)
			difference.missing = field;
		if (theirs && !difference.extra_count++)
			difference.extra = field;
	}
	return difference;
}
