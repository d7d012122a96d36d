/* SPDX-License-Identifier: MIT */
/*
 * Hyper-V's CPUID leaves as a KVM offers them: a pure function of what the kernel's answer depends on, so that it is the same
 * however often and in whatever order it is asked.
 */
#ifndef GABI_HV_OFFER_H
#define GABI_HV_OFFER_H

#include <gabi/err.h>
#include <gabi/word.h>

GABI_BEGIN

struct gabi_hv_offer_input {
	size_t size;          /* sizeof(struct gabi_hv_offer_input) */
	const char
		*release; /* "6.1.0-50-amd64"; what was read is 5.10, 6.1, 6.12, 7.2 and 7.3, others answer as the next older */
	uint32_t max_vcpus;   /* the kernel's KVM_MAX_VCPUS; 0: 288 before 6.1, then 1024 */
	uint8_t system;       /* 1: the system-scope ioctl, which 5.10 has not */
	uint8_t lapic;        /* the vCPU's local APIC is in the kernel */
	uint8_t evmcs;        /* vCPU: KVM_CAP_HYPERV_ENLIGHTENED_VMCS is enabled. System: the host has VMX */
	uint8_t smt_possible;
};

#define GABI_HV_OFFER_WORDS 40u

/* Four words of space HYPERV a leaf, in the order of the ioctl. GABI_ERR_UNSUPPORTED for a kernel without that ioctl. */
GABI_API int gabi_hv_offer(const struct gabi_hv_offer_input *input, struct gabi_word ret_words[GABI_HV_OFFER_WORDS],
			   size_t *ret_count, struct gabi_diag *diag);

GABI_END
#endif
