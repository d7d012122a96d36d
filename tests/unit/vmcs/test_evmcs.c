/* SPDX-License-Identifier: MIT */
#include <gabi/change.h>
#include <gabi/evmcs.h>
#include <gabi/hv_offer.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const struct gabi_evmcs_line *line_of(const char *release)
{
	const struct gabi_evmcs_line *line = gabi_evmcs_line_of(release);

	assert_non_null(line);
	return line;
}

static void line_of__takes_the_newest_that_is_not_newer(void **state)
{
	static const struct {
		const char *release, *line;
	} rows[] = {
		{ "5.10.0-32-amd64", "5.10" }, { "5.15.1", "5.10" }, { "6.1", "6.1" }, { "6.2.16", "6.1" }, { "6.3", "6.3" },
		{ "6.11.9", "6.3" }, { "6.12.107", "6.3" },
		{ "7.2.13-amd64", "7.2" }, { "7.10.0", "7.2" }, { "8.0", "7.2" }, { "4.19.0", NULL }, { "", NULL }, { "6", NULL },
		{ "six.one", NULL }, { "6.", NULL }, { "99999999999999.1", NULL }, { "6.1000", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gabi_evmcs_line *line = gabi_evmcs_line_of(rows[i].release);

		if (!line != !rows[i].line || (line && strcmp(line->name, rows[i].line)))
			fail_msg("%s is held to be of line %s", rows[i].release, line ? line->name : "none");
	}
}

/* Where a line takes away others than the one before, a row of data/changes of that release says so, and only of those bits. */
static void lines__begin_with_a_change_that_says_so(void **state)
{
	const struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = 1, .perf_global = 1 };
	size_t count, differ = 0;
	const struct gabi_evmcs_line *line = gabi_evmcs_lines(&count);

	(void)state;
	for (size_t i = 1; i < count; i++) {
		for (uint32_t msr = 0x480; msr <= 0x493; msr++) {
			struct gabi_key key = { .space = GABI_SPACE_MSR_EVMCS, .index = msr };
			uint64_t bits = gabi_evmcs_filter(&line[i - 1], &guest, msr, UINT64_MAX) ^
					gabi_evmcs_filter(&line[i], &guest, msr, UINT64_MAX);

			for (unsigned bit = 0; bit < 64; bit++) {
				const struct gabi_change *change;

				if (!(bits >> bit & 1))
					continue;
				change = gabi_change_between(GABI_ARCH_X86, line[i - 1].name, line[i].name, &key, UINT64_C(1) << bit);
				if (!change || strcmp(change->release, line[i].name))
					fail_msg("MSR 0x%x bit %u between %s and %s: %s", msr, bit, line[i - 1].name, line[i].name,
						 change ? change->id : "no change");
				differ++;
			}
		}
	}
	assert_true(differ > 30);
}

/* A control by its field of the VMCS, and whether each line lets a guest with eVMCS see it. */
static void filter__decides_by_control_and_kernel(void **state)
{
	static const char *const releases[] = { "5.10", "6.2", "6.3", "7.2" };
	static const struct {
		const char *name;
		uint32_t msr;
		unsigned bit; /* of the MSR */
		int perf;     /* CPUID 0x4000000A.EBX[0] */
		int stays[4];
	} rows[] = {
		{ "tsc-scaling goes on every kernel", 0x48b, 32 + 25, 1, { 0, 0, 0, 0 } },
		{ "load-perf-global-ctrl at exit, guest without the fields", 0x483, 32 + 12, 0, { 0, 0, 0, 0 } },
		{ "load-perf-global-ctrl at exit, guest with the fields", 0x48f, 32 + 12, 1, { 0, 1, 1, 1 } },
		{ "load-perf-global-ctrl at entry, guest with the fields", 0x490, 32 + 13, 1, { 0, 1, 1, 1 } },
		{ "mode-based execution control", 0x48b, 32 + 22, 1, { 1, 1, 0, 1 } },
		{ "primary bit 17, tertiary controls", 0x48e, 32 + 17, 1, { 1, 1, 0, 0 } },
		{ "posted interrupts", 0x48d, 32 + 7, 1, { 0, 0, 0, 0 } },
		{ "the same by the MSR without TRUE", 0x481, 32 + 7, 1, { 0, 0, 0, 0 } },
		{ "EPT", 0x48b, 32 + 1, 1, { 1, 1, 1, 1 } },
		{ "EPTP switching", 0x491, 0, 1, { 0, 0, 0, 0 } },
		{ "what must be 1 is never touched", 0x48d, 7, 1, { 1, 1, 1, 1 } },
		{ "an MSR that is no control word", 0x48c, 0, 0, { 1, 1, 1, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t k = 0; k < 4; k++) {
			struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = 1, .perf_global = (uint8_t)rows[i].perf };
			uint64_t got = gabi_evmcs_filter(line_of(releases[k]), &guest, rows[i].msr, UINT64_MAX);

			if ((int)(got >> rows[i].bit & 1) != rows[i].stays[k])
				fail_msg("%s: %s on %s", rows[i].name, rows[i].stays[k] ? "taken away" : "left", releases[k]);
		}
	}
}

static void filter__is_off_without_evmcs(void **state)
{
	static const struct {
		const char *release;
		struct gabi_evmcs_guest guest;
		int on;
	} rows[] = {
		{ "5.10", { 0, 1, 1 }, 0 }, { "5.10", { 1, 0, 1 }, 1 }, { "6.1", { 1, 0, 1 }, 0 }, { "6.1", { 1, 1, 1 }, 1 },
		{ "7.2", { 1, 0, 1 }, 0 }, { "7.2", { 0, 1, 1 }, 0 }, { "7.2", { 1, 1, 1 }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gabi_evmcs_line *line = line_of(rows[i].release);

		assert_int_equal(gabi_evmcs_filter(line, &rows[i].guest, 0x48b, UINT64_MAX) != UINT64_MAX, rows[i].on);
		assert_int_equal(gabi_evmcs_refused(line, &rows[i].guest, GABI_VMCS_WORD_PROC2, 1u << 25) != 0, rows[i].on);
	}
}

/* Entry looks at the lists alone: 6.1 takes a perf-global control that it did not show. */
static void refused__is_not_what_rdmsr_hides(void **state)
{
	const struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = 1, .perf_global = 0 };

	(void)state;
	assert_int_equal(gabi_evmcs_refused(line_of("6.1"), &guest, GABI_VMCS_WORD_EXIT, 1u << 12), 0);
	assert_int_equal(gabi_evmcs_refused(line_of("5.10"), &guest, GABI_VMCS_WORD_EXIT, 1u << 12), 1u << 12);
	assert_int_equal(gabi_evmcs_refused(line_of("6.12"), &guest, GABI_VMCS_WORD_PROC2, 1u << 22 | 2), 1u << 22);
	assert_int_equal(gabi_evmcs_refused(line_of("7.2"), &guest, GABI_VMCS_WORD_PROC2, 1u << 22 | 2), 0);
}

static void promise(struct gabi_contract *contract, unsigned space, uint64_t index, unsigned part, uint64_t value)
{
	struct gabi_word word = { .key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = index }, .value = value,
				  .vp = GABI_VP_ALL, .bits = space == GABI_SPACE_MSR ? 64 : 32 };

	assert_int_equal(gabi_contract_add(contract, &word, NULL), 0);
}

struct losses {
	unsigned count;
	uint64_t lost[8], index[8];
};

static int note(void *ctx, const struct gabi_word *word, uint64_t lost)
{
	struct losses *losses = ctx;

	assert_true(losses->count < 8);
	losses->index[losses->count] = word->key.index;
	losses->lost[losses->count++] = lost;
	return 0;
}

static void foresee__names_what_another_kernel_would_take(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct losses on_6_1 = { 0 }, on_6_12 = { 0 }, on_5_10 = { 0 };

	(void)state;
	promise(contract, GABI_SPACE_HYPERV, 0x40000001, GABI_EAX, 0x31237648);
	promise(contract, GABI_SPACE_HYPERV, 0x4000000a, GABI_EAX, 0x80101);
	promise(contract, GABI_SPACE_HYPERV, 0x4000000a, GABI_EBX, 1);
	promise(contract, GABI_SPACE_MSR, 0x48b, 0, UINT64_C(0x00400002) << 32);      /* EPT, MBEC */
	promise(contract, GABI_SPACE_MSR, 0x48f, 0, UINT64_C(0x00037fff) << 32 | 0x36dfb); /* with load-perf-global-ctrl */
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);

	assert_int_equal(gabi_evmcs_foresee(contract, line_of("6.1"), note, &on_6_1), 0);
	assert_int_equal(on_6_1.count, 0);
	assert_int_equal(gabi_evmcs_foresee(contract, line_of("6.12"), note, &on_6_12), 0);
	assert_int_equal(on_6_12.count, 1);
	assert_int_equal(on_6_12.index[0], 0x48b);
	assert_int_equal(on_6_12.lost[0], UINT64_C(0x00400000) << 32);
	assert_int_equal(gabi_evmcs_foresee(contract, line_of("5.10"), note, &on_5_10), 0);
	assert_int_equal(on_5_10.count, 1);
	assert_int_equal(on_5_10.index[0], 0x48f);
	assert_int_equal(on_5_10.lost[0], UINT64_C(0x1000) << 32);
	gabi_contract_free(contract);
}

/* ---- Hyper-V CPUID ---- */

static struct gabi_word words[GABI_HV_OFFER_WORDS];

static uint32_t value_of(size_t count, uint32_t leaf, unsigned reg)
{
	for (size_t i = 0; i < count; i++)
		if (words[i].key.index == leaf && words[i].key.part == reg)
			return (uint32_t)words[i].value;
	return UINT32_MAX;
}

static size_t offer(const char *release, int system, int lapic, int evmcs, int smt)
{
	struct gabi_hv_offer_input input = { .size = sizeof(input), .release = release, .system = (uint8_t)system,
					     .lapic = (uint8_t)lapic, .evmcs = (uint8_t)evmcs, .smt_possible = (uint8_t)smt };
	size_t count = 0;

	assert_int_equal(gabi_hv_offer(&input, words, &count, NULL), 0);
	return count;
}

static void hv_offer__is_what_kernels_were_seen_to_answer(void **state)
{
	static const struct {
		const char *release;
		int lapic, evmcs;
		uint32_t leaf;
		unsigned reg;
		uint32_t want; /* UINT32_MAX: no such leaf */
	} rows[] = {
		{ "5.10.0", 0, 0, 0x40000003, GABI_EDX, 0x0d02 },      { "5.10.0", 0, 0, 0x40000004, GABI_EAX, 0x0c2c },
		{ "5.10.0", 0, 0, 0x4000000a, GABI_EAX, UINT32_MAX },  { "5.10.0", 0, 1, 0x4000000a, GABI_EAX, 0x101 },
		{ "6.1.0", 0, 0, 0x40000004, GABI_EAX, 0x0a2c },       { "6.1.0", 1, 0, 0x40000004, GABI_EAX, 0x0e2c },
		{ "6.12.1", 1, 1, 0x40000004, GABI_EAX, 0x4e2c },      { "6.12.1", 1, 1, 0x4000000a, GABI_EAX, 0xa0101 },
		{ "7.2.13", 0, 0, 0x40000003, GABI_EAX, 0xaaff },      { "7.2.13", 0, 0, 0x40000003, GABI_EBX, 0x100830 },
		{ "7.2.13", 0, 0, 0x40000003, GABI_EDX, 0x4d12 },      { "5.10.0", 0, 0, 0x40000005, GABI_EAX, 288 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count = offer(rows[i].release, 0, rows[i].lapic, rows[i].evmcs, 1);

		if (value_of(count, rows[i].leaf, rows[i].reg) != rows[i].want)
			fail_msg("row %zu: %#x", i, value_of(count, rows[i].leaf, rows[i].reg));
	}
	assert_int_equal(offer("7.2", 0, 0, 0, 0), GABI_HV_OFFER_WORDS);
	assert_int_equal(value_of(GABI_HV_OFFER_WORDS, 0x40000004, GABI_EAX) & 0x40000, 0x40000);
}

static void hv_offer__refuses_what_no_kernel_has(void **state)
{
	struct gabi_hv_offer_input input = { .size = sizeof(input), .release = "5.10", .system = 1 };
	size_t count = 77;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_hv_offer(&input, words, &count, &diag), GABI_ERR_UNSUPPORTED);
	input.system = 0;
	input.release = "4.19";
	assert_int_equal(gabi_hv_offer(&input, words, &count, &diag), GABI_ERR_UNSUPPORTED);
	input.size = 1;
	assert_int_equal(gabi_hv_offer(&input, words, &count, &diag), GABI_ERR_ARG);
	assert_int_equal(count, 77);
}

/* All enlightenments passed through give a contract that is explicit from then on, whatever the order in which the words came. */
static void hv_offer__pins_the_same_contract_in_any_order(void **state)
{
	uint8_t digest[2][GABI_DIGEST_LEN];
	size_t count = offer("6.1", 0, 1, 1, 0);

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);

		for (size_t i = 0; i < count; i++)
			assert_int_equal(gabi_contract_add(contract, &words[turn ? count - 1 - i : i], NULL), 0);
		assert_int_equal(gabi_contract_seal(contract, NULL), 0);
		gabi_contract_digest(contract, digest[turn]);
		gabi_contract_free(contract);
	}
	assert_memory_equal(digest[0], digest[1], GABI_DIGEST_LEN);
}

/* 556 rows, computed by the kernels' own code from five releases. */
static void hv_offer__equals_the_kernels_own_code(void **state)
{
	FILE *csv = fopen(SHARED_FACTS "/hv_cpuid_kvm.csv", "r");
	char line[256], release[16], scope[16];
	int evmcs, lapic, smt, rows = 0;
	unsigned leaf, want[4];

	(void)state;
	if (!csv) {
		print_message("%s/hv_cpuid_kvm.csv is not there\n", SHARED_FACTS);
		skip();
	}
	while (fgets(line, sizeof(line), csv)) {
		size_t count;

		lapic = 1;
		if (sscanf(line, "%15[^,],%15[^,],evmcs=%d;lapic_in_kernel=%d;smt_possible=%d,%x,%x,%x,%x,%x", release, scope, &evmcs, &lapic,
			   &smt, &leaf, &want[0], &want[1], &want[2], &want[3]) != 10 &&
		    sscanf(line, "%15[^,],%15[^,],kvm_cap_vmx=%d;smt_possible=%d,%x,%x,%x,%x,%x", release, scope, &evmcs, &smt, &leaf,
			   &want[0], &want[1], &want[2], &want[3]) != 9)
			continue;
		count = offer(release, !strcmp(scope, "system"), lapic, evmcs, smt);
		for (unsigned reg = 0; reg < 4; reg++)
			if (value_of(count, leaf, reg) != want[reg])
				fail_msg("%s register %u is %#x here", line, reg, value_of(count, leaf, reg));
		rows++;
	}
	fclose(csv);
	assert_int_equal(rows, 556);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_of__takes_the_newest_that_is_not_newer),
		cmocka_unit_test(lines__begin_with_a_change_that_says_so),
		cmocka_unit_test(filter__decides_by_control_and_kernel),
		cmocka_unit_test(filter__is_off_without_evmcs),
		cmocka_unit_test(refused__is_not_what_rdmsr_hides),
		cmocka_unit_test(foresee__names_what_another_kernel_would_take),
		cmocka_unit_test(hv_offer__is_what_kernels_were_seen_to_answer),
		cmocka_unit_test(hv_offer__refuses_what_no_kernel_has),
		cmocka_unit_test(hv_offer__pins_the_same_contract_in_any_order),
		cmocka_unit_test(hv_offer__equals_the_kernels_own_code),
	};

	return cmocka_run_group_tests_name("evmcs", tests, NULL, NULL);
}
