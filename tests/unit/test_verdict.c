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

enum { WORDS_MAX = 33 }; /* a register of 2048 bits, and one more */

struct words {
	struct gabi_word at[WORDS_MAX];
};

#define WORD(space_name, index_value, part_value, width, word_value, can_set)                                                  \
	{ .key = { .space = GABI_SPACE_##space_name, .part = part_value, .index = index_value }, .value = word_value,          \
	  .settable = can_set, .vp = GABI_VP_ALL, .bits = width }

#define STD_BMAP 0x6030000000160000
#define LEAF_1_ECX(value) WORD(CPUID, 1, GABI_ECX, 32, value, 0)
#define ARCH_CAPABILITIES WORD(CPUID, 7, GABI_EDX, 32, 1u << 29, 0)
#define SSE3 1u
#define ID_AA64PFR0 0x603000000013c020
#define CTR_EL0     0x603000000013d801
#define MIDR_EL1    0x603000000013c000
#define SVE_VLS     0x606000000015ffff
#define SVE         WORD(ARM64, ID_AA64PFR0, 0, 64, 1ull << 32, 0xfull << 32)
#define SVE_LENGTHS(set) WORD(ARM64, SVE_VLS, 0, 64, set, 0xfffe)

static struct gabi_host *host_of(enum gabi_arch arch, enum gabi_view view, const struct words *words)
{
	struct gabi_host *host = gabi_host_new(arch, view, NULL);
	struct gabi_diag diag;

	assert_non_null(host);
	for (size_t i = 0; i < WORDS_MAX && words->at[i].bits; i++) {
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
	for (size_t i = 0; i < WORDS_MAX && words->at[i].bits; i++) {
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
	const char *remedy, *have; /* of the heaviest finding too, if asked */
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
	  GABI_FINDING_DIFFERS, "choose a host that has the promised value, or that scales the TSC" },
	{ "a frequency that is not promised is not scaled to", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 0, 0) } }, { { WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2600000, 0) } }, GABI_FITS,
	  GABI_FINDING_NONE },
	{ "what must be zero is refused where the host has it too", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { LEAF_1_ECX(1u << 5), WORD(MSR, 0x480, 0, 64, 1ull << 48, 0) } },
	  { { LEAF_1_ECX(1u << 5), WORD(MSR, 0x480, 0, 64, 1ull << 48, ~0ull) } }, GABI_DOES_NOT_FIT, GABI_FINDING_NOT_ZERO,
	  "without vmx-32bit-physaddr" },
	{ "a wide field is written where each four bits of it may be anything", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, MIDR_EL1, 0, 64, 0x414fd0b1, 0) } },
	  { { WORD(ARM64, MIDR_EL1, 0, 64, 0x414fd0c1, 0xffffffff), WORD(ARM64_ACCEPTS, MIDR_EL1, 0, 64, ~0ull, 0),
	      WORD(ARM64_ACCEPTS, MIDR_EL1, 1, 64, ~0ull, 0) } }, GABI_FITS_WITH_ACTIONS, GABI_FINDING_SET_BY_WRITE },
	{ "and not where four of them take only some values", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, MIDR_EL1, 0, 64, 0x414fd0b1, 0) } },
	  { { WORD(ARM64, MIDR_EL1, 0, 64, 0x414fd0c1, 0xffffffff), WORD(ARM64_ACCEPTS, MIDR_EL1, 0, 64, ~(1ull << (16 + 0xf)), 0),
	      WORD(ARM64_ACCEPTS, MIDR_EL1, 1, 64, ~0ull, 0) } }, GABI_DOES_NOT_FIT, GABI_FINDING_DIFFERS },
	{ "the host's vector lengths up to the contract's longest", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { SVE, SVE_LENGTHS(0x3) } }, { { SVE, SVE_LENGTHS(0xb) } }, GABI_FITS_WITH_ACTIONS, GABI_FINDING_SET_BY_WRITE },
	{ "a vector length between others cannot be hidden", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { SVE, SVE_LENGTHS(0x8b) } }, { { SVE, SVE_LENGTHS(0xff) } }, GABI_DOES_NOT_FIT, GABI_FINDING_DIFFERS },
	{ "a guest with SVE has some vector length", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { SVE, SVE_LENGTHS(0) } }, { { SVE, SVE_LENGTHS(0xb) } }, GABI_DOES_NOT_FIT, GABI_FINDING_DIFFERS },
	{ "a guest without SVE has none", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, ID_AA64PFR0, 0, 64, 0, 0) } }, { { SVE, SVE_LENGTHS(0xb) } }, GABI_FITS_WITH_ACTIONS,
	  GABI_FINDING_HIDE_BY_WRITE },
	{ "a guest without a PMU does not see the PMU's identification", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, 0x603000000013dce0, 0, 64, 0x41000000, 0), WORD(VM, GABI_VM_PMU_COUNTERS, 0, 64, 0, 0) } },
	  { { WORD(ARM64, 0x603000000013dce0, 0, 64, 0, 0), WORD(VM, GABI_VM_PMU_COUNTERS, 0, 64, 1, 0) } }, GABI_FITS,
	  GABI_FINDING_NONE },
	{ "a register without a name must be equal", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(CPUID, 0x12345, 0, 32, 7, 0) } }, { { WORD(CPUID, 0x12345, 0, 32, 15, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_DIFFERS },
	{ "an MSR that KVM does not let one set stays as it is", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 1, 0) } }, { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 3, 0) } },
	  GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_HIDE, "choose a host without ibrs-all" },
	{ "what KVM says that it supports and no virtual processor has is not there", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 1, 0) } },
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 1, 0), WORD(MSR_DEFAULT, 0x10a, 0, 64, 0, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_MISSING, "without rdctl-no", "no" },
	{ "a number that the host does not reach is that of a baseline", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(CPUID, 0x80000008, GABI_EAX, 32, 48, 0) } }, { { WORD(CPUID, 0x80000008, GABI_EAX, 32, 40, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_TOO_SMALL, "pin a baseline of both, which has 40", "40" },
	{ "no host has a workaround's level and another's in common", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64, 0x6030000000140001, 0, 64, 1, 0) } }, { { WORD(ARM64, 0x6030000000140001, 0, 64, 2, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_DIFFERS, "choose a host that has the promised value" },
	{ "state that runs by itself wants a host that loads it", GABI_ARCH_ARM64, GABI_VIEW_KVM,
	  { { WORD(ARM64_STATE, 0x603000000013df01, 0, 64, 0, 0) } }, { { WORD(ARM64_STATE, 0x603000000013c080, 0, 64, 0, 0) } },
	  GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD, "choose a host that loads CNTPCT_EL0" },
	{ "fb-clear is there where the CPU has nothing to clear", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0x20000, 0) } },
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0xe120, ~0ull) } }, GABI_FITS, GABI_FINDING_NONE },
	{ "but not where it lacks one of the immunities", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0x20000, 0) } },
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0xa120, ~0ull) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
	{ "a return that may be predicted elsewhere is no feature to lose but one to gain", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0, 0) } },
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0x80000, ~0ull) } }, GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_HIDE },
	{ "and is kept by a guest that knows of it", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0x80000, 0) } },
	  { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 0, ~0ull) } }, GABI_FITS, GABI_FINDING_NONE },
	{ "nor does one that the contract does not list", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { ARCH_CAPABILITIES } }, { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 2, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_HIDE },
	{ "what a virtual processor starts with is given, whatever KVM says that it supports", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(MSR, 0xc0011029, 0, 64, 1ull << 4, 0) } },
	  { { WORD(MSR, 0xc0011029, 0, 64, 0, 0), WORD(MSR_DEFAULT, 0xc0011029, 0, 64, 1ull << 4, 0) } }, GABI_FITS,
	  GABI_FINDING_NONE },
	{ "an MSR that the contract's CPUID hides is no one's concern", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(MSR, 0x10a, 0, 64, 1, 0) } }, { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 3, 0) } }, GABI_FITS,
	  GABI_FINDING_NONE },
	{ "an MSR that KVM does not have cannot be given", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(MSR, 0xc0011029, 0, 64, 2, ~0ull) } }, { { WORD(MSR, 0x9999, 0, 64, 1, ~0ull) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING },
	{ "nor gone without, where it has no name", GABI_ARCH_X86, GABI_VIEW_KVM,
	  { { WORD(MSR, 0x9998, 0, 64, 2, ~0ull) } }, { { WORD(MSR, 0x9999, 0, 64, 1, ~0ull) } }, GABI_DOES_NOT_FIT, GABI_FINDING_MISSING,
	  "choose a host that has the promised value, or pin a baseline of both if there is one" },
};

static void check_texts(const struct check_case *c, const struct gabi_finding *finding)
{
	char text[256];

	gabi_finding_remedy(finding, text, sizeof(text));
	if (c->remedy && strcmp(text, c->remedy))
		fail_msg("%s: %s", c->name, text);
	gabi_finding_values(finding, 1, text, sizeof(text));
	if (c->have && strcmp(text, c->have))
		fail_msg("%s: the host has %s", c->name, text);
}

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
		if (count)
			check_texts(c, &findings[0]);
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
	const struct gabi_finding *finding;
	struct gabi_report *report;
	char value[32];
	size_t count;

	(void)state;
	assert_int_equal(gabi_check_verdict(contract, host), GABI_DOES_NOT_FIT);
	assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
	finding = gabi_report_findings(report, &count);
	assert_int_equal(count, 1);
	gabi_finding_values(finding, 0, value, sizeof(value));
	assert_string_equal(value, "x86");
	gabi_finding_values(finding, 1, value, sizeof(value));
	assert_string_equal(value, "arm64");
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

/* ---- diff ---- */

#define STD_HYP_BMAP  0x6030000000160001
#define WORKAROUND_3  0x6030000000140003
#define PSCI_VERSION  0x6030000000140000
#define ID_AA64MMFR3  0x603000000013c03b
#define TCR2_EL1      0x603000000013c103
#define SCTLR_EL1     0x603000000013c080
#define CNTPCT_EL0    0x603000000013df01
#define MSR_TSC_AUX   0xc0000103

static const struct diff_case {
	const char *name;
	enum gabi_arch arch;
	struct words from, to;
	enum gabi_effect effect; /* of the heaviest finding */
} diffs[] = {
	{ "a new CPUID bit is one-way", GABI_ARCH_X86, { { LEAF_1_ECX(0) } }, { { LEAF_1_ECX(SSE3) } }, GABI_EFFECT_ONE_WAY },
	{ "a lost CPUID bit blocks", GABI_ARCH_X86, { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(0) } }, GABI_EFFECT_BLOCKING },
	{ "a capability is for VMMs", GABI_ARCH_X86, { { WORD(CAP, 60, 0, 32, 1, 0) } }, { { WORD(CAP, 60, 0, 32, 0, 0) } },
	  GABI_EFFECT_SAFE },
	{ "a capability that only the device has lost is for VMMs as well", GABI_ARCH_X86,
	  { { WORD(CAP, 60, 0, 32, 1, 0), WORD(CAP_SYSTEM, 60, 0, 32, 1, 0) } }, { { WORD(CAP, 60, 0, 32, 1, 0), WORD(CAP_SYSTEM, 61, 0, 32, 1, 0) } },
	  GABI_EFFECT_SAFE },
	{ "a register's new default shows unless it is written", GABI_ARCH_ARM64, { { WORD(ARM64, STD_BMAP, 0, 64, 0, 1) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } }, GABI_EFFECT_NEEDS_PIN },
	{ "a new default that cannot be written blocks", GABI_ARCH_ARM64, { { WORD(ARM64, STD_BMAP, 0, 64, 0, 1) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } }, GABI_EFFECT_BLOCKING },
	{ "another workaround level blocks both ways", GABI_ARCH_ARM64, { { WORD(ARM64, WORKAROUND_3, 0, 64, 0, 0) } },
	  { { WORD(ARM64, WORKAROUND_3, 0, 64, 1, 0) } }, GABI_EFFECT_BLOCKING },
	{ "state that only one can load must be unused", GABI_ARCH_ARM64, { { WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0), WORD(ARM64_STATE, 0x603000000013c105, 0, 64, 0, 0) } },
	  GABI_EFFECT_IF_UNUSED },
	{ "state behind a feature that no guest is offered is safe", GABI_ARCH_ARM64,
	  { { WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0), WORD(ARM64_STATE, TCR2_EL1, 0, 64, 0, 0) } }, GABI_EFFECT_SAFE },
	{ "another TSC frequency needs scaling", GABI_ARCH_X86,
	  { { WORD(CAP, 60, 0, 32, 1, 0), WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000000, 0) } },
	  { { WORD(CAP, 60, 0, 32, 1, 0), WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2600000, 0) } }, GABI_EFFECT_NEEDS_PIN },
	{ "quirks that can be disabled take nothing from a guest", GABI_ARCH_X86, { { WORD(VM, GABI_VM_XSAVE_SIZE, 0, 64, 4096, 0) } },
	  { { WORD(VM, GABI_VM_XSAVE_SIZE, 0, 64, 4096, 0), WORD(VM, GABI_VM_QUIRKS, 0, 64, 7, 0) } }, GABI_EFFECT_SAFE },
	{ "a space that only one source could see is unknown", GABI_ARCH_X86, { { LEAF_1_ECX(SSE3) } },
	  { { LEAF_1_ECX(SSE3), WORD(MSR, 0x10a, 0, 64, 1, ~0ull) } }, GABI_EFFECT_UNKNOWN },
};

static void diff__tells_the_effect_of_each_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(diffs) / sizeof(diffs)[0]; i++) {
		const struct diff_case *c = &diffs[i];
		struct gabi_host *from = host_of(c->arch, GABI_VIEW_KVM, &c->from), *to = host_of(c->arch, GABI_VIEW_KVM, &c->to);
		struct gabi_report *report;
		const struct gabi_finding *findings;
		size_t count;

		assert_int_equal(gabi_diff(from, to, &report, NULL), 0);
		findings = gabi_report_findings(report, &count);
		if (!count || findings[0].effect != c->effect)
			fail_msg("%s: %s", c->name, count ? gabi_effect_text(findings[0].effect) : "no finding");
		gabi_report_free(report);
		assert_int_equal(gabi_diff(from, from, &report, NULL), 0);
		gabi_report_findings(report, &count);
		if (count)
			fail_msg("%s: a host differs from itself", c->name);
		gabi_report_free(report);
		gabi_host_free(from);
		gabi_host_free(to);
	}
}

static void diff__tells_a_capability_once_when_vm_and_device_agree(void **state)
{
	struct gabi_host *from = host_of(GABI_ARCH_X86, GABI_VIEW_KVM,
					 &(struct words){ { WORD(CAP, 60, 0, 32, 1, 0), WORD(CAP_SYSTEM, 60, 0, 32, 1, 0) } });
	struct gabi_host *to = host_of(GABI_ARCH_X86, GABI_VIEW_KVM,
				       &(struct words){ { WORD(CAP, 60, 0, 32, 2, 0), WORD(CAP_SYSTEM, 60, 0, 32, 2, 0) } });
	struct gabi_report *report;
	const struct gabi_finding *findings;
	size_t count;

	(void)state;
	assert_int_equal(gabi_diff(from, to, &report, NULL), 0);
	findings = gabi_report_findings(report, &count);
	assert_int_equal(count, 1);
	assert_int_equal(findings[0].key.space, GABI_SPACE_CAP);
	gabi_report_free(report);
	gabi_host_free(from);
	gabi_host_free(to);
}

/* A parameter is named where the host that has less has it turned off; the CPU may be why. */
static void remedy__of_a_module_parameter__says_what_the_cpu_must_have(void **state)
{
	static const struct {
		const char *fact;
		uint64_t promised, offered; /* of the secondary controls that may be 1 */
		const char *remedy;
	} rows[] = {
		{ "module.kvm_intel.vpid", 1u << 5, 0, "kvm_intel.vpid=1 if the CPU has VPID, or without vmx-vpid" },
		{ "module.kvm_intel.ept", 1u << 1, 0, "kvm_intel.ept=1 if the CPU has EPT, or without vmx-ept" },
		{ "module.kvm_intel.nested", 1u << 5, 0, "kvm_intel.nested=1, or without vmx-vpid" },
		{ "module.kvm_intel.ept", 1u << 5, 0, "without vmx-vpid" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct words promise = { { LEAF_1_ECX(1u << 5), WORD(MSR, 0x48b, 0, 64, rows[i].promised << 32, 0) } };
		const struct words offer = { { LEAF_1_ECX(1u << 5), WORD(MSR, 0x48b, 0, 64, rows[i].offered << 32, ~0ull) } };
		struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &promise);
		struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &offer);
		struct gabi_report *report;
		char remedy[128];
		size_t count;

		gabi_host_set_fact(host, rows[i].fact, "N", NULL);
		assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
		assert_non_null(gabi_report_findings(report, &count));
		gabi_finding_remedy(gabi_report_findings(report, &count), remedy, sizeof(remedy));
		assert_string_equal(remedy, rows[i].remedy);
		gabi_report_free(report);
		gabi_contract_free(contract);
		gabi_host_free(host);
	}
}

static void diff__names_the_module_parameter_that_made_it(void **state)
{
	static const struct words nested = { { WORD(CPUID, 0x80000001, GABI_ECX, 32, 4, 0) } };
	static const struct words plain = { { WORD(CPUID, 0x80000001, GABI_ECX, 32, 0, 0) } };
	struct gabi_host *from = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &nested), *to = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &plain);
	struct gabi_report *report;
	const struct gabi_finding *finding;
	size_t count;
	char remedy[128];

	(void)state;
	gabi_host_set_fact(from, "module.kvm_amd.nested", "1", NULL);
	gabi_host_set_fact(to, "module.kvm_amd.nested", "0", NULL);
	assert_int_equal(gabi_diff(from, to, &report, NULL), 0);
	finding = gabi_report_findings(report, &count);
	assert_int_equal(count, 1);
	assert_int_equal(finding->cause, GABI_CAUSE_MODULE);
	gabi_finding_remedy(finding, remedy, sizeof(remedy));
	assert_non_null(strstr(remedy, "kvm_amd.nested=1"));
	gabi_report_free(report);
	gabi_host_free(from);
	gabi_host_free(to);
}

static void diff__of_two_architectures__is_an_error(void **state)
{
	static const struct words x86 = { { LEAF_1_ECX(SSE3) } }, arm64 = { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } };
	struct gabi_host *from = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &x86), *to = host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &arm64);
	struct gabi_report *report = NULL;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_diff(from, to, &report, &diag), GABI_ERR_ARCH);
	assert_null(report);
	gabi_host_free(from);
	gabi_host_free(to);
}

/* ---- rollback ---- */

static const struct rollback_case {
	const char *name;
	enum gabi_arch arch;
	struct words promise, from, to;
	enum gabi_verdict verdict;
	unsigned kind, leg; /* of the heaviest finding */
} rollbacks[] = {
	{ "the same host on both sides: always", GABI_ARCH_ARM64, { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } }, GABI_FITS, GABI_FINDING_NONE, 0 },
	{ "new state behind a feature that was not promised: always", GABI_ARCH_ARM64, { { WORD(ARM64, ID_AA64MMFR3, 0, 64, 0, 0) } },
	  { { WORD(ARM64, ID_AA64MMFR3, 0, 64, 0, 0), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, ID_AA64MMFR3, 0, 64, 0, 0), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0),
	      WORD(ARM64_STATE, TCR2_EL1, 0, 64, 0, 0) } }, GABI_FITS, GABI_FINDING_DROP, 1 },
	{ "a running counter that was not promised was the host's own before and is again: always", GABI_ARCH_ARM64,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0), WORD(ARM64_STATE, CNTPCT_EL0, 0, 64, 0, 0) } },
	  GABI_FITS, GABI_FINDING_DROP, 1 },
	{ "a running counter that was promised would jump: never", GABI_ARCH_ARM64,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0), WORD(ARM64_STATE, CNTPCT_EL0, 0, 64, 0, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0), WORD(ARM64_STATE, CNTPCT_EL0, 0, 64, 0, 0) } },
	  GABI_DOES_NOT_FIT, GABI_FINDING_CANNOT_LOAD, 1 },
	{ "new state that any guest could touch: only if unused", GABI_ARCH_ARM64, { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0),
	      WORD(ARM64_STATE, 0x603000000013c105, 0, 64, 9, 0) } }, GABI_FITS_WITH_ACTIONS, GABI_FINDING_DROP_IF_UNUSED, 1 },
	{ "new state with no known reset value: never", GABI_ARCH_X86, { { LEAF_1_ECX(SSE3) } },
	  { { LEAF_1_ECX(SSE3), WORD(MSR_STATE, 0x10, 0, 1, 1, 0) } },
	  { { LEAF_1_ECX(SSE3), WORD(MSR_STATE, 0x10, 0, 1, 1, 0), WORD(MSR_STATE, 0x12345678, 0, 1, 1, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_CANNOT_LOAD, 1 },
	{ "a service that the new kernel gives and the old lacks is not for the way back", GABI_ARCH_ARM64,
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 0, 0), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } },
	  { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(ARM64_STATE, SCTLR_EL1, 0, 64, 5, 0) } }, GABI_DOES_NOT_FIT,
	  GABI_FINDING_MISSING, 1 },
	{ "what the way there loses", GABI_ARCH_X86, { { LEAF_1_ECX(SSE3) } },
	  { { LEAF_1_ECX(SSE3), WORD(MSR_STATE, 0x10, 0, 1, 1, 0) } }, { { LEAF_1_ECX(0), WORD(MSR_STATE, 0x10, 0, 1, 1, 0) } },
	  GABI_DOES_NOT_FIT, GABI_FINDING_MISSING, 0 },
	{ "a source that saw no state cannot promise the way back", GABI_ARCH_X86, { { LEAF_1_ECX(SSE3) } }, { { LEAF_1_ECX(SSE3) } },
	  { { LEAF_1_ECX(SSE3), WORD(MSR_STATE, 0x10, 0, 1, 1, 0) } }, GABI_UNKNOWN, GABI_FINDING_UNSEEN, 0 },
};

static void name__of_what_a_source_could_not_see_at_all__is_that_of_its_section(void **state)
{
	static const struct gabi_finding all = { .key.space = GABI_SPACE_MSR_STATE, .kind = GABI_FINDING_UNSEEN };
	char name[32];

	(void)state;
	gabi_finding_name(&all, name, sizeof(name));
	assert_string_equal(name, "msr-state");
}

static void values__of_vector_lengths__are_runs_of_bits(void **state)
{
	static const struct { uint64_t set; const char *text; } cases[] = {
		{ 0, "none" }, { 0x1, "128" }, { 0x3, "128,256" }, { 0x8b, "128,256,512,1024" }, { 0xffff, "128-2048" },
		{ 0xef, "128-512,768-1024" }, { 0x8000, "2048" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gabi_finding finding = { .field = gabi_field_by_name("sve-lengths", GABI_ARCH_ARM64), .bits = 16, .has_want = 1,
						.want = cases[i].set, .key = { .space = GABI_SPACE_ARM64, .index = SVE_VLS } };
		char text[64];

		gabi_finding_values(&finding, 0, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void rollback__gives_the_verdict_of_each_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rollbacks) / sizeof(rollbacks)[0]; i++) {
		const struct rollback_case *c = &rollbacks[i];
		struct gabi_host *from = host_of(c->arch, GABI_VIEW_KVM, &c->from), *to = host_of(c->arch, GABI_VIEW_KVM, &c->to);
		struct gabi_contract *contract = contract_of(c->arch, &c->promise);
		struct gabi_report *report;
		const struct gabi_finding *findings;
		size_t count;

		assert_int_equal(gabi_rollback(contract, from, to, &report, NULL), 0);
		findings = gabi_report_findings(report, &count);
		if (gabi_report_verdict(report) != c->verdict)
			fail_msg("%s: %s", c->name, gabi_verdict_text(gabi_report_verdict(report)));
		if ((count ? findings[0].kind : GABI_FINDING_NONE) != c->kind || (count && findings[0].host != c->leg))
			fail_msg("%s: %s", c->name, count ? gabi_finding_text(findings[0].kind) : "no finding");
		gabi_report_free(report);
		gabi_contract_free(contract);
		gabi_host_free(from);
		gabi_host_free(to);
	}
}

/* ---- baseline ---- */

static void baseline__fits_its_hosts_and_says_what_each_costs(void **state)
{
	static const struct words a = { { LEAF_1_ECX(7), WORD(MSR, 0x10a, 0, 64, 3, ~0ull) } };
	static const struct words b = { { LEAF_1_ECX(3), WORD(MSR, 0x10a, 0, 64, 3, ~0ull) } };
	static const struct words c = { { LEAF_1_ECX(7), WORD(MSR, 0x10a, 0, 64, 1, ~0ull) } };
	struct gabi_host *hosts[] = { host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &a), host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &b),
				      host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &c) };
	const struct gabi_host *const set[] = { hosts[0], hosts[1], hosts[2] };
	const struct gabi_key leaf_1 = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 };
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;
	const struct gabi_finding *finding;
	size_t count;

	(void)state;
	assert_int_equal(gabi_baseline(set, 3, NULL, &contract, &report, NULL), 0);
	assert_non_null(contract);
	assert_int_equal(gabi_contract_find(contract, &leaf_1, GABI_VP_ALL)->value & 7, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(gabi_check_verdict(contract, set[i]), GABI_FITS);
	finding = gabi_report_findings(report, &count);
	assert_int_equal(count, 2); /* b costs a bit of the leaf, c one of the MSR */
	assert_int_equal(finding[0].kind, GABI_FINDING_COSTS);
	assert_int_equal(finding[0].host, 1);
	assert_int_equal(finding[1].host, 2);
	gabi_report_free(report);
	gabi_contract_free(contract);
	for (size_t i = 0; i < 3; i++)
		gabi_host_free(hosts[i]);
}

static void baseline__where_hosts_cannot_agree__says_why(void **state)
{
	static const struct words a = { { WORD(ARM64, WORKAROUND_3, 0, 64, 0, 0) } };
	static const struct words b = { { WORD(ARM64, WORKAROUND_3, 0, 64, 1, 0) } };
	struct gabi_host *hosts[] = { host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &a), host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &b) };
	const struct gabi_host *const set[] = { hosts[0], hosts[1] };
	struct gabi_contract *contract = (struct gabi_contract *)(uintptr_t)1;
	struct gabi_report *report;
	size_t count;

	(void)state;
	assert_int_equal(gabi_baseline(set, 2, NULL, &contract, &report, NULL), 0);
	assert_null(contract);
	assert_int_equal(gabi_report_verdict(report), GABI_DOES_NOT_FIT);
	assert_int_equal(gabi_report_findings(report, &count)[0].kind, GABI_FINDING_DIFFERS);
	gabi_report_free(report);
	gabi_host_free(hosts[0]);
	gabi_host_free(hosts[1]);
}

static void baseline__of_vector_lengths__ends_where_two_hosts_differ(void **state)
{
	static const struct words a = { { SVE, SVE_LENGTHS(0x8b) } }, b = { { SVE, SVE_LENGTHS(0xff) } };
	struct gabi_host *hosts[] = { host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &a), host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &b) };
	const struct gabi_host *const set[] = { hosts[0], hosts[1] };
	const struct gabi_key lengths = { .space = GABI_SPACE_ARM64, .index = SVE_VLS };
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;

	(void)state;
	assert_int_equal(gabi_baseline(set, 2, NULL, &contract, &report, NULL), 0);
	assert_non_null(contract);
	assert_int_equal(gabi_contract_find(contract, &lengths, GABI_VP_ALL)->value, 0x3);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(gabi_check_verdict(contract, hosts[i]), GABI_FITS_WITH_ACTIONS);
		gabi_host_free(hosts[i]);
	}
	gabi_report_free(report);
	gabi_contract_free(contract);
}

/* One host forces a control on every nested hypervisor, the other has no such MSR: what is left out cannot be hidden. */
static void baseline__that_leaves_out_what_a_host_cannot_hide__is_none(void **state)
{
#define NESTED WORD(CPUID, 1, GABI_ECX, 32, 1u << 5, 0), WORD(MSR, 0x48e, 0, 64, 1ull << 63, ~0ull)
	static const struct words plain = { { NESTED } };
	static const struct words forced = { { NESTED, WORD(MSR, 0x48b, 0, 64, 1ull << 5 | 1ull << 37, ~0ull) } };
	struct gabi_host *hosts[] = { host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &plain), host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &forced) };
	const struct gabi_host *const set[] = { hosts[0], hosts[1] };
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;

	(void)state;
	assert_int_equal(gabi_baseline(set, 2, NULL, &contract, &report, NULL), 0);
	assert_null(contract);
	assert_int_equal(gabi_report_verdict(report), GABI_DOES_NOT_FIT);
	gabi_report_free(report);
	gabi_host_free(hosts[0]);
	gabi_host_free(hosts[1]);
}

static void baseline__takes_the_value_that_a_host_cannot_be_moved_from(void **state)
{
	static const struct words movable = { { WORD(ARM64, ID_AA64PFR0, 0, 64, 0x11, 0xff) } };
	static const struct words fixed = { { WORD(ARM64, ID_AA64PFR0, 0, 64, 0x01, 0) } };
	struct gabi_host *hosts[] = { host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &movable),
				      host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &fixed) };
	const struct gabi_host *const set[] = { hosts[0], hosts[1] };
	const struct gabi_key pfr0 = { .space = GABI_SPACE_ARM64, .index = ID_AA64PFR0 };
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;

	(void)state;
	assert_int_equal(gabi_baseline(set, 2, NULL, &contract, &report, NULL), 0);
	assert_non_null(contract);
	assert_int_equal(gabi_contract_find(contract, &pfr0, GABI_VP_ALL)->value, 0x01);
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(hosts[0]);
	gabi_host_free(hosts[1]);
}

/* KVM says that it supports the bits, but its virtual processors show 0 and take no write: seen on a software KVM. */
static void check__msr_that_takes_no_write_and_starts_otherwise__is_missing(void **state)
{
	static const struct words offer = { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 1, 0), WORD(MSR_DEFAULT, 0x10a, 0, 64, 0, ~0ull) } };
	static const struct words promise = { { ARCH_CAPABILITIES, WORD(MSR, 0x10a, 0, 64, 1, 0) } };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &offer);
	struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &promise), *pinned;

	(void)state;
	assert_int_equal(gabi_check_verdict(contract, host), GABI_DOES_NOT_FIT);
	assert_int_equal(gabi_contract_pin(host, NULL, NULL, &pinned, NULL), 0);
	assert_int_equal(gabi_contract_find(pinned, &offer.at[1].key, GABI_VP_ALL)->value, 0);
	assert_int_equal(gabi_check_verdict(pinned, host), GABI_FITS);
	gabi_contract_free(pinned);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

/* ---- plan ---- */

static struct gabi_plan *plan_of(enum gabi_arch arch, const struct words *promise, const struct words *offer, int *ret_err)
{
	struct gabi_host *host = host_of(arch, GABI_VIEW_KVM, offer);
	struct gabi_contract *contract = contract_of(arch, promise);
	struct gabi_report *report;
	struct gabi_plan *plan = NULL;

	assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
	*ret_err = gabi_plan_new(contract, host, report, NULL, &plan, NULL);
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return plan;
}

static void plan__of_a_contract_that_does_not_fit__is_refused(void **state)
{
	static const struct words promise = { { LEAF_1_ECX(SSE3) } }, offer = { { LEAF_1_ECX(0) } };
	int err;

	(void)state;
	assert_null(plan_of(GABI_ARCH_X86, &promise, &offer, &err));
	assert_int_equal(err, GABI_ERR_ARG);
}

static void plan__sets_cpuid_before_msrs_and_misc_last_and_reads_all_back(void **state)
{
	static const struct words words = { { LEAF_1_ECX(SSE3), WORD(MSR, 0x10a, 0, 64, 1, ~0ull), WORD(MSR, 0x485, 0, 64, 0, ~0ull),
					      WORD(MSR, 0x48d, 0, 64, 0, ~0ull), WORD(VM, GABI_VM_TSC_KHZ, 0, 64, 2000000, 0) } };
	static const unsigned kinds[] = { GABI_OP_SET_TSC_KHZ, GABI_OP_SET_CPUID, GABI_OP_SET_MSR, GABI_OP_SET_MSR, GABI_OP_SET_MSR,
					  GABI_OP_VERIFY, GABI_OP_VERIFY, GABI_OP_VERIFY, GABI_OP_VERIFY };
	int err;
	struct gabi_plan *plan = plan_of(GABI_ARCH_X86, &words, &words, &err);
	const struct gabi_op *op;
	size_t count;

	(void)state;
	assert_non_null(plan);
	op = gabi_plan_ops(plan, &count);
	assert_int_equal(count, sizeof(kinds) / sizeof(kinds)[0]);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(op[i].kind, kinds[i]);
	assert_int_equal(op[4].key.index, 0x485);
	gabi_plan_free(plan);
}

/* The guest has written the id that it read into each of its VMCSs. */
static void plan__never_gives_a_guest_another_revision_id(void **state)
{
#define BASIC(id, can_set) { { WORD(CPUID, 1, GABI_ECX, 32, 1u << 5, 0), WORD(MSR, 0x480, 0, 64, 0x00d8100000000000 | (id), can_set) } }
	static const struct words promise = BASIC(0x11e57ed0, 0), same = BASIC(0x11e57ed0, ~0ull), other = BASIC(0x11e57ed1, ~0ull);
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &other);
	struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &promise);
	struct gabi_plan *plan;
	const struct gabi_op *op;
	size_t count, sets = 0;
	int err;

	(void)state;
	assert_non_null(plan = plan_of(GABI_ARCH_X86, &promise, &same, &err));
	gabi_plan_free(plan);
	assert_null(plan_of(GABI_ARCH_X86, &promise, &other, &err));
	assert_int_equal(err, GABI_ERR_ARG);
	assert_int_equal(gabi_plan_new(contract, host, NULL, NULL, &plan, NULL), 0); /* unasked: KVM is to refuse the guest's id */
	op = gabi_plan_ops(plan, &count);
	for (size_t i = 0; i < count; i++) {
		if (op[i].key.space != GABI_SPACE_MSR)
			continue;
		assert_int_equal(op[i].value & 0x7fffffff, 0x11e57ed0);
		sets += op[i].kind == GABI_OP_SET_MSR;
	}
	assert_int_equal(sets, 1);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

static void plan__writes_firmware_registers_once_before_the_first_run(void **state)
{
	static const struct words promise = { { WORD(ARM64, ID_AA64PFR0, 0, 64, 0, 0), WORD(ARM64, STD_BMAP, 0, 64, 0, 0) } };
	static const struct words offer = { { WORD(ARM64, ID_AA64PFR0, 0, 64, 0, 0), WORD(ARM64, STD_BMAP, 0, 64, 1, 1),
					      WORD(ARM64, 0x6030000000160003, 0, 64, 0, 3) } };
	int err;
	struct gabi_plan *plan = plan_of(GABI_ARCH_ARM64, &promise, &offer, &err);
	const struct gabi_op *op;
	size_t count, sets = 0;

	(void)state;
	assert_non_null(plan);
	op = gabi_plan_ops(plan, &count);
	for (size_t i = 0; i < count; i++) {
		if (op[i].kind != GABI_OP_SET_REG)
			continue;
		assert_int_equal(op[i].scope, GABI_SCOPE_VM);
		assert_true(op[i].before_run);
		assert_int_equal(op[i].value, 0);
		sets++;
	}
	assert_int_equal(sets, 2); /* the promised one, and the one that the contract has never heard of */
	assert_int_equal(op[count - 1].kind, GABI_OP_VERIFY); /* and that is read back, too */
	assert_int_equal(op[count - 1].key.index, 0x6030000000160003);
	assert_int_equal(op[count - 1].mask, UINT64_MAX);
	gabi_plan_free(plan);
}

/* Where KVM's register says something else than a guest reads, nothing is to be had from reading it back. */
static void plan__reads_nothing_back_that_only_a_guest_sees(void **state)
{
	static const struct words promise = { { WORD(ARM64, CTR_EL0, 0, 64, 0x8444c004, 0), SVE } };
	static const struct words offer = { { WORD(ARM64, CTR_EL0, 0, 64, 0x8444c004, 0), SVE } };
	struct gabi_contract *contract = contract_of(GABI_ARCH_ARM64, &promise);
	struct gabi_plan *plan = NULL;

	(void)state;
	for (unsigned flags = 0; flags <= GABI_WORD_SEEN; flags += GABI_WORD_SEEN) {
		struct words shown = offer;
		struct gabi_host *host;
		int read_back = 0;
		size_t count;

		shown.at[0].flags = (uint8_t)flags;
		host = host_of(GABI_ARCH_ARM64, GABI_VIEW_KVM, &shown);
		assert_int_equal(gabi_plan_new(contract, host, NULL, NULL, &plan, NULL), 0);
		gabi_plan_ops(plan, &count);
		for (size_t i = 0; i < count; i++)
			read_back |= gabi_plan_ops(plan, &count)[i].kind == GABI_OP_VERIFY &&
				     gabi_plan_ops(plan, &count)[i].key.index == CTR_EL0;
		assert_int_equal(read_back, flags == 0);
		gabi_plan_free(plan);
		gabi_host_free(host);
	}
	gabi_contract_free(contract);
}

/* DE_CFG (0xc0011029) has no condition, and what the contract does not list of it is off. */
static void plan__writes_an_msr_that_would_show_what_was_never_promised(void **state)
{
#define DE_CFG(space, value, can_set) WORD(space, 0xc0011029, 0, 64, value, can_set)
	static const struct { const char *name; struct words offer; int written; } cases[] = {
		{ "it starts with a bit that can be cleared", { { DE_CFG(MSR, 1ull << 1, 1ull << 1), DE_CFG(MSR_DEFAULT, 1ull << 1, 0) } }, 1 },
		{ "it starts with nothing", { { DE_CFG(MSR, 1ull << 1, 1ull << 1), DE_CFG(MSR_DEFAULT, 0, 0) } }, 0 },
		{ "what it starts with is not known", { { DE_CFG(MSR, 1ull << 1, 1ull << 1) } }, 0 },
		{ "behind CPUID's vmx, which is not promised", { { WORD(MSR, 0x48b, 0, 64, 1ull << 33, ~0ull),
		    WORD(MSR_DEFAULT, 0x48b, 0, 64, 1ull << 33, 0) } }, 0 },
	};
	static const struct words promise = { { LEAF_1_ECX(SSE3) } };
	struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &promise);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &cases[i].offer);
		struct gabi_plan *plan = NULL;
		size_t count;
		int written = 0;

		assert_int_equal(gabi_plan_new(contract, host, NULL, NULL, &plan, NULL), 0);
		gabi_plan_ops(plan, &count);
		for (size_t at = 0; at < count; at++) {
			const struct gabi_op *op = &gabi_plan_ops(plan, &count)[at];

			written += op->kind == GABI_OP_SET_MSR && op->value == 0 && op->vp == GABI_VP_ALL;
		}
		if (written != cases[i].written)
			fail_msg("%s: written %d times", cases[i].name, written);
		gabi_plan_free(plan);
		gabi_host_free(host);
	}
	gabi_contract_free(contract);
}

/* Every word of it, whatever its width, in one piece. */
static void plan__zeroes_a_bitmap_that_nobody_knows(void **state)
{
	static const struct words promise = { { WORD(ARM64, STD_BMAP, 0, 64, 0, 0) } };

	(void)state;
	for (unsigned log2_bytes = 0; log2_bytes <= 8; log2_bytes++) {
		uint64_t id = 0x6000000000160042 | (uint64_t)log2_bytes << 52;
		unsigned bits = log2_bytes < 3 ? 8u << log2_bytes : 64, parts = log2_bytes < 3 ? 1 : 1u << (log2_bytes - 3);
		struct words offer = { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } };
		struct gabi_plan *plan;
		const struct gabi_op *op;
		size_t count, sets = 0, verifies = 0;
		int err;

		for (unsigned part = 0; part < parts; part++)
			offer.at[1 + part] = (struct gabi_word)WORD(ARM64, id, part, bits, 5, 7);
		plan = plan_of(GABI_ARCH_ARM64, &promise, &offer, &err);
		assert_non_null(plan);
		op = gabi_plan_ops(plan, &count);
		for (size_t i = 0; i < count; i++) {
			if (op[i].key.index != id)
				continue;
			assert_int_equal(op[i].value, 0);
			assert_int_equal(op[i].bits, bits);
			assert_int_equal(op[i].scope, GABI_SCOPE_VM);
			sets += op[i].kind == GABI_OP_SET_REG;
			verifies += op[i].kind == GABI_OP_VERIFY;
		}
		assert_int_equal(sets, parts);
		assert_int_equal(verifies, parts);
		gabi_plan_free(plan);
	}
}

static void plan__of_a_filter__lays_it_before_the_reading_back(void **state)
{
	static const struct words promise = { { WORD(ARM64, STD_BMAP, 0, 64, 0, 0), WORD(VM, GABI_VM_SMCCC_FILTER, 0, 64, 1, 0),
						WORD(SMCCC, 0x84000050, 0, 64, GABI_SMCCC_WORD(GABI_SMCCC_DENY, 4), 0) } };
	static const struct words offer = { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1), WORD(VM, GABI_VM_SMCCC_FILTER, 0, 64, 1, 0) } };
	static const struct words without = { { WORD(ARM64, STD_BMAP, 0, 64, 1, 1) } };
	static const unsigned kinds[] = { GABI_OP_SET_REG, GABI_OP_FILTER_SMCCC, GABI_OP_VERIFY };
	int err;
	struct gabi_plan *plan = plan_of(GABI_ARCH_ARM64, &promise, &offer, &err);
	const struct gabi_op *op;
	size_t count;

	(void)state;
	assert_non_null(plan);
	op = gabi_plan_ops(plan, &count);
	assert_int_equal(count, sizeof(kinds) / sizeof(kinds[0]));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(op[i].kind, kinds[i]);
	assert_int_equal(op[1].scope, GABI_SCOPE_VM);
	assert_true(op[1].before_run);
	gabi_plan_free(plan);
	assert_null(plan_of(GABI_ARCH_ARM64, &promise, &without, &err)); /* a kernel that has none */
}

static void plan__without_a_report__is_made_all_the_same(void **state)
{
	static const struct words promise = { { LEAF_1_ECX(SSE3) } }, offer = { { LEAF_1_ECX(0) } };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &offer);
	struct gabi_contract *contract = contract_of(GABI_ARCH_X86, &promise);
	struct gabi_plan *plan = NULL;
	size_t count;

	(void)state;
	assert_int_equal(gabi_plan_new(contract, host, NULL, NULL, &plan, NULL), 0);
	gabi_plan_ops(plan, &count);
	assert_int_equal(count, 2); /* set and verify */
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

static void plan__leaves_free_bits_to_the_vmm(void **state)
{
	static const struct words words = { { WORD(CPUID, 1, GABI_EBX, 32, 0x00000800, 0) } };
	int err;
	struct gabi_plan *plan = plan_of(GABI_ARCH_X86, &words, &words, &err);
	const struct gabi_op *op;
	size_t count;

	(void)state;
	assert_non_null(plan);
	op = gabi_plan_ops(plan, &count);
	assert_int_equal(op[0].kind, GABI_OP_SET_CPUID);
	assert_int_equal(op[0].mask, 0x0000ffff); /* not the APIC id, nor the number of processors */
	gabi_plan_free(plan);
}

/* A guest with Hyper-V's leaves has a SynIC only if KVM was told, and KVM hides what is not listed only if told. */
static void plan__of_hyperv__switches_on_what_kvm_wants_told_and_moves_kvms_leaves(void **state)
{
	static const struct words promise = { { WORD(KVM, 0x40000001, GABI_EAX, 32, 1, 0), WORD(HYPERV, 0x40000003, GABI_EAX, 32, 1u << 2, 0) } };
	static const struct words offer = { { WORD(KVM, 0x40000001, GABI_EAX, 32, 1, 0), WORD(HYPERV, 0x40000003, GABI_EAX, 32, 1u << 2, 0),
					      WORD(CAP, GABI_KVM_CAP_HYPERV_SYNIC2, 0, 32, 1, 0),
					      WORD(CAP, GABI_KVM_CAP_HYPERV_ENFORCE_CPUID, 0, 32, 1, 0) } };
	static const struct words without = { { WORD(KVM, 0x40000001, GABI_EAX, 32, 1, 0) } };
	int err;
	struct gabi_plan *plan = plan_of(GABI_ARCH_X86, &promise, &offer, &err);
	const struct gabi_op *op;
	size_t count;

	(void)state;
	assert_non_null(plan);
	op = gabi_plan_ops(plan, &count);
	assert_int_equal(op[0].kind, GABI_OP_ENABLE_CAP);
	assert_int_equal(op[0].key.index, GABI_KVM_CAP_HYPERV_SYNIC2);
	assert_int_equal(op[1].kind, GABI_OP_ENABLE_CAP);
	assert_int_equal(op[1].key.index, GABI_KVM_CAP_HYPERV_ENFORCE_CPUID);
	assert_int_equal(op[1].value, 1);
	assert_int_equal(op[2].kind, GABI_OP_SET_CPUID);
	assert_int_equal(gabi_plan_kvm_leaf_base(plan), 0x40000100);
	gabi_plan_free(plan);

	plan = plan_of(GABI_ARCH_X86, &without, &offer, &err);
	assert_non_null(plan);
	assert_int_equal(gabi_plan_ops(plan, &count)[0].kind, GABI_OP_SET_CPUID);
	assert_int_equal(gabi_plan_kvm_leaf_base(plan), 0x40000000);
	gabi_plan_free(plan);
}

/* ---- pinning ---- */

static void pin__fits_the_host_it_was_made_of(void **state)
{
	static const struct words words = { { LEAF_1_ECX(SSE3), WORD(MSR, 0x10a, 0, 64, 1, ~0ull),
					      WORD(VM, GABI_VM_QUIRKS, 0, 64, 7, 0), WORD(VM, GABI_VM_NESTED_SIZE, 0, 64, 8320, 0) } };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &words);
	struct gabi_contract *contract;
	const struct gabi_key quirks = { .space = GABI_SPACE_VM, .index = GABI_VM_QUIRKS };

	(void)state;
	assert_int_equal(gabi_contract_pin(host, NULL, NULL, &contract, NULL), 0);
	assert_int_equal(gabi_check_verdict(contract, host), GABI_FITS);
	assert_null(gabi_contract_find(contract, &quirks, GABI_VP_ALL)); /* on request alone */
	gabi_contract_free(contract);
	gabi_host_free(host);
}

static void pin__of_a_bare_cpu__is_refused(void **state)
{
	static const struct words words = { { LEAF_1_ECX(SSE3) } };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_CPU, &words);
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_contract_pin(host, NULL, NULL, &contract, &diag), GABI_ERR_ARG);
	assert_null(contract);
	assert_non_null(strstr(diag.text, "bare CPU"));
	gabi_host_free(host);
}

static void pin__minus_a_feature__leaves_it_out(void **state)
{
	static const struct words words = { { LEAF_1_ECX(SSE3) } };
	static const char *const minus[] = { "pni" }, *const junk[] = { "pnix" };
	struct gabi_pin_options options = { sizeof(options), minus, 1 };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &words);
	const struct gabi_key leaf_1 = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 };
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_contract_pin(host, &options, NULL, &contract, &diag), 0);
	assert_int_equal(gabi_contract_find(contract, &leaf_1, GABI_VP_ALL)->value, 0);
	gabi_contract_free(contract);
	options.minus = junk;
	assert_int_equal(gabi_contract_pin(host, &options, NULL, &contract, &diag), GABI_ERR_UNKNOWN);
	assert_non_null(strstr(diag.text, "pnix"));
	gabi_host_free(host);
}

static uint64_t value_of(const struct gabi_contract *contract, const char *name, unsigned vp)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	const struct gabi_word *word = field ? gabi_contract_find(contract, &field->key, vp) : NULL;

	return word ? word->value >> field->lo & 1 : 0;
}

/* MPX goes, and with it its registers in XCR0, their leaf and the VMX controls that load them; AVX stays. */
static void pin__minus_a_feature__takes_its_state_along(void **state)
{
	static const struct words words = { { WORD(CPUID, 1, GABI_ECX, 32, 1u << 5 | 1u << 28, 0), WORD(CPUID, 7, GABI_EBX, 32, 1u << 14, 0),
					      WORD(CPUID, 0xd, GABI_EAX, 32, 0x1f, 0), WORD(MSR, 0x48f, 0, 64, 1ull << 55, ~0ull) } };
	static const char *const minus[] = { "mpx" };
	const struct gabi_pin_options options = { .size = sizeof(options), .minus = minus, .minus_count = 1 };
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &words);
	struct gabi_contract *all = NULL, *less = NULL;

	(void)state;
	assert_int_equal(gabi_contract_pin(host, NULL, NULL, &all, NULL), 0);
	assert_int_equal(gabi_contract_pin(host, &options, NULL, &less, NULL), 0);
	assert_int_equal(value_of(all, "xcr0-bndregs", GABI_VP_ALL), 1);
	assert_int_equal(value_of(all, "vmx-exit-clear-bndcfgs", GABI_VP_ALL), 1);
	assert_int_equal(value_of(less, "xcr0-bndregs", GABI_VP_ALL), 0);
	assert_int_equal(value_of(less, "xcr0-bndcsr", GABI_VP_ALL), 0);
	assert_int_equal(value_of(less, "vmx-exit-clear-bndcfgs", GABI_VP_ALL), 0);
	assert_int_equal(value_of(less, "xcr0-avx", GABI_VP_ALL), 1);
	gabi_contract_free(all);
	gabi_contract_free(less);
	gabi_host_free(host);
}

#define LEAF_D(subleaf, reg, val)                                                                                              \
	{ .key = { .space = GABI_SPACE_CPUID, .part = reg, .sub = subleaf, .index = 0xd }, .value = val, .vp = GABI_VP_ALL,    \
	  .bits = 32 }

/* The largest size of XSAVE's area is where the last component ends that is left; nothing else makes it smaller. */
static void pin__minus_a_component_of_xsave__has_a_smaller_area(void **state)
{
	static const struct words words = { { LEAF_1_ECX(1u << 26 | 1u << 28), WORD(CPUID, 7, GABI_ECX, 32, 1u << 3 | 1u << 2, 0),
					      LEAF_D(0, GABI_EAX, 0x207), LEAF_D(0, GABI_ECX, 2696), LEAF_D(2, GABI_EAX, 256),
					      LEAF_D(2, GABI_EBX, 576), LEAF_D(9, GABI_EAX, 8), LEAF_D(9, GABI_EBX, 2688) } };
	static const struct {
		const char *minus;
		uint64_t size;
	} rows[] = { { "umip", 2696 }, { "avx", 2696 }, { "pku", 832 }, { "xcr0-pkru", 832 } };
	const struct gabi_field *size = gabi_field_by_name("xsave-size-max", GABI_ARCH_X86);
	struct gabi_host *host = host_of(GABI_ARCH_X86, GABI_VIEW_KVM, &words);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gabi_pin_options options = { .size = sizeof(options), .minus = &rows[i].minus, .minus_count = 1 };
		struct gabi_contract *contract = NULL;

		assert_int_equal(gabi_contract_pin(host, &options, NULL, &contract, NULL), 0);
		assert_int_equal(gabi_contract_find(contract, &size->key, GABI_VP_ALL)->value, rows[i].size);
		gabi_contract_free(contract);
	}
	gabi_host_free(host);
}

static void narrow__keeps_the_words_of_single_processors(void **state)
{
	static const struct gabi_word own = { .key = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 }, .value = SSE3 | 1u << 9,
					      .bits = 32, .vp = 1 };
	static const char *const minus[] = { "pni" };
	const struct gabi_pin_options options = { .size = sizeof(options), .minus = minus, .minus_count = 1 };
	const struct gabi_pin_options evmcs = { .size = sizeof(evmcs), .evmcs = 1 };
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL), *less = NULL, *same = NULL;
	struct gabi_word common = own;
	uint8_t x[GABI_DIGEST_LEN], y[GABI_DIGEST_LEN];

	(void)state;
	common.vp = GABI_VP_ALL;
	assert_int_equal(gabi_contract_add(contract, &common, NULL), 0);
	assert_int_equal(gabi_contract_add(contract, &own, NULL), 0);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_contract_narrow(contract, NULL, NULL, &same, NULL), 0);
	gabi_contract_digest(contract, x);
	gabi_contract_digest(same, y);
	assert_memory_equal(x, y, sizeof(x));
	assert_int_equal(gabi_contract_narrow(contract, &options, NULL, &less, NULL), 0);
	assert_int_equal(value_of(less, "pni", 1) + value_of(less, "pni", GABI_VP_ALL), 0);
	assert_int_equal(value_of(less, "ssse3", 1), 1);
	assert_int_equal(gabi_contract_narrow(contract, &evmcs, NULL, &less, NULL), GABI_ERR_ARG);
	gabi_contract_free(contract);
	gabi_contract_free(same);
	gabi_contract_free(less);
}

static void words__say_of_vmx_which_word_and_what_is_wrong(void **state)
{
	static const struct {
		const char *words;
		uint32_t msr;
		uint8_t bit, kind;
		uint16_t space;
	} rows[] = {
		{ "secondary controls: host cannot do tsc-scaling", 0x48b, 57, GABI_FINDING_MISSING, GABI_SPACE_MSR },
		{ "secondary controls: kernel takes away mbec", 0x48b, 54, GABI_FINDING_MISSING, GABI_SPACE_MSR_EVMCS },
		{ "pin-based controls: host cannot do without posted-intr", 0x48d, 39, GABI_FINDING_CANNOT_HIDE, GABI_SPACE_MSR },
		{ "EPT and VPID: to be hidden: invept", 0x48c, 20, GABI_FINDING_HIDE_BY_WRITE, GABI_SPACE_MSR },
		{ "VMX basics: host cannot do ins-outs", 0x480, 54, GABI_FINDING_MISSING, GABI_SPACE_MSR },
		{ "", 0x10, 0, GABI_FINDING_MISSING, GABI_SPACE_MSR },
		{ "", 0x48b, 57, GABI_FINDING_CHANGED, GABI_SPACE_MSR },
		{ "", 0x48b, 0, GABI_FINDING_MISSING, GABI_SPACE_CPUID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_finding finding = { .key = { .space = rows[i].space, .index = rows[i].msr }, .lo = rows[i].bit, .bits = 1,
						.kind = rows[i].kind };
		struct gabi_key named = { .space = GABI_SPACE_MSR, .index = rows[i].msr };
		size_t count;
		const struct gabi_field *field = gabi_fields_of(&named, &count);
		char text[128];

		for (size_t k = 0; k < count; k++)
			if (field[k].bits == 1 && field[k].lo == rows[i].bit)
				finding.field = &field[k];
		gabi_finding_words(&finding, text, sizeof(text));
		assert_string_equal(text, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words__say_of_vmx_which_word_and_what_is_wrong),
		cmocka_unit_test(check__gives_the_verdict_of_each_case),
		cmocka_unit_test(check__of_another_architecture__does_not_fit),
		cmocka_unit_test(diff__tells_the_effect_of_each_case),
		cmocka_unit_test(diff__tells_a_capability_once_when_vm_and_device_agree),
		cmocka_unit_test(diff__names_the_module_parameter_that_made_it),
		cmocka_unit_test(remedy__of_a_module_parameter__says_what_the_cpu_must_have),
		cmocka_unit_test(diff__of_two_architectures__is_an_error),
		cmocka_unit_test(name__of_what_a_source_could_not_see_at_all__is_that_of_its_section),
		cmocka_unit_test(values__of_vector_lengths__are_runs_of_bits),
		cmocka_unit_test(rollback__gives_the_verdict_of_each_case),
		cmocka_unit_test(baseline__fits_its_hosts_and_says_what_each_costs),
		cmocka_unit_test(baseline__where_hosts_cannot_agree__says_why),
		cmocka_unit_test(baseline__of_vector_lengths__ends_where_two_hosts_differ),
		cmocka_unit_test(baseline__that_leaves_out_what_a_host_cannot_hide__is_none),
		cmocka_unit_test(baseline__takes_the_value_that_a_host_cannot_be_moved_from),
		cmocka_unit_test(check__msr_that_takes_no_write_and_starts_otherwise__is_missing),
		cmocka_unit_test(plan__of_a_contract_that_does_not_fit__is_refused),
		cmocka_unit_test(plan__sets_cpuid_before_msrs_and_misc_last_and_reads_all_back),
		cmocka_unit_test(plan__never_gives_a_guest_another_revision_id),
		cmocka_unit_test(plan__writes_firmware_registers_once_before_the_first_run),
		cmocka_unit_test(plan__reads_nothing_back_that_only_a_guest_sees),
		cmocka_unit_test(plan__writes_an_msr_that_would_show_what_was_never_promised),
		cmocka_unit_test(plan__zeroes_a_bitmap_that_nobody_knows),
		cmocka_unit_test(plan__of_a_filter__lays_it_before_the_reading_back),
		cmocka_unit_test(plan__without_a_report__is_made_all_the_same),
		cmocka_unit_test(plan__leaves_free_bits_to_the_vmm),
		cmocka_unit_test(plan__of_hyperv__switches_on_what_kvm_wants_told_and_moves_kvms_leaves),
		cmocka_unit_test(pin__fits_the_host_it_was_made_of),
		cmocka_unit_test(pin__of_a_bare_cpu__is_refused),
		cmocka_unit_test(pin__minus_a_feature__leaves_it_out),
		cmocka_unit_test(pin__minus_a_feature__takes_its_state_along),
		cmocka_unit_test(pin__minus_a_component_of_xsave__has_a_smaller_area),
		cmocka_unit_test(narrow__keeps_the_words_of_single_processors),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
