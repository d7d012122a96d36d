/* SPDX-License-Identifier: MIT */
/* Properties of QEMU's arm64 CPUs: cut out of an argument, and what they make of a model, or of a host's CPU. */
#ifndef GABI_CONTRACT_CPU_ARM64_H
#define GABI_CONTRACT_CPU_ARM64_H

#include <gabi/err.h>

#include "base/base.h"

enum gabi_arm64_property { GABI_ARM64_AARCH64, GABI_ARM64_PMU, GABI_ARM64_SVE, GABI_ARM64_PAUTH, GABI_ARM64_IMPDEF, GABI_ARM64_QARMA3,
			   GABI_ARM64_QARMA5, GABI_ARM64_ADJVTIME, GABI_ARM64_STEAL_TIME, GABI_ARM64_PROPERTIES };

/* What an argument says; bit n of a set of lengths is 128 * (n + 1) bits. */
struct gabi_arm64_asked {
	signed char is[GABI_ARM64_PROPERTIES]; /* 1, 0, or -1: not said */
	uint32_t sve_on, sve_off;
};

/* Reads ",name=value,..." behind a model's name. kvm: with the properties that only KVM has, and without those of the emulator. */
int gabi_arm64_ask(const char *items, bool kvm, struct gabi_arm64_asked *ret_asked, struct gabi_diag *diag);

/* The lengths that a guest gets of those that are supported, as QEMU's arm_cpu_sve_finalize. */
int gabi_arm64_lengths(const struct gabi_arm64_asked *asked, uint32_t supported, bool has_sve, bool kvm, uint32_t *ret_lengths,
		       struct gabi_diag *diag);

/* Applies the argument's items to the words of a named model, as QEMU's emulator does. */
int gabi_arm64_apply(struct gabi_words *words, const struct gabi_mem *mem, const char *items, struct gabi_diag *diag);

#endif
