/* SPDX-License-Identifier: MIT */
#include <gabi/plan.h>
#include <gabi/verdict.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ---- hosts and contracts of a few words ---- */

struct words {
	struct gabi_word at[8];
};

#define WORD(space_name, index_value, part_value, width, word_value, can_set)                                                  \
	{ .key = { .space = GABI_SPACE_##space_name, .part = part_value, .index = index_value }, .value = word_value,          \
	  .settable = can_set, .vp = GABI_VP_ALL, .bits = width }

#define STD_BMAP 0x6030000000160000
#define LEAF_1_ECX(value) WORD(CPUID, 1, GABI_ECX, 32, value, 0)
#define SSE3 1u

static struct gabi_host *host_of(enum gabi_arch arch, enum gabi_view view, const struct words *words)
{
	struct gabi_host *host = gabi_host_new(arch, view, NULL);
	struct gabi_diag diag;

	assert_non_null(host);
	for (size_t i = 0; i < 8 && words->at[i].bits; i++) {
		if (gabi_host_add(host, &words->at[i], &diag))
			fail_msg("%s", diag.text);
		if (view == GABI_VIEW_KVM)
			gabi_host_cover(host, words->at[i].key.space);
	}
	assert_int_equal(gabi_host_seal(host, &diag), 0);
	return host;
}

static struct gabi_contract *contract_of(enum gabi_arch arch, const struct words *words)
{
	struct gabi_contract *contract = gabi_contract_new(arch, NULL);
	struct gabi_diag diag;

	assert_non_null(contract);
	for (size_t i = 0; i < 8 && words->at[i].bits; i++) {
		struct gabi_word word = words->at[i];

		word.settable = 0;
		if (gabi_contract_add(contract, &word, &diag))
			fail_msg("%s", diag.text);
	}
	assert_int_equal(gabi_contract_seal(contract, &diag), 0);
	return contract;
}

/* ---- check ---- */

static const struct check_case {
	const char *name;
	enum gabi_arch arch;
	enum gabi_view view;
	struct words promise, offer;
	enum gabi_verdict verdict;
	unsigned kind; /* of the heaviest finding */
} checks[] = {
	{ "a host that has what is promised fits", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(SSE3) } }, GABI_FITS, GABI_FINDING_NONE },
	{ "a host that lacks what is promised does not", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(0) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
	{ "what KVM did not list it does not have", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { LEAF_1_ECX(SSE3) } }, { { WORD(CPUID, 0, 0, 32, 1, 0) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
	{ "what a guest did not see, the host may have", GABI_ARCH_X86, GABI_VIEW_GUEST,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(0) } }, GABI_UNKNOWN, GABI_FINDING_UNSEEN },
	{ "what a guest saw, the host has", GABI_ARCH_X86, GABI_VIEW_GUEST,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(SSE3) } }, GABI_FITS, GABI_FINDING_NONE },
	{ "what the CPU has, KVM may withhold", GABI_ARCH_X86, GABI_VIEW_CPU,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(SSE3) } }, GABI_UNKNOWN, GABI_FINDING_UNSEEN },
	{ "what the CPU lacks, KVM cannot give", GABI_ARCH_X86, GABI_VIEW_CPU,
	  { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(0) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
	{ "a service that is on unless cleared is hidden by writing", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 0, 0) } }, { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_HIDE_BY_WRITE },
	{ "also when the contract is older than the register", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(VM, GABI_VM_IPA_BITS, 0, 64, 40, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(VM, GABI_VM_IPA_BITS, 0, 64, 40, 0) } }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_HIDE_BY_WRITE },
	{ "a service that cannot be cleared cannot be hidden", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 0, 0) } }, { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_HIDE },
	{ "a service that the host lacks is missing", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } }, { { WORD(ARM64, STD_BMAP, 0, 64, 0, 1) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_MISSING },
	{ "an unknown bitmap register is written zero", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { { { 0 } } } }, { { WORD(ARM64, 0x6030000000160077, 0, 64, 5, 7) } }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_HIDE_BY_WRITE },
	{ "an unknown register of another class makes the verdict unknown", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { { { 0 } } } }, { { WORD(ARM64, 0x6030000000140077, 0, 64, 5, 7) } }, GABI_UNKNOWN, GABI_FINDING_UNNAMED },
	{ "a TSC frequency within KVM's tolerance is the same", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000000, 0) } }, { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000400, 0) } }, GABI_FITS,
	  GABI_FINDING_NONE },
	{ "another TSC frequency is scaled where KVM can", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000000, 0) } },
	  { { WORD(CAP, 60, 0, 32, 1, 0), WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2600000, 0) } }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_SCALE },
	{ "and breaks the promise where it cannot", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000000, 0) } },
	  { { WORD(CAP, 60, 0, 32, 0, 0), WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2600000, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_DIFFERS },
	{ "a register without a name must be equal", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(CPUID, 0x12345, 0, 32, 7, 0) } }, { { WORD(CPUID, 0x12345, 0, 32, 15, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_DIFFERS },
	{ "an MSR that KVM does not have cannot be given", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(MSR, 0xc0011029, 0, 64, 2, 0) } }, { { WORD(MSR, 0x9999, 0, 64, 1, 0) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
};

static void check__gives_the_verdict_of_each_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks)[0]; i++) {
		const struct check_case *c = &checks[i];
		struct gabi_host *host = host_of(c->arch, c->view, &c->offer);
		struct gabi_contract *contract = contract_of(c->arch, &c->promise);
		struct gabi_report *report;
		const struct gabi_finding *findings;
		size_t count;

		assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
		findings = gabi_report_findings(report, &count);
		if (gabi_report_verdict(report) != c->verdict || gabi_check_verdict(contract, host) != c->verdict)
			fail_msg("%s: %s", c->name, gabi_verdict_text(gabi_report_verdict(report)));
		if ((count ? findings[0].kind : GABI_FINDING_NONE) != c->kind)
			fail_msg("%s: %s", c->name, count ? gabi_finding_text(findings[0].kind) : "no finding");
		gabi_report_free(report);
		gabi_contract_free(contract);
		gabi_host_free(host);
	}
}

static void check__of_another_architecture__does_not_fit(void **state)
{
	static const struct words x86 = { { LEAF_1_ECX(SSE3) } }, arm64 = { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } };
	struct gabi_host *host = host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &arm64);
	struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &x86);

	(void)state;
	assert_int_equal(gabi_check_verdict(contract, host), GABI_DOES_NOT_FIT);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check__gives_the_verdict_of_each_case),
		cmocka_unit_test(check__of_another_architecture__does_not_fit),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
