/* SPDX-License-Identifier: MIT */
/* The arm64 half of src/vocab: which registers promise, how wide they are, and what their fields say. */
#include <gabi/vocab.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct {
	const char *name;
	uint64_t id;
	enum gabi_space space;
	unsigned bits;
} ids[] = {
	{ "a general register is state", 0x6030000000100000, GABI_SPACE_ARM64_STATE, 64 },
	{ "a SIMD register is state", 0x6040000000100054, GABI_SPACE_ARM64_STATE, 128 },
	{ "FPSR is state", 0x60200000001000d4, GABI_SPACE_ARM64_STATE, 32 },
	{ "CCSIDR by level is a promise", 0x6020000000110002, GABI_SPACE_ARM64, 32 },
	{ "MIDR_EL1 is a promise", 0x603000000013c000, GABI_SPACE_ARM64, 64 },
	{ "ID_AA64PFR0_EL1 is a promise", 0x603000000013c020, GABI_SPACE_ARM64, 64 },
	{ "the last ID register, op2 7 of CRm 7, is a promise", 0x603000000013c03f, GABI_SPACE_ARM64, 64 },
	{ "CRm 8 is outside the ID space", 0x603000000013c040, GABI_SPACE_ARM64_STATE, 64 },
	{ "SCTLR_EL1 is state", 0x603000000013c080, GABI_SPACE_ARM64_STATE, 64 },
	{ "CLIDR_EL1 is a promise", 0x603000000013c801, GABI_SPACE_ARM64, 64 },
	{ "AIDR_EL1 is a promise", 0x603000000013c807, GABI_SPACE_ARM64, 64 },
	{ "CSSELR_EL1 only selects: state", 0x603000000013d000, GABI_SPACE_ARM64_STATE, 64 },
	{ "CTR_EL0 is a promise", 0x603000000013d801, GABI_SPACE_ARM64, 64 },
	{ "DCZID_EL0 is a promise", 0x603000000013d807, GABI_SPACE_ARM64, 64 },
	{ "PMCR_EL0 holds the number of counters: a promise", 0x603000000013dce0, GABI_SPACE_ARM64, 64 },
	{ "PMCNTENSET_EL0 is state", 0x603000000013dce1, GABI_SPACE_ARM64_STATE, 64 },
	{ "the virtual timer's count is state", 0x603000000013df1a, GABI_SPACE_ARM64_STATE, 64 },
	{ "VPIDR_EL2 is the nested guest's: state", 0x603000000013e000, GABI_SPACE_ARM64_STATE, 64 },
	{ "a debug register with CRn 0 is state", 0x6030000000138004, GABI_SPACE_ARM64_STATE, 64 },
	{ "the PSCI version is a promise", 0x6030000000140000, GABI_SPACE_ARM64, 64 },
	{ "a workaround level is a promise", 0x6030000000140003, GABI_SPACE_ARM64, 64 },
	{ "an SVE Z register is state", 0x6080000000150000, GABI_SPACE_ARM64_STATE, 2048 },
	{ "an SVE P register is state", 0x6050000000150400, GABI_SPACE_ARM64_STATE, 256 },
	{ "the set of vector lengths is a promise", 0x606000000015ffff, GABI_SPACE_ARM64, 512 },
	{ "a service bitmap is a promise", 0x6030000000160003, GABI_SPACE_ARM64, 64 },
	{ "a class of tomorrow is compared strictly", 0x6070000000ff0000, GABI_SPACE_ARM64, 1024 },
	{ "8 bits are legal", 0x6000000000ff0000, GABI_SPACE_ARM64, 8 },
	{ "16 bits are legal", 0x6010000000ff0000, GABI_SPACE_ARM64, 16 },
	{ "4096 bits are not", 0x6090000000ff0000, GABI_SPACE_NONE, 0 },
	{ "the size field has four bits", 0x60f0000000ff0000, GABI_SPACE_NONE, 0 },
	{ "an id of RISC-V is none", 0x8030000000140000, GABI_SPACE_NONE, 0 },
	{ "zero is none", 0, GABI_SPACE_NONE, 0 },
};

static void arm64_space__is_known_by_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (gabi_arm64_space(ids[i].id) != ids[i].space)
			fail_msg("%s: space %u", ids[i].name, (unsigned)gabi_arm64_space(ids[i].id));
}

static void arm64_bits__are_those_of_the_id(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (gabi_arm64_bits(ids[i].id) != ids[i].bits)
			fail_msg("%s: %u bits", ids[i].name, gabi_arm64_bits(ids[i].id));
}

static const struct {
	const char *name, *field;
	enum gabi_kind kind;
	enum gabi_rule rule;
	enum gabi_hide hide;
	uint64_t absent;
	uint64_t word;
	int64_t value;
} fields[] = {
	{ "FP is signed and 0xf says there is none", "id-aa64pfr0.fp", GABI_KIND_INT, GABI_RULE_AT_MOST, GABI_HIDE_NO, 0xf,
	  0xf0000, -1 },
	{ "AdvSIMD 1 is more than 0", "id-aa64pfr0.advsimd", GABI_KIND_INT, GABI_RULE_AT_MOST, GABI_HIDE_NO, 0xf, 0x100000, 1 },
	{ "SVE is not signed and can be taken away", "id-aa64pfr0.sve", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS, 0,
	  0xf00000000, 0xf },
	{ "4 KiB pages are signed", "id-aa64mmfr0.tgran4", GABI_KIND_INT, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY, 0xf,
	  0xf0000000, -1 },
	{ "16 KiB pages are not", "id-aa64mmfr0.tgran16", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY, 0, 0xf00000,
	  0xf },
	{ "stage 2 granules have 1 for none", "id-aa64mmfr0.tgran4-2", GABI_KIND_UINT, GABI_RULE_EQUAL, GABI_HIDE_CPUID_ONLY, 1,
	  0x10000000000, 1 },
	{ "the double lock is signed", "id-aa64dfr0.doublelock", GABI_KIND_INT, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS, 0xf,
	  0xf000000000, -1 },
	{ "the PMU follows KVM, not the kernel's own table", "id-aa64dfr0.pmuver", GABI_KIND_UINT, GABI_RULE_AT_MOST,
	  GABI_HIDE_FAULTS, 0, 0x600, 6 },
	{ "pointer authentication's algorithm is exact", "id-aa64isar1.api", GABI_KIND_UINT, GABI_RULE_EQUAL, GABI_HIDE_FAULTS, 0,
	  0x500, 5 },
	{ "a random number works even if hidden", "id-aa64isar0.rndr", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY, 0,
	  0x1000000000000000, 1 },
	{ "SpecSEI may only be more", "id-aa64mmfr1.specsei", GABI_KIND_UINT, GABI_RULE_AT_LEAST, GABI_HIDE_CPUID_ONLY, 0,
	  0x1000000, 1 },
	{ "the write-back granule may be more, or not said", "ctr.cwg", GABI_KIND_UINT, GABI_RULE_AT_LEAST_0, GABI_HIDE_NO, 0,
	  0x4000000, 4 },
	{ "an exact bit is a subset", "id-aa64smfr0.fa64", GABI_KIND_FLAG, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY, 0,
	  0x8000000000000000, 1 },
	{ "no row in the kernel's tables: equal", "id-aa64dfr1.syspmuid", GABI_KIND_UINT, GABI_RULE_EQUAL, GABI_HIDE_CPUID_ONLY, 0,
	  0x12, 0x12 },
	{ "shareability is signed, 0xf ignored", "id-mmfr0.outershr", GABI_KIND_INT, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY, 0,
	  0xf00, -1 },
	{ "an address is a VP's own", "mpidr.aff0", GABI_KIND_UINT, GABI_RULE_FREE, GABI_HIDE_NO, 0, 0x80000003, 3 },
	{ "fewer counters fit", "pmcr.n", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS, 0, 0x3000, 6 },
	{ "the PSCI version", "psci-version", GABI_KIND_VERSION, GABI_RULE_PSCI, GABI_HIDE_NO, 0, 0x10001, 0x10001 },
	{ "a workaround's level", "smccc-arch-workaround-3", GABI_KIND_UINT, GABI_RULE_LEVEL, GABI_HIDE_NO, 0, 2, 2 },
	{ "a firmware service", "fw-vendor-ptp", GABI_KIND_FLAG, GABI_RULE_SUBSET, GABI_HIDE_FAULTS, 0, 2, 1 },
	{ "the vector lengths as one set", "sve-lengths", GABI_KIND_LENGTHS, GABI_RULE_PREFIX, GABI_HIDE_FAULTS, 0, 0x8b, 0x8b },
	{ "a field by what /proc/cpuinfo calls it", "atomics", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY, 0,
	  0x200000, 2 },
	{ "a field by its feature's name", "arm:FEAT_S1PIE", GABI_KIND_UINT, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS, 0, 0x100, 1 },
};

static void field__says_how_it_compares(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct gabi_field *field = gabi_field_by_name(fields[i].field, GABI_ARCH_ARM64);

		if (!field)
			fail_msg("%s: no field %s", fields[i].name, fields[i].field);
		if (field->kind != fields[i].kind || field->rule != fields[i].rule || field->hide != fields[i].hide ||
		    field->absent != fields[i].absent)
			fail_msg("%s: kind %d, rule %s, hide %d, absent %d", fields[i].name, field->kind,
				 gabi_rule_text(field->rule), field->hide, (int)field->absent);
		if (gabi_field_get(field, fields[i].word) != fields[i].value)
			fail_msg("%s: value %d", fields[i].name, (int)gabi_field_get(field, fields[i].word));
	}
}

static void rows__are_in_the_space_of_their_id(void **state)
{
	size_t count, seen = 0;
	const struct gabi_reg *reg = gabi_regs(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		if (gabi_space_arch(reg[i].key.space) != GABI_ARCH_ARM64)
			continue;
		seen++;
		if (gabi_arm64_space(reg[i].key.index) != reg[i].key.space)
			fail_msg("%s is in the wrong space", reg[i].name);
	}
	assert_true(seen > 400);
}

static void fields__lie_within_a_register_that_has_a_row(void **state)
{
	size_t count, seen = 0;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		unsigned bits = gabi_arm64_bits(field[i].key.index);

		if (field[i].key.space != GABI_SPACE_ARM64)
			continue;
		seen++;
		if (!gabi_reg_of(&field[i].key) || 64u * field[i].key.part + field[i].lo + field[i].bits > bits)
			fail_msg("%s", field[i].name);
		if (field[i].absent >> (field[i].bits - 1) > 1)
			fail_msg("%s: its absent value is wider than it is", field[i].name);
	}
	assert_true(seen > 400);
}

/* A state register of each class, with what decides whether it may be dropped. */
static const struct {
	const char *name;
	uint64_t id;
	const char *when;
	int resets_to_0;
} states[] = {
	{ "core.x30", 0x603000000010003c, "", 1 },
	{ "core.pstate", 0x6030000000100042, "", 0 },
	{ "core.fp.v31", 0x60400000001000d0, "", 1 },
	{ "TCR2_EL1", 0x603000000013c103, "id-aa64mmfr3.tcrx", 1 },
	{ "PIR_EL1", 0x603000000013c513, "id-aa64mmfr3.s1pie", 0 },
	{ "DBGWCR15_EL1", 0x603000000013807f, "", 1 },
	{ "PMEVTYPER30_EL0", 0x603000000013df7e, "pmu-v3", 0 },
	{ "CNTV_CVAL_EL0", 0x603000000013df02, "", 1 },
	{ "CNTVCT_EL0", 0x603000000013df1a, "", GABI_REG_RUNS },
	{ "HCR_EL2", 0x603000000013e088, "id-aa64pfr0.el2", 0 },
	{ "sve.ffr", 0x6050000000150600, "id-aa64pfr0.sve", 1 },
};

static void state__has_its_name_and_gate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		const struct gabi_reg *reg = gabi_reg_by_name(states[i].name);

		if (!reg)
			fail_msg("no register %s", states[i].name);
		assert_int_equal(reg->key.index, states[i].id);
		assert_int_equal(reg->key.space, GABI_SPACE_ARM64_STATE);
		assert_string_equal(reg->when, states[i].when);
		assert_int_equal(reg->resets_to_0, states[i].resets_to_0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm64_space__is_known_by_class),
		cmocka_unit_test(arm64_bits__are_those_of_the_id),
		cmocka_unit_test(field__says_how_it_compares),
		cmocka_unit_test(rows__are_in_the_space_of_their_id),
		cmocka_unit_test(fields__lie_within_a_register_that_has_a_row),
		cmocka_unit_test(state__has_its_name_and_gate),
	};

	return cmocka_run_group_tests_name("vocab_arm64", tests, NULL, NULL);
}
