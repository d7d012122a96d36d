/* SPDX-License-Identifier: MIT */
/* What a guest that is saved, restored or moved must not see change. Each says what is wrong, and is false then. */
#ifndef GABI_UNCHANGED_H
#define GABI_UNCHANGED_H

#include "bare.h"

enum { UNCHANGED_LEAVES = 96 };

/* What CPUID said when it was first looked at. */
struct unchanged_abi {
	uint32_t seen[UNCHANGED_LEAVES][4];
	bool known;
};

bool unchanged_abi(struct unchanged_abi *abi);

/* Clocks go on: *before is what was seen last, 0 at first. */
uint64_t unchanged_now(void); /* the TSC */
bool unchanged_tsc(uint64_t *before);
bool unchanged_pm_timer(uint32_t *before);

/* Hyper-V's reference counter, and the page by which the TSC tells the same time. */
bool unchanged_reference(uint64_t *before, const volatile void *tsc_page);

/* True, or it says what it is and is false. */
bool unchanged_is(const char *name, uint64_t seen, uint64_t wanted);

#endif
