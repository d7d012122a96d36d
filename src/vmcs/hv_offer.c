/* SPDX-License-Identifier: MIT */
#include <gabi/hv_offer.h>

#include "base/base.h"
#include "vmcs.h"

#include <string.h>

enum condition { ALWAYS, LAPIC, EVMCS, NO_SMT, CONDITIONS };

static const struct {
	uint32_t leaf;
	uint16_t always;
} leaves[] = {
#define GABI_HV_OFFER_LEAF_ROW(number, from) { number, from },
#include <gabi/hv_offer.def>
};

static const struct {
	uint32_t leaf, bits;
	uint16_t from, until;
	uint8_t reg, condition;
} rows[] = {
#define GABI_HV_OFFER_ROW(number, name, first, last, when, value) { number, value, first, last, GABI_##name, when },
#include <gabi/hv_offer.def>
};

#define LIMITS      0x40000005u
#define FIRST_LINE  510u
#define SYSTEM_LINE 601u

static uint32_t reg_of(uint32_t leaf, unsigned reg, unsigned release, const bool holds[CONDITIONS])
{
	uint32_t value = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].leaf == leaf && rows[i].reg == reg && rows[i].from <= release && release < rows[i].until &&
		    holds[rows[i].condition])
			value |= rows[i].bits;
	return value;
}

int gabi_hv_offer(const struct gabi_hv_offer_input *input, struct gabi_word ret_words[GABI_HV_OFFER_WORDS], size_t *ret_count,
		  struct gabi_diag *diag)
{
	unsigned release = gabi_release_number(input->release);
	bool holds[CONDITIONS] = { true, input->lapic || input->system, input->evmcs, !input->smt_possible };
	uint32_t max_vcpus = input->max_vcpus ? input->max_vcpus : release < SYSTEM_LINE ? 288 : 1024;
	size_t count = 0;

	if (input->size != sizeof(*input))
		return gabi_fail(diag, GABI_ERR_ARG, "the caller was built for another version of struct gabi_hv_offer_input",
				 (char *)NULL);
	if (release < FIRST_LINE)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "what a kernel ", input->release,
				 " offers is not known; 5.10 is the oldest that was read", (char *)NULL);
	if (input->system && release < SYSTEM_LINE)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "a kernel ", input->release,
				 " has no system-scope KVM_GET_SUPPORTED_HV_CPUID; ask about a vCPU", (char *)NULL);
	for (size_t i = 0; i < GABI_COUNT_OF(leaves); i++) {
		if (release < leaves[i].always && !input->evmcs)
			continue;
		for (unsigned reg = GABI_EAX; reg <= GABI_EDX; reg++) {
			uint32_t value = reg_of(leaves[i].leaf, reg, release, holds);

			if (leaves[i].leaf == LIMITS && reg == GABI_EAX)
				value = max_vcpus;
			ret_words[count++] = (struct gabi_word){
				.key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)reg, .index = leaves[i].leaf },
				.value = value, .vp = GABI_VP_ALL, .bits = 32 };
		}
	}
	*ret_count = count;
	return 0;
}
