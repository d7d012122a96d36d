/* SPDX-License-Identifier: MIT */
/*
 * 64 bytes at a time: each block of the target is put together from a few unaligned loads, whose words a permutation brings
 * into place, and stored under a mask. Which words a clean-fields word leaves out is one test of the block's groups, without a
 * branch.
 */
#include "translate.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))

bool gabi_wide_here(void)
{
	return __builtin_cpu_supports("avx512bw");
}

#define INLINE TARGET static inline __attribute__((always_inline))

/* Where the next block's loads are. */
struct place {
	const struct gabi_wide_load *load;
	const struct gabi_wide_pick *pick;
};

INLINE __m512i gather(const struct place *at, unsigned count, const uint8_t *from)
{
	__m512i words = _mm512_permutexvar_epi16(_mm512_loadu_si512(at->pick), _mm512_loadu_si512(from + at->load->from));

	for (unsigned i = 1; i < count; i++)
		words = _mm512_mask_permutexvar_epi16(words, at->load[i].mask, _mm512_loadu_si512(at->pick + i),
						      _mm512_loadu_si512(from + at->load[i].from));
	return words;
}

/* The blocks that take `count` loads; NULL for dirty means all words. */
INLINE void run(const struct gabi_translation *t, unsigned count, struct place *at, const uint8_t *from, uint8_t *to, const __m512i *dirty)
{
	const struct gabi_wide_block *block = t->blocks + t->blocks_upto[count - 1], *end = t->blocks + t->blocks_upto[count];

	for (; block < end; block++, at->load += count, at->pick += count) {
		__mmask32 mask = block->mask;

		if (dirty)
			mask = _mm512_mask_test_epi16_mask(mask, _mm512_loadu_si512(block->group), *dirty);
		_mm512_mask_storeu_epi16(to + block->to, mask, gather(at, count, from));
	}
}

INLINE void run_all(const struct gabi_translation *t, const uint8_t *from, uint8_t *to, const __m512i *dirty)
{
	struct place at = { t->loads, t->picks };

	run(t, 1, &at, from, to, dirty);
	run(t, 2, &at, from, to, dirty);
	run(t, 3, &at, from, to, dirty);
	run(t, 4, &at, from, to, dirty);
	run(t, 5, &at, from, to, dirty);
	run(t, 6, &at, from, to, dirty);
	for (unsigned count = 7; count <= WIDE_WORDS && t->blocks_upto[count - 1] < t->block_count; count++)
		run(t, count, &at, from, to, dirty);
}

/* The same as straight code, for the pairs that are copied on every entry and exit; `dirty` is NULL or a constant of the
 * caller's. */
#define WIDE       INLINE
#define LOAD(from) _mm512_loadu_si512(from)
#define STORE(to, mask, groups, words)                                                                         \
	_mm512_mask_storeu_epi16(to, dirty ? _mm512_mask_test_epi16_mask(mask, LOAD(groups), *dirty) : (mask), words)
#include "wide.inc"

TARGET void gabi_wide_run(const struct gabi_translation *t, const void *from, void *to)
{
	if (!t->is_hot)
		run_all(t, from, to, NULL);
	else if (t->set == GABI_VMCS_SET_IN)
		wide_in(from, to, NULL);
	else
		wide_out(from, to, NULL);
}

TARGET void gabi_wide_run_dirty(const struct gabi_translation *t, const void *from, void *to, uint16_t dirty)
{
	const __m512i wanted = _mm512_set1_epi16((short)dirty);

	if (!t->is_hot)
		run_all(t, from, to, &wanted);
	else if (t->set == GABI_VMCS_SET_IN)
		wide_in(from, to, &wanted);
	else
		wide_out(from, to, &wanted);
}
#else
bool gabi_wide_here(void)
{
	return false;
}

void gabi_wide_run(const struct gabi_translation *t, const void *from, void *to)
{
	gabi_runs_copy(t->runs, t->run_count, from, to);
}

void gabi_wide_run_dirty(const struct gabi_translation *t, const void *from, void *to, uint16_t dirty)
{
	(void)dirty;
	gabi_wide_run(t, from, to);
}
#endif
