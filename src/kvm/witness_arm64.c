/* SPDX-License-Identifier: MIT */
/* What a guest on arm64 is asked: its ID registers, and the calls behind the firmware pseudo-registers. */
#include "witness.h"

#include "uapi.h"

#include <gabi/vocab.h>

#define SYSREG(encoding) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | (encoding))
#define CCSIDR(csselr)   (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | (csselr))

enum {
	CCSIDR_EL1 = 0xc800,
	ID_FIRST = 0xc008, /* op0 3, op1 0, CRn 0, CRm 1, op2 0 */
	ID_END = 0xc040,   /* CRm 8 */
};

/* Arm DEN 0028 (SMCCC), 0022 (PSCI), 0098 (TRNG), 0057 (PV time); Linux include/linux/arm-smccc.h */
#define NOT_SUPPORTED       (~0ull)
#define NOT_REQUIRED        (~1ull)
#define CALL_PSCI_VERSION   0x84000000
#define ARCH_FEATURES       0x80000001
#define ARCH_WORKAROUND_1   0x80008000
#define ARCH_WORKAROUND_2   0x80007fff
#define ARCH_WORKAROUND_3   0x80003fff
#define TRNG_VERSION        0x84000050
#define PV_TIME_FEATURES    0xc5000020
#define VENDOR_FEATURES     0x86000000

/* SUCCESS: needed and there; 1: the processor needs none. */
static uint64_t workaround(const struct guest_request *answer)
{
	return answer->value[0] == 0 ? 1 : answer->value[0] == 1 ? 2 : 0;
}

/* Its levels are others: 2 there, 3 not required; level 1, unknown, no guest can tell. */
static uint64_t workaround_2(const struct guest_request *answer)
{
	return answer->value[0] == 0 ? 2 : answer->value[0] == NOT_REQUIRED || answer->value[0] == 1 ? 3 : 0;
}

static uint64_t version(const struct guest_request *answer)
{
	return answer->value[0] & 0xffffffff;
}

static uint64_t is_there(const struct guest_request *answer)
{
	return (uint32_t)answer->value[0] != (uint32_t)NOT_SUPPORTED;
}

/* The bitmap of functions 0 to 31, of which KVM's register has those that are KVM's. */
static uint64_t vendor(const struct guest_request *answer)
{
	return answer->value[0] == NOT_SUPPORTED ? 0 : answer->value[0] & 3;
}

static uint64_t vendor_2(const struct guest_request *answer)
{
	return answer->value[0] == NOT_SUPPORTED ? 0 : answer->value[2] & 3;
}

/* The pseudo-registers, each with the call by which a guest sees it. */
static const struct call {
	uint64_t id;
	uint32_t function, argument;
	uint64_t (*value)(const struct guest_request *answer);
} calls[] = {
	{ 0x6030000000140000, CALL_PSCI_VERSION, 0, version },
	{ 0x6030000000140001, ARCH_FEATURES, ARCH_WORKAROUND_1, workaround },
	{ 0x6030000000140002, ARCH_FEATURES, ARCH_WORKAROUND_2, workaround_2 },
	{ 0x6030000000140003, ARCH_FEATURES, ARCH_WORKAROUND_3, workaround },
	{ 0x6030000000160000, TRNG_VERSION, 0, is_there },
	{ 0x6030000000160001, ARCH_FEATURES, PV_TIME_FEATURES, is_there },
	{ 0x6030000000160002, VENDOR_FEATURES, 0, vendor },
	{ 0x6030000000160003, VENDOR_FEATURES, 0, vendor_2 },
};

/* Does the contract take that call from KVM? Then nothing that KVM says of it counts. */
static bool is_filtered(const struct witness *witness, uint32_t function)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(witness->contract, &count);

	for (size_t i = 0; i < count; i++)
		if (word[i].key.space == GABI_SPACE_SMCCC && function >= word[i].key.index &&
		    function - word[i].key.index < GABI_SMCCC_FUNCTIONS(word[i].value))
			return true;
	return false;
}

/* What became of a call: denied, answered by the VMM (guest.c), or by KVM after all. */
static uint64_t treatment(const struct guest_request *answer)
{
	return answer->value[0] == GUEST_VMM_ANSWERED ? GABI_SMCCC_TO_VMM : is_there(answer) ? 0 : GABI_SMCCC_DENY;
}

/* The first and the last of each range. */
static int compare_filter(struct witness *witness, const struct gabi_word *word)
{
	uint32_t functions = GABI_SMCCC_FUNCTIONS(word->value), first = (uint32_t)word->key.index;
	int err = 0;

	for (unsigned i = 0; !err && i < 2; i++) {
		const struct guest_request *answer = witness_answer(witness, GUEST_HVC, i ? first + functions - 1 : first, 0);

		err = witness_compare(witness, &word->key, 64, GABI_SMCCC_WORD(treatment(answer), functions), false);
	}
	return err;
}

static bool is_sysreg(uint64_t id)
{
	return (id & ~0xffffull) == SYSREG(0);
}

static bool is_ccsidr(uint64_t id)
{
	return (id & ~0xffull) == CCSIDR(0);
}

static int ask_promised(struct witness *witness)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(witness->contract, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		uint64_t id = word[i].key.index;

		if (word[i].key.space == GABI_SPACE_SMCCC) {
			err = witness_ask(witness, GUEST_HVC, id, 0);
			if (!err)
				err = witness_ask(witness, GUEST_HVC, id + GABI_SMCCC_FUNCTIONS(word[i].value) - 1, 0);
		}
		if (word[i].key.space != GABI_SPACE_ARM64)
			continue;
		if (is_sysreg(id))
			err = witness_ask(witness, GUEST_SYSREG, id & 0xffff, 0);
		else if (is_ccsidr(id))
			err = witness_ask(witness, GUEST_SYSREG, CCSIDR_EL1, id & 0xff);
	}
	return err;
}

int witness_ask_all(struct witness *witness)
{
	int err = ask_promised(witness);

	for (unsigned encoding = ID_FIRST; !err && encoding < ID_END; encoding++)
		err = witness_ask(witness, GUEST_SYSREG, encoding, 0);
	for (size_t i = 0; !err && i < GABI_COUNT_OF(calls); i++)
		err = witness_ask(witness, GUEST_HVC, calls[i].function, calls[i].argument);
	return err;
}

int witness_compare_all(struct witness *witness)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(witness->contract, &count);
	int err = 0;

	for (size_t i = 0; !err && i < witness->count; i++) {
		const struct guest_request *request = &witness->requests[i];
		bool ccsidr = request->index == CCSIDR_EL1;
		const struct gabi_key key = { .space = GABI_SPACE_ARM64, .index = ccsidr ? CCSIDR(request->sub) : SYSREG(request->index) };

		if (request->ask == GUEST_SYSREG)
			err = witness_compare(witness, &key, ccsidr ? 32 : 64, request->value[0], request->faulted);
	}
	for (size_t i = 0; !err && i < GABI_COUNT_OF(calls); i++) {
		const struct guest_request *answer = witness_answer(witness, GUEST_HVC, calls[i].function, calls[i].argument);
		const struct gabi_key key = { .space = GABI_SPACE_ARM64, .index = calls[i].id };

		if (!is_filtered(witness, calls[i].function))
			err = witness_compare(witness, &key, 64, calls[i].value(answer), false);
	}
	for (const struct gabi_word *end = word + count; !err && word < end; word++)
		if (word->key.space == GABI_SPACE_SMCCC)
			err = compare_filter(witness, word);
	return err;
}
