/* SPDX-License-Identifier: MIT */
/* What the counting guest and the host tell each other, at GUEST_COUNT. */
#ifndef GABI_COUNTER_H
#define GABI_COUNTER_H

#include "guest.h"

enum counter_wrong {
	COUNTER_FINE,
	COUNTER_ABI,      /* detail: which CPUID leaf or register; it reads otherwise than at first */
	COUNTER_CLOCK,    /* the counter went back */
	COUNTER_VECTOR,   /* detail: which vector register lost its value */
	COUNTER_REGISTER, /* detail: which MSR or system register lost its value */
	COUNTER_STACK,    /* what lay in memory is gone */
};

#define COUNTER_ABI_MAX 512

struct counter {
	unsigned long long beats; /* counts on at every turn; the guest lets go of the processor after each */
	unsigned int wrong, abi_words;
	unsigned long long detail, want, seen;
	unsigned long long clock; /* as last read */
	unsigned long long abi[COUNTER_ABI_MAX];
};

#endif
