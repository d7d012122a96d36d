/* SPDX-License-Identifier: MIT */
/* QEMU's -cpu: the nearest named model, and what differs from it by name. */
#include "formats/emit.h"

#include <gabi/model.h>
#include <gabi/vocab.h>

#include <string.h>

/* Is it a feature of the CPU that QEMU's command line can switch? "hypervisor" every guest of QEMU has. */
static bool is_switch(const struct gabi_field *field)
{
	return field->key.space == GABI_SPACE_CPUID && field->kind == GABI_KIND_FLAG && !strncmp(field->source, "QEMU", 4) &&
	       strcmp(field->name, "hypervisor");
}

static uint64_t value_in(const struct gabi_word *word, size_t count, const struct gabi_field *field)
{
	for (size_t i = 0; i < count; i++)
		if (!gabi_key_compare(&word[i].key, &field->key))
			return (uint64_t)gabi_field_get(field, word[i].value);
	return 0;
}

static uint64_t promised(const struct gabi_contract *contract, const struct gabi_field *field)
{
	const struct gabi_word *word = gabi_contract_find(contract, &field->key, GABI_VP_ALL);

	return word ? (uint64_t)gabi_field_get(field, word->value) : 0;
}

/* Calls for each switch in which the guest of the model would differ; returns how many there are. */
static size_t each_difference(const struct gabi_contract *contract, const struct gabi_model *model,
			      void (*found)(struct gabi_emission *, const struct gabi_field *, bool on), struct gabi_emission *emission)
{
	size_t words, count, differ = 0;
	const struct gabi_word *word = gabi_model_words(model, &words);
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		uint64_t want = promised(contract, &field[i]);

		if (!is_switch(&field[i]) || want == value_in(word, words, &field[i]))
			continue;
		differ++;
		if (found)
			found(emission, &field[i], want);
	}
	return differ;
}

static void write_difference(struct gabi_emission *emission, const struct gabi_field *field, bool on)
{
	gabi_emit_text(emission, on ? ",+" : ",-");
	gabi_emit_text(emission, field->name);
}

static const struct gabi_model *nearest(const struct gabi_contract *contract)
{
	size_t count, least = SIZE_MAX;
	const struct gabi_model *model = gabi_models(&count), *best = model;

	for (size_t i = 0; i < count; i++) {
		size_t differ = strcmp(model[i].source, "gabi") ? each_difference(contract, &model[i], NULL, NULL) : SIZE_MAX;

		if (differ <= least) {
			least = differ;
			best = &model[i];
		}
	}
	return best;
}

void gabi_emit_qemu(struct gabi_emission *emission)
{
	const struct gabi_model *model;

	if (gabi_contract_arch(emission->contract) != GABI_ARCH_X86) {
		gabi_emit_fail(emission, GABI_ERR_ARG, "the contract is not of x86; QEMU's named models are");
		return;
	}
	model = nearest(emission->contract);
	gabi_emit_text(emission, "-cpu ");
	gabi_emit_text(emission, model->name);
	each_difference(emission->contract, model, write_difference, emission);
	gabi_emit_text(emission, "\n");
	gabi_emit_note(emission, "only features of the CPU are compared; caches, topology and what KVM offers come from the host");
}
