/* SPDX-License-Identifier: MIT */
/* Rules over a nested state, in KVM's order. */
#ifndef GABI_NESTED_CHECK_H
#define GABI_NESTED_CHECK_H

#include <gabi/nested.h>

#include "vmcs.h"

struct check {
	const struct gabi_nested_target *target;
	const struct gabi_vmcs_layout *layout; /* of the VMCS that is looked at, as the target's kernel sees it */
	const uint8_t *page;
	unsigned release;
	bool run_pending;
	/* Takes a broken rule; true ends the check. */
	bool (*broken)(struct check *check, unsigned rule, unsigned id, uint64_t value);
	/* Takes a rule that could not be judged. */
	void (*unknown)(struct check *check, unsigned rule, unsigned id, uint64_t value);
	void *ctx;
};

/* True if the check was ended. */
bool gabi_check_vmcs(struct check *check);

bool gabi_nested_applies(const struct check *check, unsigned rule);
bool gabi_check_page(const struct gabi_nested_target *target, uint64_t gpa);
bool gabi_check_cr3(const struct gabi_nested_target *target, uint64_t cr3);
bool gabi_check_gpa(const struct gabi_nested_target *target, uint64_t gpa);
bool gabi_check_pat(uint64_t pat);

#endif
