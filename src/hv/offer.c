/* SPDX-License-Identifier: MIT */
/* What the engine can give a guest, as a VMM's offer: a host manifest that a contract is checked against. */
#include "hv.h"

enum { INTERFACE = 0x31237648 /* "Hv#1" */ };

/* Leaves of which the guest may be shown anything: names, versions, spin counts, limits. The others are what they are. */
static bool is_free(unsigned leaf, unsigned reg)
{
	return leaf == 0 || leaf == 2 || leaf == 5 || (leaf == 4 && reg != GABI_EAX);
}

static uint64_t features(const struct gabi_hv_config *config, unsigned word)
{
	static const uint32_t all[] = {
#define FEATURE_BIT(want, word, bit) ((word) == (want) ? 1u << (bit) : 0)
#define GABI_HV_FEATURE_ROW(name, word, bit, source) FEATURE_BIT(0, word, bit) |
#include <gabi/hv_feature.def>
		0,
#define GABI_HV_FEATURE_ROW(name, word, bit, source) FEATURE_BIT(1, word, bit) |
#include <gabi/hv_feature.def>
		0,
#define GABI_HV_FEATURE_ROW(name, word, bit, source) FEATURE_BIT(2, word, bit) |
#include <gabi/hv_feature.def>
		0,
#define GABI_HV_FEATURE_ROW(name, word, bit, source) FEATURE_BIT(3, word, bit) |
#include <gabi/hv_feature.def>
		0,
	};
	uint64_t mask = all[word];

	if (word == GABI_HV_FEATURE_VSM / 32 && config->vtl_count < 2)
		mask &= ~((uint64_t)1 << GABI_HV_FEATURE_VSM % 32);
	if (word == GABI_HV_FEATURE_NESTED / 32)
		mask &= ~((uint64_t)1 << GABI_HV_FEATURE_NESTED % 32); /* the engine takes the bit, but nests nothing; so word 4 is left out */
	return mask;
}

static uint64_t value_of(const struct gabi_hv_config *config, unsigned leaf, unsigned reg)
{
	if (leaf == 0 && reg == GABI_EAX)
		return GABI_HV_LEAF_BASE + GABI_HV_LEAF_COUNT - 1;
	if (leaf == 1 && reg == GABI_EAX)
		return INTERFACE;
	if (leaf == 3 && reg != GABI_ECX)
		return features(config, reg == GABI_EDX ? 2 : reg);
	if (leaf == 4 && reg == GABI_EAX)
		return features(config, 3);
	if (leaf == 5 && reg == GABI_EAX)
		return config->vp_count;
	return 0;
}

int gabi_hv_engine_offer(const struct gabi_hv_config *config, const struct gabi_mem *mem, struct gabi_host **ret_host,
		  struct gabi_diag *diag)
{
	struct gabi_host *host;
	int err = 0;

	if (config->size != sizeof(*config))
		return gabi_fail(diag, GABI_ERR_VERSION, "the configuration is of another version of the library", (char *)NULL);
	host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_OFFER, mem);
	if (!host)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	for (unsigned at = 0; !err && at < GABI_HV_LEAF_COUNT * 4; at++) {
		unsigned leaf = at / 4, reg = at % 4;
		struct gabi_word word = {
			.key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)reg, .index = GABI_HV_LEAF_BASE + leaf },
			.value = value_of(config, leaf, reg),
			.vp = GABI_VP_ALL,
			.bits = 32,
		};

		word.settable = is_free(leaf, reg) ? UINT32_MAX : word.value;
		err = gabi_host_add(host, &word, diag);
	}
	if (!err)
		err = gabi_host_cover(host, GABI_SPACE_HYPERV);
	if (!err)
		err = gabi_host_set_fact(host, "provider", "gabi's Hyper-V engine", diag);
	if (!err)
		err = gabi_host_seal(host, diag);
	if (err) {
		gabi_host_free(host);
		return err;
	}
	*ret_host = host;
	return 0;
}
