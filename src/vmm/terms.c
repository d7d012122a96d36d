/* SPDX-License-Identifier: MIT */
#include "monitor.h"

#include <gabi/vocab.h>

#define HYPERVISOR   ((uint64_t)1 << 31)
#define TSC_DEADLINE ((uint64_t)1 << 24)

/* What a VMM gives on every KVM, and KVM lists only from Linux 6.14 on: a hypervisor's bit, and the timer by TSC deadline. */
static int add_own(const struct gabi_host *host, struct gabi_host *offer, struct gabi_diag *diag)
{
	static const struct gabi_key features = { .space = GABI_SPACE_CPUID, .index = 1, .part = GABI_ECX };
	static const struct gabi_key deadline = { .space = GABI_SPACE_CAP, .index = GABI_KVM_CAP_TSC_DEADLINE_TIMER };
	const struct gabi_word *listed = gabi_host_find(host, &features), *has_deadline = gabi_host_find(host, &deadline);
	uint64_t own = HYPERVISOR | (has_deadline && has_deadline->value ? TSC_DEADLINE : 0);
	struct gabi_word word = { .key = features, .bits = 32, .vp = GABI_VP_ALL, .value = own, .settable = own };
	int err;

	if (listed) {
		word.value |= listed->value;
		word.settable |= listed->settable;
	}
	err = gabi_host_add(offer, &word, diag);
	return err ? err : gabi_host_seal(offer, diag);
}

/* This machine with what the monitor adds to it. */
static int make_host(struct gabi_host **ret_host, struct gabi_diag *diag)
{
	struct gabi_host *host = NULL, *offer = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_OFFER, NULL);
	int err = offer ? gabi_kvm_probe(NULL, NULL, &host, diag) : GABI_ERR_NOMEM;

	if (!err)
		err = add_own(host, offer, diag);
	if (!err)
		err = gabi_host_overlay(host, offer, ret_host, diag);
	gabi_host_free(offer);
	gabi_host_free(host);
	return err;
}

static int pin(struct vmm_terms *terms, struct gabi_diag *diag)
{
	static const char *const minus[] = { "hyperv" };
	const struct gabi_pin_options options = { .size = sizeof(options), .minus = minus, .minus_count = 1 };

	return gabi_contract_pin(terms->host, &options, NULL, &terms->contract, diag);
}

int vmm_terms_settle(struct vmm_terms *terms, struct gabi_contract *contract, bool forced, struct gabi_diag *diag)
{
	bool fits;
	int err;

	*terms = (struct vmm_terms){ .contract = contract };
	err = make_host(&terms->host, diag);
	if (!err && !contract)
		err = pin(terms, diag);
	if (!err)
		err = gabi_check(terms->contract, terms->host, &terms->report, diag);
	if (err)
		return err;
	fits = gabi_report_verdict(terms->report) <= GABI_FITS_WITH_ACTIONS;
	if (!fits && !forced)
		return 0;
	return gabi_plan_new(terms->contract, terms->host, fits ? terms->report : NULL, NULL, &terms->plan, diag);
}

void vmm_terms_free(struct vmm_terms *terms)
{
	gabi_plan_free(terms->plan);
	gabi_report_free(terms->report);
	gabi_contract_free(terms->contract);
	gabi_host_free(terms->host);
}
