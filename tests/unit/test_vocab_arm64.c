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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm64_space__is_known_by_class),
		cmocka_unit_test(arm64_bits__are_those_of_the_id),
	};

	return cmocka_run_group_tests_name("vocab_arm64", tests, NULL, NULL);
}
