/* SPDX-License-Identifier: MIT */
/* What a guest on x86 is asked: CPUID and RDMSR. */
#include "witness.h"

#include <gabi/vocab.h>

#define LEAF_EXTENDED 0x80000000u

enum {
	LEAF_KVM = 0x40000000,
	LEAVES_MAX = 256, /* no processor has more from one base on */
	LEAF_XSTATE = 0xd,
	XSTATES = 32,
};

static uint32_t leaf_of(const struct witness *witness, const struct gabi_key *key)
{
	return (uint32_t)key->index + (key->space == GABI_SPACE_KVM ? gabi_plan_kvm_leaf_base(witness->plan) - LEAF_KVM : 0);
}

static bool is_leaf(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_CPUID || key->space == GABI_SPACE_KVM || key->space == GABI_SPACE_HYPERV;
}

static int ask_promised(struct witness *witness)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(witness->contract, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (is_leaf(&word[i].key))
			err = witness_ask(witness, GUEST_CPUID, leaf_of(witness, &word[i].key), word[i].key.sub);
		else if (word[i].key.space == GABI_SPACE_MSR)
			err = witness_ask(witness, GUEST_RDMSR, word[i].key.index, 0);
	}
	return err;
}

static uint32_t highest_leaf(const struct witness *witness, uint32_t base)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = GABI_EAX, .index = base };
	const struct gabi_word *word = gabi_contract_find(witness->contract, &key, 0);

	return word && word->value >= base && word->value - base < LEAVES_MAX ? (uint32_t)word->value : base;
}

/* Leaves that the processor says it has and the contract does not list must be empty, and so must be those of XSAVE features. */
static int ask_unpromised(struct witness *witness)
{
	static const uint32_t bases[] = { 0, LEAF_EXTENDED };
	int err = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(bases); i++)
		for (uint32_t leaf = bases[i]; !err && leaf <= highest_leaf(witness, bases[i]); leaf++)
			err = witness_ask(witness, GUEST_CPUID, leaf, 0);
	for (uint32_t sub = 2; !err && sub < XSTATES && highest_leaf(witness, 0) >= LEAF_XSTATE; sub++)
		err = witness_ask(witness, GUEST_CPUID, LEAF_XSTATE, sub);
	return err;
}

/*
 * KVM does not tell whether it keeps from the guest what Hyper-V's leaves do not list, and lets its own user space read all the
 * same. A guest finds out by registers that hold something: they must fault.
 */
static const struct kept {
	const char *feature;
	uint32_t msr;
} kept[] = { /* TLFS: the MSRs and the privileges that they need */
	{ "hv-runtime", 0x40000010 },        /* HV_X64_MSR_VP_RUNTIME */
	{ "hv-time-ref-count", 0x40000020 }, /* HV_X64_MSR_TIME_REF_COUNT */
	{ "hv-frequencies", 0x40000022 },    /* HV_X64_MSR_TSC_FREQUENCY */
};

static bool is_enforced(const struct witness *witness)
{
	size_t count;
	const struct gabi_op *op = gabi_plan_ops(witness->plan, &count);

	for (size_t i = 0; i < count; i++)
		if (op[i].kind == GABI_OP_ENABLE_CAP && op[i].key.index == GABI_KVM_CAP_HYPERV_ENFORCE_CPUID)
			return true;
	return false;
}

static int ask_kept(struct witness *witness)
{
	int err = 0;

	for (size_t i = 0; !err && is_enforced(witness) && i < GABI_COUNT_OF(kept); i++) {
		const struct gabi_field *feature = gabi_field_by_name(kept[i].feature, GABI_ARCH_X86);
		const struct gabi_word *promise = gabi_contract_find(witness->contract, &feature->key, 0);

		if (!promise || !(promise->value >> feature->lo & 1))
			err = witness_ask(witness, GUEST_RDMSR, kept[i].msr, 0);
	}
	return err;
}

int witness_ask_all(struct witness *witness)
{
	int err = ask_promised(witness);

	if (!err)
		err = ask_unpromised(witness);
	return err ? err : ask_kept(witness);
}

/* The space that a leaf belongs to for this guest, and its number there. */
static struct gabi_key key_of(const struct witness *witness, const struct guest_request *request)
{
	struct gabi_key key = { .space = GABI_SPACE_CPUID, .sub = request->sub, .index = request->index };
	uint32_t base = gabi_plan_kvm_leaf_base(witness->plan);

	if (request->index >= base && request->index - base < LEAVES_MAX) {
		key.space = GABI_SPACE_KVM;
		key.index = request->index - base + LEAF_KVM;
	} else if (request->index >= LEAF_KVM && request->index < LEAF_EXTENDED) {
		key.space = GABI_SPACE_HYPERV;
	}
	return key;
}

#define LEAF_POWER 0x80000007u
#define INVTSC     (1u << 8)

/*
 * A guest that is promised Hyper-V's control of the invariant TSC is shown that only once it has asked by
 * HV_X64_MSR_TSC_INVARIANT_CONTROL (Linux arch/x86/kvm/hyperv.h, kvm_hv_invtsc_suppressed). This one has not.
 */
static uint64_t once_asked(const struct witness *witness, const struct gabi_key *key, uint64_t seen)
{
	const struct gabi_field *control = gabi_field_by_name("hv-tsc-invariant", GABI_ARCH_X86);
	const struct gabi_word *promise = gabi_contract_find(witness->contract, &control->key, 0);
	const struct gabi_word *wanted = gabi_contract_find(witness->contract, key, 0);
	bool asks = promise && promise->value >> control->lo & 1 && wanted && wanted->value & INVTSC;

	return key->index == LEAF_POWER && key->part == GABI_EDX && asks ? seen ^ INVTSC : seen;
}

static int compare_leaf(struct witness *witness, const struct guest_request *request)
{
	struct gabi_key key = key_of(witness, request);
	int err = 0;

	for (unsigned part = GABI_EAX; !err && part <= GABI_EDX; part++) {
		uint64_t seen = request->value[part];

		if (key.space == GABI_SPACE_KVM && key.index == LEAF_KVM && part == GABI_EAX && seen)
			seen -= gabi_plan_kvm_leaf_base(witness->plan) - LEAF_KVM;
		key.part = (uint16_t)part;
		err = witness_compare(witness, &key, 32, once_asked(witness, &key, seen & 0xffffffff), false);
	}
	return err;
}

int witness_compare_all(struct witness *witness)
{
	int err = 0;

	for (size_t i = 0; !err && i < witness->count; i++) {
		const struct guest_request *request = &witness->requests[i];
		const struct gabi_key msr = { .space = GABI_SPACE_MSR, .index = request->index };

		err = request->ask == GUEST_CPUID ? compare_leaf(witness, request) :
						    witness_compare(witness, &msr, 64, request->value[0], request->faulted);
	}
	return err;
}
