/* SPDX-License-Identifier: MIT */
/* CPUID under the shim: what KVM has to be told of a processor for it to nest, and the guest is not to see. */
#ifndef GABI_KVM_SHIM_CPUID_H
#define GABI_KVM_SHIM_CPUID_H

#include <gabi/contract.h>

#include "base/base.h"
#include "uapi.h"

enum { SHIM_GIVEN_MAX = 3 };
struct shim_cpuid_terms {
	struct {
		uint32_t leaf, bit;
		uint8_t part;
	} given[SHIM_GIVEN_MAX]; /* the first is that the processor can nest */
	unsigned count;
	uint32_t msr; /* and bits that KVM says of what it nests; 0: none */
	uint64_t msr_bits;
	bool falls_back; /* a leaf past the last is answered as the last basic one */
	const char *promised, *absent; /* the refusals: the contract has that itself; KVM does not */
};

struct shim_cpuid {
	struct gabi_mem mem;
	const struct shim_cpuid_terms *terms;
	uint32_t hidden[SHIM_GIVEN_MAX]; /* of what is given, bits that the contract does not promise */
};

/* A word of CPUID that the contract promises; 0: none. */
uint64_t shim_cpuid_promised(const struct gabi_contract *contract, uint32_t leaf, unsigned part);

/* Is this KVM for Intel's processors? */
bool shim_cpuid_is_intel(const char *device, const struct gabi_mem *mem);

/* Can it be done? GABI_ERR_CONFLICT: not with that contract; GABI_ERR_KVM: not here. */
int shim_cpuid_new(struct shim_cpuid *cpuid, const struct shim_cpuid_terms *terms, const struct gabi_contract *contract, const char *device,
		   const struct gabi_mem *mem, struct gabi_diag *diag);

/* Behind the carrying out of a plan, before the processor has run. 0 or -1. */
int shim_cpuid_give(const struct shim_cpuid *cpuid, int vcpu);

/* What the instruction gives with EAX and ECX as they are in regs. 0 or -1. */
int shim_cpuid_answer(const struct shim_cpuid *cpuid, int vcpu, struct kvm_regs *regs);

#endif
