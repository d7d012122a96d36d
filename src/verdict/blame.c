/* SPDX-License-Identifier: MIT */
/* Who causes a finding, as far as facts can say. */
#include "verdict/blame.h"

#include <gabi/change.h>

#include <string.h>

#include "vocab/module.h"

#define LATER "65535.0" /* a release that has every change */

static uint64_t bits_of(const struct gabi_finding *finding)
{
	return gabi_mask(finding->bits) << finding->lo;
}

static void blame_module(struct gabi_finding *finding, const struct gabi_module *module)
{
	finding->cause = GABI_CAUSE_MODULE;
	finding->param = gabi_module_param(module);
}

/* ---- one host ---- */

static bool is_the_kernels(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_HYPERV || key->space == GABI_SPACE_KVM || key->space == GABI_SPACE_MSR_EVMCS || key->space == GABI_SPACE_MSR_STATE ||
	       key->space == GABI_SPACE_ARM64_STATE || gabi_is_fw(key);
}

/* Of one host it is known what its kernel cannot have yet; what else is missing, the CPU does not have. */
static void blame_host(struct gabi_finding *finding, const struct gabi_host *host)
{
	const struct gabi_module *module;
	size_t at = 0;

	while ((module = gabi_module_next(&finding->key, bits_of(finding), &at)))
		if (gabi_module_is_off(module, gabi_host_facts(host)) == 1) {
			blame_module(finding, module);
			return;
		}
	finding->change = gabi_change_between(gabi_host_arch(host), gabi_host_release(host), LATER, &finding->key, bits_of(finding));
	if (finding->change || is_the_kernels(&finding->key))
		finding->cause = GABI_CAUSE_KERNEL;
	else if (finding->key.space != GABI_SPACE_VM)
		finding->cause = GABI_CAUSE_CPU;
}

/* ---- two hosts ---- */

/* A fact that differs is a suspect; of several, the first that can make such a difference is blamed. */
static const struct {
	const char *fact;
	uint8_t cause;
} suspects[] = {
	{ "cpu.signature", GABI_CAUSE_CPU },       { "cpu.model", GABI_CAUSE_CPU },
	{ "kernel.release", GABI_CAUSE_KERNEL },   { "kernel.build", GABI_CAUSE_KERNEL },
	{ "cpu.microcode", GABI_CAUSE_MICROCODE }, { "machine.firmware", GABI_CAUSE_FIRMWARE },
	{ "source", GABI_CAUSE_TOOL },
};

static bool blame_module_between(struct gabi_finding *finding, const struct gabi_facts *from, const struct gabi_facts *to)
{
	const struct gabi_module *module;
	size_t at = 0;

	while ((module = gabi_module_next(&finding->key, bits_of(finding), &at))) {
		int x = gabi_module_is_off(module, from), y = gabi_module_is_off(module, to);

		if (x >= 0 && y >= 0 && x != y) {
			blame_module(finding, module);
			return true;
		}
	}
	return false;
}

static bool blame_between(struct gabi_finding *finding, enum gabi_arch arch, const struct gabi_facts *from,
			  const struct gabi_facts *to)
{
	if (blame_module_between(finding, from, to))
		return true;
	finding->change = gabi_change_between(arch, gabi_facts_release(from), gabi_facts_release(to), &finding->key,
					      bits_of(finding));
	if (finding->change) {
		finding->cause = GABI_CAUSE_KERNEL;
		return true;
	}
	if (!is_the_kernels(&finding->key) && !(gabi_facts_get(from, "cpu.signature") && gabi_facts_get(to, "cpu.signature")))
		return false; /* it may be two CPUs */
	for (size_t i = 0; i < GABI_COUNT_OF(suspects); i++) {
		const char *x = gabi_facts_get(from, suspects[i].fact), *y = gabi_facts_get(to, suspects[i].fact);

		if (x && y && strcmp(x, y)) {
			finding->cause = suspects[i].cause;
			return true;
		}
	}
	return false;
}

void gabi_finding_blame_between(struct gabi_finding *finding, const struct gabi_host *from, const struct gabi_host *to)
{
	blame_between(finding, gabi_host_arch(from), gabi_host_facts(from), gabi_host_facts(to));
}

/* A contract that knows where it was pinned is compared with there; else the host alone is looked at, as it is for what only a
 * kernel takes away. */
void gabi_finding_blame(struct gabi_finding *finding, const struct gabi_contract *contract, const struct gabi_host *host)
{
	if (finding->weight < GABI_WEIGHT_ACTION)
		return;
	if (!contract || finding->key.space == GABI_SPACE_MSR_EVMCS || !gabi_facts_count(gabi_contract_origin(contract)) ||
	    !blame_between(finding, gabi_host_arch(host), gabi_contract_origin(contract), gabi_host_facts(host)))
		blame_host(finding, host);
}
