/* SPDX-License-Identifier: MIT */
/* src/vocab/change.c: which kernel has which change, what a change explains, and what a kernel without it implies. */
#include <gabi/change.h>
#include <gabi/verdict.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

static const struct gabi_change example = {
	.id = "example",
	.release = "6.2",
	.also = "5.10.230 5.15.173 6.1.120 amzn:6.1.84",
};

static const struct {
	const char *name, *release;
	int in;
} in_cases[] = {
	{ "the release that brought it", "6.2", 1 },
	{ "a stable release of that line", "6.2.3", 1 },
	{ "a later line", "7.2.13", 1 },
	{ "the line before, without a backport", "6.0.19", 0 },
	{ "a stable release with the backport", "6.1.120", 1 },
	{ "a later one of that line", "6.1.176-1", 1 },
	{ "an earlier one of that line", "6.1.119", 0 },
	{ "a release candidate has what its line has", "6.2.0-rc4", 1 },
	{ "Amazon tells its stable release", "5.10.234-225.910.amzn2.x86_64", 1 },
	{ "Amazon had it before its line", "6.1.84-99.169.amzn2023.x86_64", 1 },
	{ "which says nothing of others", "6.1.84", 0 },
	{ "nor of an earlier one of Amazon's", "6.1.79-99.164.amzn2023.x86_64", 0 },
	{ "an older Amazon too", "4.14.336-257.568.amzn2", 0 },
	{ "Debian 13 tells its stable release", "6.12.107+deb13-amd64", 1 },
	{ "Debian 12 hides it", "6.1.0-50-amd64", -1 },
	{ "so does Ubuntu", "5.15.0-91-generic", -1 },
	{ "what hides it in a line without a backport is known", "5.4.0-150-generic", 0 },
	{ "what hides it in a line that has it is known", "6.5.0-14-generic", 1 },
	{ "mainline's own release hides nothing", "6.1.0", 0 },
	{ "a distribution that carries back whole subsystems", "5.14.0-427.13.1.el9_4.x86_64", -1 },
	{ "numbers compare as numbers", "6.10.1", 1 },
	{ "an earlier major release", "4.19.300", 0 },
	{ "one number", "6", -1 },
	{ "one number and a point", "6.", -1 },
	{ "nothing", "", -1 },
	{ "no release", NULL, -1 },
	{ "words", "linux", -1 },
	{ "a sign", "-6.2", -1 },
	{ "a number no kernel will have", "99999999999999999999.1", -1 },
};

static void change_in__reads_each_distributions_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(in_cases) / sizeof(in_cases[0]); i++)
		if (gabi_change_in(&example, in_cases[i].release) != in_cases[i].in)
			fail_msg("%s: %d", in_cases[i].name, gabi_change_in(&example, in_cases[i].release));
}

static const struct {
	const char *name, *release, *build, *best;
} best_cases[] = {
	{ "Debian 12's package tells", "6.1.0-50-amd64", "6.1.176-1", "6.1.176-1" },
	{ "a release that tells by itself is kept", "6.12.107+deb13-amd64", "6.12.107-1", "6.12.107+deb13-amd64" },
	{ "a package of another line is not it", "6.1.0-50-amd64", "5.10.223-1", "6.1.0-50-amd64" },
	{ "a build number is no release", "5.15.0-91-generic", "101-Ubuntu", "5.15.0-91-generic" },
	{ "a package that hides it too", "5.15.0-91-generic", "5.15.0-91.101", "5.15.0-91-generic" },
	{ "no package", "6.1.0-50-amd64", NULL, "6.1.0-50-amd64" },
	{ "no release", NULL, "6.1.176-1", NULL },
	{ "junk stays junk", "junk", "6.1.176-1", "junk" },
};

static void change_release__takes_the_text_that_tells_the_stable_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(best_cases) / sizeof(best_cases[0]); i++) {
		const char *best = gabi_change_release(best_cases[i].release, best_cases[i].build);

		if (!best != !best_cases[i].best || (best && strcmp(best, best_cases[i].best) != 0))
			fail_msg("%s: %s", best_cases[i].name, best ? best : "none");
	}
}

static void host_release__is_made_of_its_facts(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	(void)state;
	assert_null(gabi_host_release(host));
	gabi_host_set_fact(host, "kernel.release", "6.1.0-50-amd64", NULL);
	assert_string_equal(gabi_host_release(host), "6.1.0-50-amd64");
	gabi_host_set_fact(host, "kernel.build", "6.1.176-1", NULL);
	assert_string_equal(gabi_host_release(host), "6.1.176-1");
	gabi_host_free(host);
}

#define ARM64_REG(index_value) { .space = GABI_SPACE_ARM64, .index = index_value }
#define CPUID(leaf, subleaf, reg) { .space = GABI_SPACE_CPUID, .index = leaf, .sub = subleaf, .part = GABI_##reg }

static const struct {
	const char *name;
	enum gabi_arch arch;
	const char *a, *b;
	struct gabi_key key;
	uint64_t bits;
	const char *id; /* NULL: nothing explains it */
} between_cases[] = {
	{ "PSCI 1.1", GABI_ARCH_ARM64, "5.10.223", "6.1.176-1", ARM64_REG(0x6030000000140000), 0x1, "arm64_psci_1_1" },
	{ "the order of the kernels does not matter", GABI_ARCH_ARM64, "6.1.176-1", "5.10.223", ARM64_REG(0x6030000000140000), 0x1,
	  "arm64_psci_1_1" },
	{ "PSCI 1.3", GABI_ARCH_ARM64, "6.1.176-1", "7.2.13", ARM64_REG(0x6030000000140000), 0x2, "arm64_psci_1_3" },
	{ "the same kernel explains nothing", GABI_ARCH_ARM64, "6.1.176", "6.1.176", ARM64_REG(0x6030000000140000), 0x1, NULL },
	{ "nor do two with the same changes", GABI_ARCH_ARM64, "6.2", "6.4", ARM64_REG(0x6030000000140000), 0x1, NULL },
	{ "a word that no row touches", GABI_ARCH_ARM64, "5.10.223", "6.1.176", ARM64_REG(0x603000000013c080), 0x1, NULL },
	{ "a change of another architecture", GABI_ARCH_X86, "5.10.223", "6.1.176", ARM64_REG(0x6030000000140000), 0x1, NULL },
	{ "what cannot be read explains nothing", GABI_ARCH_ARM64, "junk", "6.1.176", ARM64_REG(0x6030000000140000), 0x1, NULL },
	{ "the bitmap registers", GABI_ARCH_ARM64, "5.10.223", "6.1.176", ARM64_REG(0x6030000000160002), 0x1, "arm64_fw_bitmaps" },
	{ "the second vendor bitmap", GABI_ARCH_ARM64, "6.12.107", "7.2.13", ARM64_REG(0x6030000000160003), 0x1,
	  "arm64_fw_vendor_2" },
	{ "CCIDX between two of Amazon's", GABI_ARCH_ARM64, "6.1.59-84.139.amzn2023.aarch64", "6.1.84-99.169.amzn2023.aarch64",
	  ARM64_REG(0x603000000013c03a), 0x100000, "arm64_clidr" },
	{ "CCIDX does not change between the same of others", GABI_ARCH_ARM64, "6.1.59", "6.1.84", ARM64_REG(0x603000000013c03a),
	  0x100000, NULL },
	{ "another bit of a touched word", GABI_ARCH_ARM64, "6.2", "6.3", ARM64_REG(0x603000000013c03a), 0x1, NULL },
	{ "the level against Spectre-BHB", GABI_ARCH_ARM64, "5.10.223", "6.1.176", ARM64_REG(0x6030000000140003), 0x3,
	  "arm64_bhb_level" },
	{ "a PMU register leaves the list", GABI_ARCH_ARM64, "5.10.223", "6.1.176",
	  { .space = GABI_SPACE_ARM64_STATE, .index = 0x603000000013df40 }, 1, "arm64_pmu_hidden" },
	{ "RFDS_NO by a backport", GABI_ARCH_X86, "6.1.79-99.164.amzn2023.x86_64", "6.1.84-99.169.amzn2023.x86_64",
	  { .space = GABI_SPACE_MSR, .index = 0x10a }, 1u << 27, "x86_rfds" },
	{ "ITS_NO by a backport", GABI_ARCH_X86, "5.10.234", "5.10.238", { .space = GABI_SPACE_MSR, .index = 0x10a }, 1ull << 62,
	  "x86_its_no" },
	{ "leaf 7 subleaf 2", GABI_ARCH_X86, "6.1.79-99.164.amzn2023.x86_64", "6.1.84-99.169.amzn2023.x86_64", CPUID(7, 2, EDX), 0x10,
	  "x86_7_2_edx" },
	{ "a bit in one subleaf is not that in another", GABI_ARCH_X86, "6.1.79-99.164.amzn2023.x86_64",
	  "6.1.84-99.169.amzn2023.x86_64", CPUID(7, 0, EDX), 0x10, NULL },
	{ "TSC scaling for nested guests", GABI_ARCH_X86, "5.10.223", "6.1.176", { .space = GABI_SPACE_MSR, .index = 0x48b },
	  1ull << 57, "x86_vmx_tsc_scaling" },
	{ "mode-based execute control", GABI_ARCH_X86, "6.12.107", "7.2.13", { .space = GABI_SPACE_MSR, .index = 0x48b }, 1ull << 54,
	  "x86_vmx_mbec" },
	{ "XMM input of Hyper-V", GABI_ARCH_X86, "5.10.223", "6.1.176",
	  { .space = GABI_SPACE_HYPERV_EVMCS, .index = 0x40000003, .part = GABI_EDX }, 0x10, "hv_xmm_input" },
	{ "MSRs that read as 0", GABI_ARCH_X86, "6.12.107", "6.13.1", { .space = GABI_SPACE_MSR_DEFAULT, .index = 0x480 }, 1,
	  "x86_msr_before_cpuid" },
	{ "a capability of both architectures", GABI_ARCH_ARM64, "5.10.223", "6.1.176", { .space = GABI_SPACE_CAP, .index = 208 }, 1,
	  "caps_5_17" },
};

static void change_between__names_what_lies_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(between_cases) / sizeof(between_cases[0]); i++) {
		const struct gabi_change *change = gabi_change_between(between_cases[i].arch, between_cases[i].a, between_cases[i].b,
								       &between_cases[i].key, between_cases[i].bits);

		if (!change != !between_cases[i].id || (change && strcmp(change->id, between_cases[i].id) != 0))
			fail_msg("%s: %s", between_cases[i].name, change ? change->id : "none");
	}
}

/* The definition, row by row. */
static const struct gabi_change *first_between(enum gabi_arch arch, const char *a, const char *b, const struct gabi_field *field)
{
	uint64_t bits = (field->bits >= 64 ? ~0ull : (1ull << field->bits) - 1) << field->lo;
	size_t count;
	const struct gabi_change *change = gabi_changes(&count);

	for (size_t i = 0; i < count; i++) {
		int x = gabi_change_in(&change[i], a), y = gabi_change_in(&change[i], b);

		if (x >= 0 && y >= 0 && x != y && (change[i].arch == arch || change[i].arch == GABI_ARCH_ANY) &&
		    gabi_change_touches(&change[i], &field->key, bits))
			return &change[i];
	}
	return NULL;
}

/* A host with that kernel, which offers the core counters of AMD's PMU or does not. */
static struct gabi_host *host_with_perfctr(const char *release, bool has)
{
	const struct gabi_word word = { .key = CPUID(0x80000001, 0, ECX), .value = (uint64_t)has << 23, .bits = 32, .vp = GABI_VP_ALL };
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	assert_int_equal(gabi_host_set_fact(host, "kernel.release", release, NULL), 0);
	assert_int_equal(gabi_host_add(host, &word, NULL) | gabi_host_cover(host, GABI_SPACE_CPUID), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

/* What takes away explains that something is gone with it, not that it came; and its remedy is an older kernel. */
static void diff__by_a_change_that_takes_away__is_explained_by_it_only_as_a_loss(void **state)
{
	static const struct {
		const char *from, *to, *id;
		bool from_has;
	} cases[] = {
		{ "5.10.223", "6.1.176", "x86_perfctr_core_pmu", true },
		{ "6.1.176", "5.10.223", "x86_perfctr_core_pmu", false },
		{ "5.10.223", "6.1.176", NULL, false },
		{ "6.1.176", "5.10.223", NULL, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gabi_host *from = host_with_perfctr(cases[i].from, cases[i].from_has);
		struct gabi_host *to = host_with_perfctr(cases[i].to, !cases[i].from_has);
		const struct gabi_finding *finding;
		struct gabi_report *report;
		size_t count;

		assert_int_equal(gabi_diff(from, to, &report, NULL), 0);
		finding = gabi_report_findings(report, &count);
		assert_int_equal(count, 1);
		if (cases[i].id)
			assert_string_equal(finding->change->id, cases[i].id);
		else
			assert_null(finding->change);
		gabi_report_free(report);
		gabi_host_free(from);
		gabi_host_free(to);
	}
}

static void remedy__of_what_a_kernel_took_away__is_an_older_one(void **state)
{
	struct gabi_host *from = host_with_perfctr("5.10.223", true), *to = host_with_perfctr("6.1.176", false);
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;
	size_t count;
	char remedy[128];

	(void)state;
	assert_int_equal(gabi_contract_pin(from, NULL, NULL, &contract, NULL), 0);
	assert_int_equal(gabi_check(contract, to, &report, NULL), 0);
	gabi_finding_remedy(gabi_report_findings(report, &count), remedy, sizeof(remedy));
	assert_string_equal(remedy, "without perfctr-core, or Linux before 5.17");
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(from);
	gabi_host_free(to);
}

/* A kernel of a line that the change was carried back to needs no other line. */
static void remedy__names_the_release_of_the_hosts_own_line(void **state)
{
	static const struct gabi_key capabilities = { .space = GABI_SPACE_MSR, .index = 0x10a };
	static const struct {
		const char *release, *remedy;
	} cases[] = {
		{ "5.10.100", "without its-no, or Linux 5.10.238 or 6.15 or later" },
		{ "5.11.1", "without its-no, or Linux 6.15 or later" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gabi_word word = { .key = capabilities, .value = 1ull << 62, .settable = ~0ull, .bits = 64, .vp = GABI_VP_ALL };
		const struct gabi_word shown = { .key = CPUID(7, 0, EDX), .value = 1u << 29, .bits = 32, .vp = GABI_VP_ALL };
		struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
		struct gabi_report *report;
		size_t count;
		char remedy[128];

		gabi_host_set_fact(host, "kernel.release", cases[i].release, NULL);
		assert_int_equal(gabi_host_add(host, &shown, NULL), 0);
		word.value = 0;
		assert_int_equal(gabi_host_add(host, &word, NULL), 0);
		assert_int_equal(gabi_host_seal(host, NULL), 0);
		word.value = 1ull << 62;
		word.settable = 0;
		assert_int_equal(gabi_contract_add(contract, &shown, NULL) | gabi_contract_add(contract, &word, NULL), 0);
		assert_int_equal(gabi_contract_seal(contract, NULL), 0);
		assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
		gabi_finding_remedy(gabi_report_findings(report, &count), remedy, sizeof(remedy));
		assert_string_equal(remedy, cases[i].remedy);
		gabi_report_free(report);
		gabi_contract_free(contract);
		gabi_host_free(host);
	}
}

static void change_between__is_the_first_row_that_touches_and_lies_between(void **state)
{
	static const struct {
		const char *a, *b;
	} kernels[] = {
		{ "5.10.223", "7.2.13" }, { "7.2.13", "6.1.0-50-amd64" }, { "6.1.79-99.164.amzn2023.x86_64", "6.12.107" }, { "6.1", "junk" },
	};
	size_t count, found = 0;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < sizeof(kernels) / sizeof(kernels[0]); j++) {
			enum gabi_arch arch = gabi_space_arch(field[i].key.space) == GABI_ARCH_ARM64 ? GABI_ARCH_ARM64 : GABI_ARCH_X86;
			uint64_t bits = (field[i].bits >= 64 ? ~0ull : (1ull << field[i].bits) - 1) << field[i].lo;
			const struct gabi_change *change =
				gabi_change_between(arch, kernels[j].a, kernels[j].b, &field[i].key, bits);

			assert_ptr_equal(change, first_between(arch, kernels[j].a, kernels[j].b, &field[i]));
			found += change != NULL;
		}
	assert_true(found > 100);
}

#define UNTOLD (~(uint64_t)0)

/* What each kernel does where it lists no register, by KVM_REG_ARM_*; UNTOLD: it lists the register, or no row knows. */
static const struct {
	const char *name, *release;
	uint64_t std, std_hyp, vendor, vendor_2, workaround_3;
} implied_cases[] = {
	{ "before stolen time", "4.14.336", 0, 0, 0, 0, 0 },
	{ "stolen time", "5.5", 0, 1, 0, 0, 0 },
	{ "no TRNG yet", "5.10.223-1", 0, 1, 0, 0, UNTOLD },
	{ "before the backport of the workaround", "5.10.104", 0, 1, 0, 0, 0 },
	{ "a release that hides its backports", "5.10.0-32-arm64", 0, 1, 0, 0, UNTOLD },
	{ "TRNG", "5.12", 1, 1, 0, 0, 0 },
	{ "all services", "5.15.100", 1, 1, 3, 0, UNTOLD },
	{ "the bitmap registers", "6.1.176-1", UNTOLD, UNTOLD, UNTOLD, 0, UNTOLD },
	{ "the second vendor bitmap", "7.2.13", UNTOLD, UNTOLD, UNTOLD, UNTOLD, UNTOLD },
	{ "a distribution that carries back whole subsystems", "5.14.0-427.el9", UNTOLD, UNTOLD, UNTOLD, UNTOLD, UNTOLD },
	{ "junk", "junk", UNTOLD, UNTOLD, UNTOLD, UNTOLD, UNTOLD },
};

struct implied {
	uint64_t value[5];
	bool twice;
};

static int see_implied(void *ctx, const struct gabi_word *word, const struct gabi_change *change)
{
	static const uint64_t index[] = { 0x6030000000160000, 0x6030000000160001, 0x6030000000160002, 0x6030000000160003,
					  0x6030000000140003 };
	struct implied *seen = ctx;

	assert_non_null(change);
	assert_int_equal(word->key.space, GABI_SPACE_ARM64);
	assert_int_equal(word->bits, gabi_arm64_bits(word->key.index));
	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		if (word->key.index != index[i])
			continue;
		seen->twice |= seen->value[i] != UNTOLD;
		seen->value[i] = word->value;
		return 0;
	}
	fail_msg("an implied word without a case here: %#llx", (unsigned long long)word->key.index);
	return 0;
}

static void change_implied__tells_what_no_register_shows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(implied_cases) / sizeof(implied_cases[0]); i++) {
		const uint64_t expected[] = { implied_cases[i].std, implied_cases[i].std_hyp, implied_cases[i].vendor,
					      implied_cases[i].vendor_2, implied_cases[i].workaround_3 };
		struct implied seen = { { UNTOLD, UNTOLD, UNTOLD, UNTOLD, UNTOLD }, false };

		assert_int_equal(gabi_change_implied(GABI_ARCH_ARM64, implied_cases[i].release, see_implied, &seen), 0);
		if (memcmp(seen.value, expected, sizeof(expected)) != 0)
			fail_msg("%s: %lld %lld %lld %lld %lld", implied_cases[i].name, (long long)seen.value[0],
				 (long long)seen.value[1], (long long)seen.value[2], (long long)seen.value[3],
				 (long long)seen.value[4]);
		if (seen.twice)
			fail_msg("%s: a word twice", implied_cases[i].name);
	}
}

static void changes__have_each_an_id_of_its_own_and_releases_that_can_be_read(void **state)
{
	size_t count;
	const struct gabi_change *change = gabi_changes(&count);

	(void)state;
	assert_true(count > 100);
	for (size_t i = 0; i < count; i++) {
		if (gabi_change_in(&change[i], change[i].release) != 1 || gabi_change_in(&change[i], "2.6.0") != 0)
			fail_msg("%s: its release", change[i].id);
		if (!*change[i].what || !*change[i].source)
			fail_msg("%s says nothing", change[i].id);
		for (const char *at = change[i].also; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
			char release[64] = "";
			bool amazon = !strncmp(at, "amzn:", 5);

			assert_true(strcspn(at, " ") < 32);
			strncat(release, at + (amazon ? 5 : 0), strcspn(at, " ") - (amazon ? 5 : 0));
			strcat(release, amazon ? "-1.amzn2" : "");
			if (gabi_change_in(&change[i], release) != 1)
				fail_msg("%s: %s", change[i].id, at);
		}
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(change[i].id, change[j].id);
	}
}

static const struct {
	const char *id;
	struct gabi_key key;
	uint64_t bits;
} touched[] = {
#define GABI_TOUCH_ROW(id, space, index, last, sub, part, bits) \
	{ #id, { GABI_SPACE_##space, (part) < 0 ? 0 : (part), (sub) < 0 ? 0 : (sub), index }, bits },
#include "changes/linux.def"
};

/* A row that touches single bits means features, and a feature has a name. */
static void touches__of_single_bits_are_of_named_fields(void **state)
{
	size_t seen = 0, count;

	(void)state;
	for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++) {
		uint64_t left = touched[i].bits;
		const struct gabi_field *field;

		if (touched[i].key.space != GABI_SPACE_CPUID && touched[i].key.space != GABI_SPACE_MSR &&
		    touched[i].key.space != GABI_SPACE_ARM64 && touched[i].key.space != GABI_SPACE_HYPERV)
			continue;
		if (!(~left & 0xffffffff)) /* the whole word */
			continue;
		seen++;
		field = gabi_fields_of(&touched[i].key, &count);
		for (size_t j = 0; j < count; j++)
			for (unsigned bit = 0; bit < field[j].bits; bit++)
				left &= ~((uint64_t)1 << (field[j].lo + bit));
		if (left)
			fail_msg("%s: %#llx of space %u %#llx.%u[%u]", touched[i].id, (unsigned long long)left, touched[i].key.space,
				 (unsigned long long)touched[i].key.index, touched[i].key.sub, touched[i].key.part);
	}
	assert_true(seen > 50);
}

static void change_touches__knows_its_own_bits(void **state)
{
	static const struct gabi_key controls = { .space = GABI_SPACE_MSR, .index = 0x48b }, other = { .space = GABI_SPACE_CAP, .index = 0x48b };
	const uint64_t tsc_scaling = 1ull << 57;
	size_t count, found = 0;
	const struct gabi_change *change = gabi_changes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		found += !strcmp(change[i].release, "5.14") && gabi_change_touches(&change[i], &controls, tsc_scaling);
		assert_false(gabi_change_touches(&change[i], &other, ~0ull));
		assert_false(gabi_change_touches(&change[i], &controls, 0));
	}
	assert_int_equal(found, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_touches__knows_its_own_bits),
		cmocka_unit_test(change_in__reads_each_distributions_release),
		cmocka_unit_test(change_release__takes_the_text_that_tells_the_stable_release),
		cmocka_unit_test(host_release__is_made_of_its_facts),
		cmocka_unit_test(change_between__names_what_lies_between),
		cmocka_unit_test(change_between__is_the_first_row_that_touches_and_lies_between),
		cmocka_unit_test(diff__by_a_change_that_takes_away__is_explained_by_it_only_as_a_loss),
		cmocka_unit_test(remedy__of_what_a_kernel_took_away__is_an_older_one),
		cmocka_unit_test(remedy__names_the_release_of_the_hosts_own_line),
		cmocka_unit_test(change_implied__tells_what_no_register_shows),
		cmocka_unit_test(changes__have_each_an_id_of_its_own_and_releases_that_can_be_read),
		cmocka_unit_test(touches__of_single_bits_are_of_named_fields),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
