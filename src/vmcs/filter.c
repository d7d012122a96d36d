/* SPDX-License-Identifier: MIT */
/* The controls that a KVM takes away from a guest which may use the enlightened VMCS. */
#include <gabi/evmcs.h>

#include "base/base.h"
#include "vmcs.h"

enum { DENY, ALLOW };
enum { ENABLED, HYPERV };

static const struct gabi_evmcs_line lines[] = {
#define GABI_EVMCS_LINE_ROW(number, text, list, gate) { .name = text, .release = number, .allow = list, .ask_hyperv = gate },
#include <gabi/evmcs_filter.def>
};

static const struct {
	uint16_t release;
	uint8_t word;
	uint32_t mask;
} masks[] = {
#define GABI_EVMCS_FILTER_ROW(number, word, bits) { number, GABI_VMCS_WORD_##word, bits },
#include <gabi/evmcs_filter.def>
};

static const struct {
	uint16_t from;
	uint8_t word;
	uint32_t bits;
} unless[] = {
#define GABI_EVMCS_UNLESS_ROW(number, word, bits) { number, GABI_VMCS_WORD_##word, bits },
#include <gabi/evmcs_filter.def>
};

unsigned gabi_release_number(const char *release)
{
	unsigned part[2] = { 0, 0 };

	for (unsigned i = 0; i < 2; i++, release++) {
		const char *first = release;

		for (; *release >= '0' && *release <= '9' && part[i] < 100; release++)
			part[i] = part[i] * 10 + (unsigned)(*release - '0');
		if (release == first || part[i] >= 100 || (i == 0 && *release != '.'))
			return 0;
	}
	return part[0] * 100 + part[1];
}

const struct gabi_evmcs_line *gabi_evmcs_lines(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(lines);
	return lines;
}

const struct gabi_evmcs_line *gabi_evmcs_line_of(const char *release)
{
	unsigned number = gabi_release_number(release);
	const struct gabi_evmcs_line *newest = NULL;

	for (size_t i = 0; i < GABI_COUNT_OF(lines); i++)
		if (lines[i].release <= number)
			newest = &lines[i];
	return newest;
}

static bool is_on(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest)
{
	return guest->enabled && (guest->hyperv || !line->ask_hyperv);
}

/* The bits of a word that the line's list takes away; every list is about the low 32. */
static uint32_t listed(const struct gabi_evmcs_line *line, unsigned word)
{
	for (size_t i = 0; i < GABI_COUNT_OF(masks); i++)
		if (masks[i].release == line->release && masks[i].word == word)
			return line->allow ? ~masks[i].mask : masks[i].mask;
	return 0;
}

static uint32_t taken(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, unsigned word)
{
	uint32_t bits = listed(line, word);

	for (size_t i = 0; i < GABI_COUNT_OF(unless); i++)
		if (unless[i].word == word && line->release >= unless[i].from && !guest->perf_global)
			bits |= unless[i].bits;
	return bits;
}

static const struct gabi_vmcs_control *control_of(uint32_t msr, unsigned *ret_word)
{
	for (unsigned word = GABI_VMCS_WORD_NONE + 1; word < GABI_VMCS_WORD_COUNT; word++) {
		const struct gabi_vmcs_control *control = gabi_vmcs_control(word);

		if (msr && (control->msr == msr || control->true_msr == msr)) {
			*ret_word = word;
			return control;
		}
	}
	return NULL;
}

uint64_t gabi_evmcs_filter(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, uint32_t msr,
			   uint64_t value)
{
	unsigned word;
	const struct gabi_vmcs_control *control = control_of(msr, &word);

	if (!control || !is_on(line, guest))
		return value;
	return value & ~((uint64_t)taken(line, guest, word) << control->shift);
}

uint64_t gabi_evmcs_refused(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, unsigned word,
			    uint64_t controls)
{
	return is_on(line, guest) ? controls & listed(line, word) : 0;
}

static uint64_t promised(const struct gabi_contract *contract, uint32_t leaf, unsigned reg)
{
	struct gabi_key key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)reg, .index = leaf };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? word->value : 0;
}

void gabi_evmcs_guest_of(const struct gabi_contract *contract, struct gabi_evmcs_guest *ret_guest)
{
	*ret_guest = (struct gabi_evmcs_guest){
		.enabled = (promised(contract, 0x4000000a, GABI_EAX) & 0xffff) != 0,
		.hyperv = promised(contract, 0x40000001, GABI_EAX) == 0x31237648, /* "Hv#1": what KVM itself looks for */
		.perf_global = promised(contract, 0x4000000a, GABI_EBX) & 1,
	};
}

int gabi_evmcs_foresee(const struct gabi_contract *contract, const struct gabi_evmcs_line *line,
		       int (*found)(void *ctx, const struct gabi_word *word, uint64_t lost), void *ctx)
{
	struct gabi_evmcs_guest guest;
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);

	gabi_evmcs_guest_of(contract, &guest);
	for (size_t i = 0; i < count; i++) {
		uint64_t lost;
		int err;

		if (word[i].key.space != GABI_SPACE_MSR || word[i].key.index > UINT32_MAX)
			continue;
		lost = word[i].value & ~gabi_evmcs_filter(line, &guest, (uint32_t)word[i].key.index, word[i].value);
		err = lost ? found(ctx, &word[i], lost) : 0;
		if (err)
			return err;
	}
	return 0;
}
