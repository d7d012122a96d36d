/* SPDX-License-Identifier: MIT */
/* Who causes a finding, as far as facts can say. */
#include "verdict/blame.h"

#include <string.h>

#include "vocab/module.h"

static uint64_t bits_of(const struct gabi_finding *finding)
{
	return gabi_mask(finding->bits) << finding->lo;
}

static bool is_the_kernels(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_HYPERV || key->space == GABI_SPACE_KVM || key->space == GABI_SPACE_MSR_EVMCS ||
	       key->space == GABI_SPACE_MSR_STATE || key->space == GABI_SPACE_ARM64_STATE || gabi_is_fw(key);
}

/* `more`: does the second side of the suspects have more of it? As numbers, which does for the flags that matter here. */
static bool blame_change(struct gabi_finding *finding, const struct gabi_blame *blame, const struct gabi_suspects *suspects, int more)
{
	size_t len;
	const char *line;

	finding->change = gabi_suspects_find(suspects, &finding->key, bits_of(finding), more);
	if (!finding->change)
		return false;
	finding->cause = GABI_CAUSE_KERNEL;
	finding->taken_away = gabi_change_is_had(&blame->to->changes, finding->change);
	line = *finding->change->also ? gabi_change_in_line(finding->change, blame->to->release, &len) : NULL;
	finding->line = line ? (uint16_t)(line - finding->change->also + 1) : 0;
	return true;
}

static int more_on_host(const struct gabi_finding *finding)
{
	return (finding->have > finding->want) - (finding->have < finding->want);
}

/* ---- two sides ---- */

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

static uint8_t first_suspect(const struct gabi_facts *from, const struct gabi_facts *to)
{
	for (size_t i = 0; i < GABI_COUNT_OF(suspects); i++) {
		const char *x = gabi_facts_get(from, suspects[i].fact), *y = gabi_facts_get(to, suspects[i].fact);

		if (x && y && strcmp(x, y))
			return suspects[i].cause;
	}
	return GABI_CAUSE_NONE;
}

static void look_at_pair(struct gabi_blame *blame)
{
	if (blame->pair_seen)
		return;
	blame->pair_seen = true;
	gabi_suspects_between(&blame->pair, blame->arch, &blame->from->changes, &blame->to->changes);
	blame->suspect = first_suspect(blame->from, blame->to);
	blame->cpus_known = gabi_facts_get(blame->from, "cpu.signature") && gabi_facts_get(blame->to, "cpu.signature");
}

/* Who has it turned off has less. */
static bool blame_module(struct gabi_finding *finding, const struct gabi_facts *from, const struct gabi_facts *to)
{
	int more = more_on_host(finding);
	const struct gabi_module *module;
	size_t at = 0;

	while ((module = gabi_module_next(&finding->key, bits_of(finding), &at))) {
		int x = from ? gabi_module_is_off(module, from) : 0, y = gabi_module_is_off(module, to);

		if (x >= 0 && y >= 0 && x != y && (y ? more <= 0 : more >= 0)) {
			finding->cause = GABI_CAUSE_MODULE;
			finding->param = gabi_module_param(module);
			return true;
		}
	}
	return false;
}

static bool blame_pair(struct gabi_finding *finding, struct gabi_blame *blame)
{
	if (!blame->from)
		return false;
	look_at_pair(blame);
	if (blame_module(finding, blame->from, blame->to) || blame_change(finding, blame, &blame->pair, more_on_host(finding)))
		return true;
	if (!is_the_kernels(&finding->key) && !blame->cpus_known)
		return false; /* it may be two CPUs */
	finding->cause = blame->suspect;
	return finding->cause != GABI_CAUSE_NONE;
}

/* ---- one host ---- */

/* Of one host it is known what its kernel cannot have yet; what else is missing, the CPU does not have. */
static void blame_host(struct gabi_finding *finding, struct gabi_blame *blame)
{
	if (!blame->host_seen)
		gabi_suspects_between(&blame->host, blame->arch, &blame->to->changes, NULL);
	blame->host_seen = true;
	if (blame_module(finding, NULL, blame->to) || blame_change(finding, blame, &blame->host, -more_on_host(finding)))
		return;
	if (is_the_kernels(&finding->key))
		finding->cause = GABI_CAUSE_KERNEL;
	else if (finding->key.space != GABI_SPACE_VM)
		finding->cause = GABI_CAUSE_CPU;
}

/* ---- both ---- */

void gabi_blame_between(struct gabi_blame *blame, const struct gabi_host *from, const struct gabi_host *to)
{
	blame->arch = gabi_host_arch(to);
	blame->from = gabi_host_facts(from);
	blame->to = gabi_host_facts(to);
	blame->also_alone = blame->pair_seen = blame->host_seen = false;
}

void gabi_blame_of(struct gabi_blame *blame, const struct gabi_contract *contract, const struct gabi_host *host)
{
	const struct gabi_facts *origin = gabi_contract_origin(contract);

	gabi_blame_between(blame, host, host);
	blame->from = gabi_facts_count(origin) ? origin : NULL;
	blame->also_alone = true;
}

void gabi_finding_blame(struct gabi_finding *finding, struct gabi_blame *blame)
{
	/* What only a kernel takes away has no second side. */
	bool alone = blame->also_alone && finding->key.space == GABI_SPACE_MSR_EVMCS;

	if ((alone || !blame_pair(finding, blame)) && blame->also_alone)
		blame_host(finding, blame);
}
