/* SPDX-License-Identifier: MIT */
#include "shown.h"

#include <gabi/vocab.h>

#include "base/base.h"

/* KVM_SET_CPUID2 does not look. */
static bool is_leaf(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_CPUID || key->space == GABI_SPACE_KVM || key->space == GABI_SPACE_HYPERV;
}

static bool has(const struct gabi_host *host, const struct gabi_field *field)
{
	const struct gabi_word *word = gabi_host_find(host, &field->key);

	return word && (word->value >> field->lo & gabi_mask(field->bits)) != field->absent;
}

/* Does it hang on a CPUID bit that the host has not? */
static bool hangs_on_shown(const struct gabi_finding *finding, const struct gabi_host *host)
{
	const struct gabi_reg *reg = gabi_reg_of(&finding->key);
	const struct gabi_field *gate = finding->field ? gabi_field_when(finding->field) : NULL;

	if (!gate && reg)
		gate = gabi_reg_when(reg);
	return gate && is_leaf(&gate->key) && !has(host, gate);
}

/*
 * A manifest's settable bits are those of a virtual processor with the host's own CPUID. Some MSRs KVM lets a VMM write only where
 * CPUID has their bit (since 6.13, arch/x86/kvm/x86.c, kvm_set_msr_common), and the bit it takes from anyone.
 */
static bool is_taken_unasked(const struct gabi_finding *finding, const struct gabi_host *host)
{
	const struct gabi_word *word = gabi_host_find(host, &finding->key);

	if (finding->key.space != GABI_SPACE_MSR)
		return is_leaf(&finding->key);
	return word && ((word->settable >> finding->lo & 1) || hangs_on_shown(finding, host));
}

bool is_shown_only(const struct gabi_report *report, const struct gabi_host *host)
{
	size_t count, blocks = 0;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	for (; blocks < count && finding[blocks].weight == GABI_WEIGHT_BLOCK; blocks++)
		if (!is_taken_unasked(&finding[blocks], host))
			return false;
	return blocks > 0;
}
