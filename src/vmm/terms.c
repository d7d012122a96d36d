/* SPDX-License-Identifier: MIT */
#include "monitor.h"

#include "base/base.h"

#include <gabi/hv.h>
#include <gabi/vocab.h>

#include <string.h>

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

	if (listed) {
		word.value |= listed->value;
		word.settable |= listed->settable;
	}
	return gabi_host_add(offer, &word, diag);
}

/* What the engine leaves to its VMM to say: a name that guests know, and a version. */
static uint32_t named(const struct gabi_word *word)
{
	static const uint32_t name[] = { 0, 0x7263694d, 0x666f736f, 0x76482074 };      /* "Microsoft Hv" */
	static const uint32_t version[] = { 20348, 0x000a0000, 0, 0 };                 /* 10.0, of Windows Server 2022 */
	uint32_t leaf = (uint32_t)word->key.index - GABI_HV_LEAF_BASE;

	if (leaf == 0 && word->key.part != GABI_EAX)
		return name[word->key.part];
	if (leaf == 2)
		return version[word->key.part];
	return leaf == 4 && word->key.part == GABI_EBX ? UINT32_MAX : (uint32_t)word->value; /* spinlocks: never notify */
}

/* Hyper-V's leaves, and those that a guest with eVMCS would read. */
static const uint16_t hyperv_spaces[] = { GABI_SPACE_HYPERV, GABI_SPACE_HYPERV_EVMCS };

static bool is_hyperv(uint16_t space)
{
	return space == hyperv_spaces[0] || space == hyperv_spaces[1];
}

/* KVM's own leaves beside those of the engine are none of this guest's. */
static int hide_others(const struct gabi_host *host, struct gabi_host *offer, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_word *words = gabi_host_words(host, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct gabi_word word = words[i];

		if (!is_hyperv(word.key.space) || word.key.index - GABI_HV_LEAF_BASE < GABI_HV_LEAF_COUNT)
			continue;
		word.value = word.settable = 0;
		word.flags = 0;
		err = gabi_host_add(offer, &word, diag);
	}
	return err;
}

/* eVMCS is not offered, whatever KVM has of it: KVM finds it by the VP assist page, which is the engine's. */
static int add_hyperv(unsigned cpus, struct gabi_host *offer, struct gabi_diag *diag)
{
	const struct gabi_hv_config config = { .size = sizeof(config), .vp_count = cpus, .vtl_count = 2 };
	struct gabi_host *engine = NULL;
	size_t count = 0;
	const struct gabi_word *words = NULL;
	int err = gabi_hv_engine_offer(&config, NULL, &engine, diag);

	if (!err)
		words = gabi_host_words(engine, &count);
	for (size_t i = 0; !err && i < 2 * count; i++) {
		struct gabi_word word = words[i / 2];

		word.value = named(&word);
		word.key.space = hyperv_spaces[i % 2];
		err = gabi_host_add(offer, &word, diag);
	}
	for (size_t i = 0; !err && i < GABI_COUNT_OF(hyperv_spaces); i++)
		err = gabi_host_cover(offer, hyperv_spaces[i]);
	gabi_host_free(engine);
	return err;
}

/* This machine with what the monitor adds to it. */
static int make_host(const struct vmm_wishes *wishes, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	struct gabi_host *host = NULL, *offer = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_OFFER, NULL);
	int err = offer ? gabi_kvm_probe(NULL, NULL, &host, diag) : GABI_ERR_NOMEM;

	if (!err)
		err = add_own(host, offer, diag);
	if (!err && wishes->hyperv)
		err = hide_others(host, offer, diag);
	if (!err && wishes->hyperv)
		err = add_hyperv(wishes->cpus, offer, diag);
	if (!err)
		err = gabi_host_seal(offer, diag);
	if (!err)
		err = gabi_host_overlay(host, offer, ret_host, diag);
	gabi_host_free(offer);
	gabi_host_free(host);
	return err;
}

/* What the engine gives and this monitor does not carry out; and KVM's own leaves: Linux takes a hypervisor that has both for KVM. */
static const char *const beyond[] = {
	"kvm",
	"hv-access-partition-id", /* Linux 6.12 dies of it: it has an output page for that call only as a root partition */
	"hv-guest-idle-msr", "hv-guest-idle-state", "hv-debugging",
	"hv-guest-debugging", "hv-reenlightenment", "hv-npiep", "hv-tlbflush-ext", "hv-xmm-input", "hv-xmm-output", "hv-tsc-invariant",
	"hv-access-vsm", "hv-access-vp-registers", "hv-start-virtual-processor", /* from here on: but with trust levels */
};
enum { ONLY_WITH_VSM = 3 };
static const char *const no_hyperv[] = { "hyperv" };
static const char *const shims[] = { "svm", "vmx", "cet-ss", "cet-ibt" }; /* what the shim takes for itself, and what it does not keep */

static int pin(struct vmm_terms *terms, const struct vmm_wishes *wishes, struct gabi_diag *diag)
{
	const char *minus[GABI_COUNT_OF(beyond) + GABI_COUNT_OF(shims)];
	struct gabi_pin_options options = { .size = sizeof(options), .minus = wishes->hyperv ? minus : no_hyperv };

	options.minus_count = wishes->hyperv ? GABI_COUNT_OF(beyond) - (wishes->vsm ? ONLY_WITH_VSM : 0) : GABI_COUNT_OF(no_hyperv);
	memcpy(minus, beyond, sizeof(beyond));
	for (size_t i = 0; wishes->hyperv && wishes->shim && i < GABI_COUNT_OF(shims); i++)
		minus[options.minus_count++] = shims[i];
	return gabi_contract_pin(terms->host, &options, NULL, &terms->contract, diag);
}

int vmm_terms_settle(struct vmm_terms *terms, struct gabi_contract *contract, const struct vmm_wishes *wishes,
		     struct gabi_diag *diag)
{
	bool fits;
	int err;

	*terms = (struct vmm_terms){ .contract = contract };
	err = make_host(wishes, &terms->host, diag);
	if (!err && !contract)
		err = pin(terms, wishes, diag);
	if (!err)
		err = gabi_check(terms->contract, terms->host, &terms->report, diag);
	if (err)
		return err;
	fits = gabi_report_verdict(terms->report) <= GABI_FITS_WITH_ACTIONS;
	if (!fits && !wishes->forced)
		return 0;
	return gabi_plan_new(terms->contract, terms->host, fits ? terms->report : NULL, NULL, &terms->plan, diag);
}

/* The findings come heaviest first. */
int vmm_report_refuses(const struct gabi_report *report, const char *what, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);
	char name[128] = "", why[160] = "";

	if (count) {
		gabi_finding_name(finding, name, sizeof(name));
		gabi_finding_consequence(finding, why, sizeof(why));
	}
	return gabi_fail(diag, GABI_ERR_KVM, what, ": ", gabi_verdict_text(gabi_report_verdict(report)), ", ", name, ": ", why, (char *)NULL);
}

void vmm_terms_free(struct vmm_terms *terms)
{
	gabi_plan_free(terms->plan);
	gabi_report_free(terms->report);
	gabi_contract_free(terms->contract);
	gabi_host_free(terms->host);
}
