/* SPDX-License-Identifier: MIT */
/*
 * What a guest is asked, and where it finds the questions. The guest answers in place and judges nothing.
 */
#ifndef GABI_GUEST_H
#define GABI_GUEST_H

enum guest_ask {
	GUEST_CPUID,  /* x86: leaf index, subleaf sub; value is EAX to EDX */
	GUEST_RDMSR,  /* x86: value[0] */
	GUEST_SYSREG, /* arm64: index is the encoding, op0 in bits 15:14; for CCSIDR_EL1 sub is CSSELR_EL1 */
	GUEST_HVC,    /* arm64: function index with the argument sub; value is X0 to X3 */
};

struct guest_request {
	unsigned int ask, sub;
	unsigned long long index;
	unsigned int faulted; /* answer: 1 where the instruction faulted */
	unsigned int answered;
	unsigned long long value[4];
	unsigned long long unused;
};

#define GUEST_VMM_ANSWERED 0x67616269 /* arm64: what X0 holds after a call that is the VMM's to answer */

/* Guest-physical addresses. The memory is one piece of GUEST_LEN from GUEST_MEM on. */
#ifdef __x86_64__
#define GUEST_MEM 0x0
#define GUEST_END 0xf4 /* the port that is written at the end */
#else
#define GUEST_MEM 0x40000000
#define GUEST_END 0x09000000 /* the address, outside of all memory, that is written at the end */
#endif
#define GUEST_LEN      0x200000
#define GUEST_TABLES   (GUEST_MEM + 0x1000)  /* x86: page tables, made by the host */
#define GUEST_IMAGE    (GUEST_MEM + 0x10000) /* begins with its entry; the same number stands in guest.ld */
#define GUEST_STOLEN   (GUEST_MEM + 0x90000) /* arm64: where KVM keeps the stolen time */
#define GUEST_STACK    (GUEST_MEM + 0x80000)
#define GUEST_COUNT    (GUEST_MEM + 0xff000) /* how many requests, 64 bits */
#define GUEST_REQUESTS (GUEST_MEM + 0x100000)
#define GUEST_REQUESTS_MAX 16384

#endif
