/* SPDX-License-Identifier: MIT */
/* Sets of bits as arrays of 64-bit words, in the widest vectors that the machine has. */
#ifndef GABI_BITS_H
#define GABI_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GABI_BITS_STEP 8 /* every set is a multiple of that many words, so that no vector loop has a tail */

struct gabi_bits_ops {
	const char *name; /* "avx512", "avx2", "word" */
	/* Have a and b a bit in common? */
	bool (*meet)(const uint64_t *a, const uint64_t *b, size_t words);
	/* into |= the sets of `words` words at each of the `count` places. */
	void (*gather)(uint64_t *into, const uint64_t *const *from, size_t count, size_t words);
};

/* The best of this machine; never NULL. Asks the processor each time, so that there is no state: objects keep the answer. */
const struct gabi_bits_ops *gabi_bits_ops_best(void);

/* All that this machine can run, best first; NULL past the last. For tests and benchmarks. */
const struct gabi_bits_ops *gabi_bits_ops_at(size_t at);

static inline size_t gabi_bits_words(size_t bits)
{
	size_t words = (bits + 63) / 64;

	return (words + GABI_BITS_STEP - 1) / GABI_BITS_STEP * GABI_BITS_STEP;
}

static inline void gabi_bits_set(uint64_t *set, size_t bit)
{
	set[bit / 64] |= (uint64_t)1 << bit % 64;
}

static inline bool gabi_bits_get(const uint64_t *set, size_t bit)
{
	return set[bit / 64] >> bit % 64 & 1;
}

#endif
