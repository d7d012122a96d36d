/* SPDX-License-Identifier: MIT */
/* Words as canonical JSON: one form for manifests and contracts. */
#ifndef GABI_HOST_CANONICAL_H
#define GABI_HOST_CANONICAL_H

#include "base/base.h"
#include "base/json.h"

/* Words that follow each other in a sorted set. */
struct gabi_word_range {
	const struct gabi_word *at, *end;
};

/* Which words of a sorted set are written, and how. */
struct gabi_word_form {
	unsigned vp;   /* those of this virtual processor, or the common ones: GABI_VP_ALL */
	bool manifest; /* with what is settable, and without the implied; else the value alone */
};

/* Writes one member for each space that has such words, in the order of the spaces' texts. */
void gabi_words_canonical(struct gabi_json *json, struct gabi_word_range words, struct gabi_word_form form);

/* Manifests name `settable` only where it is not the rule of its space: all bits of CPUID and of MSRs, none elsewhere. */
static inline uint64_t gabi_settable_rule(unsigned space)
{
	return gabi_space_has_leaves(space) || space == GABI_SPACE_MSR || space == GABI_SPACE_MSR_DEFAULT ? ~(uint64_t)0 : 0;
}

#endif
