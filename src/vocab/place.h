/* SPDX-License-Identifier: MIT */
/* Where the rows of a word are. */
#ifndef GABI_PLACE_H
#define GABI_PLACE_H

#include <gabi/vocab.h>

/* Where a search for the places of (space, index) begins in a table of that many slots, which is a power of two. */
static inline size_t gabi_place_slot(unsigned space, uint64_t index, size_t slots)
{
	return (size_t)((index ^ (uint64_t)space << 48) * 0x9e3779b97f4a7c15ull >> 40) & (slots - 1);
}

struct gabi_place {
	const struct gabi_field *field; /* the first row; NULL if the word has none */
	size_t count;
	uint64_t absent;    /* the word of a host or a contract that has none of its fields: what a word that is not listed stands for */
	uint64_t zero;      /* the bits that no guest may have (GABI_RULE_ZERO) */
	uint64_t presented; /* the bits of which a VMM can show and hide what it likes (GABI_RULE_PRESENTED) */
	const struct gabi_field *reg_when; /* what must be promised for a guest to reach the register; NULL: nothing */
	const struct gabi_field *when;     /* what must be promised for any bit of the word to matter; NULL: some always do, or
	                                    * not all for the same reason */
};

struct gabi_place gabi_place_of(const struct gabi_key *key);

#endif
