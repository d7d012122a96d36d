/* SPDX-License-Identifier: MIT */
/* Contracts from hosts: pinning, and what both pinning and a baseline do to their words. */
#include "contract/pin.h"

#include "contract/evmcs.h"
#include "vocab/module.h"

#include <string.h>

uint64_t gabi_word_off(const struct gabi_key *key, uint64_t value, bool (*is_off)(const struct gabi_field *, const void *),
		       const void *ctx)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	for (size_t i = 0; i < count; i++)
		if (is_off(&field[i], ctx))
			value = (value & ~(gabi_mask(field[i].bits) << field[i].lo)) | field[i].absent << field[i].lo;
	return value;
}

static bool promises(const struct gabi_words *words, const struct gabi_field *field)
{
	const struct gabi_word *word = gabi_words_find(words, &field->key, GABI_VP_ALL);

	return word && ((word->value >> field->lo) & gabi_mask(field->bits)) != field->absent;
}

static bool is_pointless(const struct gabi_field *field, const void *ctx)
{
	const struct gabi_field *gate = gabi_field_when(field);

	return gate && !promises(ctx, gate);
}

/* Can the guest reach the register at all? */
static bool is_reachable(const struct gabi_words *words, const struct gabi_word *word)
{
	const struct gabi_reg *reg = gabi_reg_of(&word->key);
	const struct gabi_field *gate = reg ? gabi_reg_when(reg) : NULL;

	return !gate || promises(words, gate);
}

/* Switching one field off can make another pointless: repeat until nothing changes. Each round switches off at least one
 * field, so that the number of rounds is bounded by the depth of the conditions. */
void gabi_words_prune(struct gabi_words *words)
{
	bool changed = true;

	while (changed) {
		size_t kept = 0;

		changed = false;
		for (size_t i = 0; i < words->count; i++) {
			struct gabi_word *word = &words->at[i];
			uint64_t value = gabi_word_off(&word->key, word->value, is_pointless, words);

			changed |= value != word->value;
			word->value = value;
		}
		for (size_t i = 0; i < words->count; i++) {
			bool keep = is_reachable(words, &words->at[i]);

			changed |= !keep;
			words->at[kept] = words->at[i];
			kept += keep;
		}
		words->count = kept;
	}
}

/* ---- what to leave out ---- */

struct minus {
	const struct gabi_field *const *fields;
	size_t count;
};

static bool is_named(const struct gabi_field *field, const void *ctx)
{
	const struct minus *minus = ctx;

	for (size_t i = 0; i < minus->count; i++)
		if (minus->fields[i] == field)
			return true;
	return false;
}

static bool is_minus(const struct gabi_field *field, const void *ctx)
{
	return is_named(field, ctx) || field->rule == GABI_RULE_FREE || field->rule == GABI_RULE_ZERO ||
	       field->rule == GABI_RULE_OFFERED || field->rule == GABI_RULE_ON_REQUEST;
}

/* A name of options->minus: a field, or a whole space ("hyperv"). */
struct left_out {
	const struct gabi_field **fields;
	size_t count;
	bool space[GABI_SPACE_COUNT];
};

/* ---- what goes with what is left out ---- */

static const struct {
	struct gabi_key key;
	uint64_t bits;
	const char *needed;
} needs[] = {
#define GABI_NEEDS_ROW(name, of_space, leaf, subleaf, reg, mask) \
	{ { .space = GABI_SPACE_##of_space, .part = reg, .sub = subleaf, .index = leaf }, mask, name },
#include <models/needs.def>
};

static const struct {
	const char *name, *needed;
} names_need[] = {
#define GABI_HV_NEEDS_ROW(name, other) { name, other },
#define GABI_STATE_NEEDS_ROW(name, other) { name, other },
#include <models/needs.def>
};

static bool is_out(const struct left_out *out, const struct gabi_field *field)
{
	for (size_t i = 0; i < out->count; i++)
		if (out->fields[i] == field)
			return true;
	return false;
}

static bool name_is_out(const struct left_out *out, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);

	return field && is_out(out, field);
}

static void leave_out(struct left_out *out, const struct gabi_field *field)
{
	if (!is_out(out, field))
		out->fields[out->count++] = field;
}

/* What goes may take more with it: until nothing does. Each field is left out once. */
static void leave_out_dependents(struct left_out *out)
{
	size_t before, count;

	do {
		before = out->count;
		for (size_t i = 0; i < GABI_COUNT_OF(needs); i++) {
			const struct gabi_field *field = gabi_fields_of(&needs[i].key, &count);

			for (size_t j = 0; name_is_out(out, needs[i].needed) && j < count; j++)
				if (needs[i].bits & gabi_mask(field[j].bits) << field[j].lo)
					leave_out(out, &field[j]);
		}
		for (size_t i = 0; i < GABI_COUNT_OF(names_need); i++)
			if (name_is_out(out, names_need[i].needed))
				leave_out(out, gabi_field_by_name(names_need[i].name, GABI_ARCH_X86));
	} while (out->count > before);
}

/* ---- the size of XSAVE's area ---- */

#define LEGACY_AREA 576u /* of x87 and SSE, with the header */

static uint64_t leaf_d(const struct gabi_words *words, uint32_t sub, unsigned reg, unsigned vp)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)reg, .sub = sub, .index = 0xd };
	const struct gabi_word *word = gabi_words_find(words, &key, vp);

	if (!word)
		word = gabi_words_find(words, &key, GABI_VP_ALL);
	return word ? word->value : 0;
}

/* Where the last component of XCR0 ends that the words promise; UINT64_MAX if they do not say. */
static uint64_t xsave_area(const struct gabi_words *words, unsigned vp)
{
	uint64_t user = leaf_d(words, 0, GABI_EAX, vp) | leaf_d(words, 0, GABI_EDX, vp) << 32, end = LEGACY_AREA;

	for (uint32_t i = 2; i < 63; i++) {
		uint64_t size = leaf_d(words, i, GABI_EAX, vp), last = leaf_d(words, i, GABI_EBX, vp) + size;

		if (!(user >> i & 1))
			continue;
		if (!size)
			return UINT64_MAX;
		end = last > end ? last : end;
	}
	return end;
}

static bool is_of_leaf_d(const struct gabi_key *key, unsigned reg)
{
	return key->space == GABI_SPACE_CPUID && key->index == 0xd && key->sub == 0 && key->part == reg;
}

/* Without a component of XCR0 the area is smaller, and a host that never had the component tells no larger one. */
static void shrink_xsave_area(const struct left_out *out, struct gabi_words *words)
{
	bool less = false;

	for (size_t i = 0; i < out->count; i++)
		less |= is_of_leaf_d(&out->fields[i]->key, GABI_EAX) || is_of_leaf_d(&out->fields[i]->key, GABI_EDX);
	for (size_t i = 0; less && i < words->count; i++) {
		uint64_t area = is_of_leaf_d(&words->at[i].key, GABI_ECX) ? xsave_area(words, words->at[i].vp) : UINT64_MAX;

		if (area < words->at[i].value)
			words->at[i].value = area;
	}
}

static int find_minus(enum gabi_arch arch, const struct gabi_pin_options *options, struct left_out *out, struct gabi_diag *diag)
{
	for (size_t i = 0; i < options->minus_count; i++) {
		const char *name = options->minus[i];
		const struct gabi_field *field = gabi_field_by_name(name, arch);
		unsigned space = field ? GABI_SPACE_NONE : gabi_space_of(name, strlen(name));
		bool known = field != NULL;

		for (unsigned n = 0; field && n < GABI_FIELDS_OF_NAME; n++, field = gabi_field_by_name_next(name, arch, field))
			leave_out(out, field);
		if (space != GABI_SPACE_NONE)
			out->space[space] = true;
		else if (!known)
			return gabi_fail(diag, GABI_ERR_UNKNOWN, "there is no feature \"", name, "\" on ",
					 gabi_arch_text(arch), "; gabi names lists those there are", (char *)NULL);
	}
	if (arch == GABI_ARCH_X86 && out->count)
		leave_out_dependents(out);
	return 0;
}

/* A row that only says what a VMM could use is no promise. */
static bool is_offered_only(const struct gabi_word *word)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	for (size_t i = 0; i < count; i++)
		if (field[i].rule != GABI_RULE_OFFERED && field[i].rule != GABI_RULE_ON_REQUEST)
			return false;
	return count > 0;
}

uint64_t gabi_msr_at_start(const struct gabi_host *host, const struct gabi_word *offer)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR_DEFAULT, .index = offer->key.index };
	const struct gabi_word *start = gabi_host_find(host, &key);

	return start ? (offer->value & offer->settable) | (start->value & ~offer->settable) : offer->value;
}

/* Hyper-V's leaves with eVMCS are listed beside those without: the ones are taken as the others. */
static void choose_leaves(struct gabi_key *key, bool evmcs)
{
	if (evmcs && key->space == GABI_SPACE_HYPERV)
		key->space = GABI_SPACE_NONE;
	else if (evmcs && key->space == GABI_SPACE_HYPERV_EVMCS)
		key->space = GABI_SPACE_HYPERV;
}

int gabi_words_filter_evmcs(const struct gabi_host *host, const struct gabi_evmcs_guest *guest, struct gabi_words *words,
			    struct gabi_diag *diag)
{
	for (size_t i = 0; i < words->count; i++) {
		uint64_t left = UINT64_MAX;

		if (words->at[i].value & gabi_evmcs_asks(guest, &words->at[i]) && !gabi_evmcs_left(host, guest, &words->at[i], &left))
			return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "what the host's kernel takes away with the enlightened VMCS is "
					 "not known: the manifest names no release since 5.10", (char *)NULL);
		words->at[i].value &= left;
	}
	return 0;
}

static int filter_words(const struct gabi_host *host, struct gabi_words *words, struct gabi_diag *diag)
{
	const struct gabi_key interface = { .space = GABI_SPACE_HYPERV, .part = GABI_EAX, .index = 0x40000001 };
	const struct gabi_key nested = { .space = GABI_SPACE_HYPERV, .part = GABI_EBX, .index = 0x4000000a };
	const struct gabi_word *features = gabi_words_find(words, &nested, GABI_VP_ALL);
	const struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = gabi_words_find(words, &interface, GABI_VP_ALL) != NULL,
						.perf_global = features && features->value & 1 };

	if (!features)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "the host offers no enlightened VMCS, or its manifest does not say so",
				 (char *)NULL);
	return gabi_words_filter_evmcs(host, &guest, words, diag);
}

static int take_words(const struct gabi_host *host, const struct left_out *out, bool evmcs, const struct gabi_mem *mem,
		      struct gabi_words *words)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(host, &count);
	const struct minus minus = { out->fields, out->count };

	for (size_t i = 0; i < count; i++) {
		struct gabi_word taken = word[i];

		choose_leaves(&taken.key, evmcs);
		if (!gabi_space_is_promise(taken.key.space) || out->space[taken.key.space] || is_offered_only(&taken))
			continue;
		if (taken.key.space == GABI_SPACE_MSR)
			taken.value = gabi_msr_at_start(host, &word[i]);
		taken.settable = 0;
		taken.flags = 0;
		taken.value = gabi_word_off(&taken.key, taken.value, is_minus, &minus) & gabi_mask(taken.bits);
		if (gabi_words_add(words, mem, &taken))
			return GABI_ERR_NOMEM;
	}
	return 0;
}

int gabi_host_promises(const struct gabi_host *host, const struct gabi_mem *mem, struct gabi_words *words)
{
	static const struct left_out nothing = { 0 };

	return take_words(host, &nothing, false, mem, words);
}

uint64_t gabi_word_promised(const struct gabi_key *key, uint64_t value)
{
	static const struct minus none = { 0 };

	return gabi_word_off(key, value, is_minus, &none);
}

int gabi_contract_of_words(enum gabi_arch arch, struct gabi_words *words, const struct gabi_mem *mem,
			   struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	struct gabi_contract *contract = gabi_contract_new(arch, mem);
	int err = contract ? 0 : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);

	gabi_words_prune(words);
	for (size_t i = 0; !err && i < words->count; i++)
		err = gabi_contract_add(contract, &words->at[i], diag);
	if (!err)
		err = gabi_contract_seal(contract, diag);
	if (err) {
		gabi_contract_free(contract);
		return err;
	}
	*ret_contract = contract;
	return 0;
}

/* Where the contract comes from: the facts that can cause a difference, less names and parameters that no guest notices. */
int gabi_contract_take_origin(const struct gabi_facts *facts, struct gabi_contract *contract, struct gabi_diag *diag)
{
	int err = 0;

	for (size_t i = 0; !err && i < gabi_facts_count(facts); i++) {
		const char *value, *name = gabi_facts_at(facts, i, &value);

		if (strcmp(name, "name") && strcmp(name, "provider") && (strncmp(name, "module.", 7) || gabi_module_matters(name)))
			err = gabi_contract_set_origin(contract, name, value, diag);
	}
	return err;
}

/* ---- pinning ---- */

/* What a contract is made of: what a host offers, or what another contract promises. */
struct source {
	const struct gabi_host *host; /* or NULL, and then: */
	const struct gabi_contract *contract;
	enum gabi_arch arch;
	const struct gabi_facts *facts;
};

/* The words that another contract promises, those of single virtual processors too. */
static int take_promises(const struct gabi_contract *contract, const struct left_out *out, const struct gabi_mem *mem,
			 struct gabi_words *words)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);
	const struct minus minus = { out->fields, out->count };

	for (size_t i = 0; i < count; i++) {
		struct gabi_word taken = word[i];

		taken.value = gabi_word_off(&taken.key, taken.value, is_named, &minus) & gabi_mask(taken.bits);
		if (!out->space[taken.key.space] && gabi_words_add(words, mem, &taken))
			return GABI_ERR_NOMEM;
	}
	return 0;
}

static int take_source(const struct source *source, const struct gabi_pin_options *options, const struct left_out *out,
		       const struct gabi_mem *mem, struct gabi_words *words, struct gabi_diag *diag)
{
	int err = source->host ? take_words(source->host, out, options->evmcs, mem, words) :
				 take_promises(source->contract, out, mem, words);

	if (err)
		return gabi_fail(diag, err, "out of memory", (char *)NULL);
	return source->host && options->evmcs ? filter_words(source->host, words, diag) : 0;
}

static int pin(const struct source *source, const struct gabi_pin_options *options, const struct gabi_mem *mem,
	       struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_words words = { 0 };
	struct left_out out = { 0 };
	struct gabi_contract *contract = NULL;
	size_t fields;
	int err;

	gabi_fields(&fields);
	out.fields = gabi_mem_get(&own, fields * sizeof(const struct gabi_field *)); /* each is left out once */
	if (!out.fields)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = find_minus(source->arch, options, &out, diag);
	if (!err)
		err = take_source(source, options, &out, &own, &words, diag);
	if (!err && source->arch == GABI_ARCH_X86)
		shrink_xsave_area(&out, &words);
	if (!err)
		err = gabi_contract_of_words(source->arch, &words, mem, &contract, diag);
	gabi_mem_put(&own, out.fields);
	gabi_words_free(&words, &own);
	if (!err)
		err = gabi_contract_take_origin(source->facts, contract, diag);
	if (err)
		gabi_contract_free(contract);
	else
		*ret_contract = contract;
	return err;
}

static const struct gabi_pin_options no_options = { .size = sizeof(no_options) };

static int check_options(const struct gabi_pin_options *options, struct gabi_diag *diag)
{
	if (options->size != sizeof(*options))
		return gabi_fail(diag, GABI_ERR_ARG, "the options are of another version of gabi", (char *)NULL);
	return 0;
}

int gabi_contract_pin(const struct gabi_host *host, const struct gabi_pin_options *options, const struct gabi_mem *mem,
		      struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	const struct source source = { .host = host, .arch = gabi_host_arch(host), .facts = gabi_host_facts(host) };
	int err = check_options(options ? options : &no_options, diag);

	if (!err && gabi_host_view(host) == GABI_VIEW_CPU)
		err = gabi_fail(diag, GABI_ERR_ARG, "a dump of the bare CPU says what a host may offer at most, not what a guest gets; "
				"pin what gabi probe or a guest saw", (char *)NULL);
	return err ? err : pin(&source, options ? options : &no_options, mem, ret_contract, diag);
}

int gabi_contract_narrow(const struct gabi_contract *contract, const struct gabi_pin_options *options, const struct gabi_mem *mem,
			 struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	const struct source source = { .contract = contract, .arch = gabi_contract_arch(contract),
				       .facts = gabi_contract_origin(contract) };
	int err = check_options(options ? options : &no_options, diag);

	if (!err && options && options->evmcs)
		err = gabi_fail(diag, GABI_ERR_ARG, "what eVMCS takes away is known of a host: pin a manifest", (char *)NULL);
	return err ? err : pin(&source, options ? options : &no_options, mem, ret_contract, diag);
}
