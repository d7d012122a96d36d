/* SPDX-License-Identifier: MIT */
/*
 * 64 bytes at a time: each block of the target is put together from a few unaligned loads, whose words a permutation brings into place,
 * and stored under a mask. Which words a clean-fields word leaves out is one test of the block's groups, without a branch.
 */
#include "translate.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))

bool gabi_wide_here(void)
{
	return __builtin_cpu_supports("avx512bw");
}

TARGET static inline __m512i gather(const struct gabi_wide_load *load, unsigned count, const uint8_t *from)
{
	__m512i words = _mm512_setzero_si512();

	for (unsigned i = 0; i < count; i++)
		words = _mm512_mask_permutexvar_epi16(words, load[i].mask, _mm512_loadu_si512(load[i].pick),
						      _mm512_loadu_si512(from + load[i].from));
	return words;
}

TARGET void gabi_wide_run(const struct gabi_translation *t, const void *from, void *to)
{
	const struct gabi_wide_load *load = t->loads;

	for (const struct gabi_wide_block *block = t->blocks, *end = block + t->block_count; block < end; load += block->loads, block++)
		_mm512_mask_storeu_epi16((uint8_t *)to + block->to, block->mask, gather(load, block->loads, from));
}

TARGET void gabi_wide_run_dirty(const struct gabi_translation *t, const void *from, void *to, uint16_t dirty)
{
	const __m512i wanted = _mm512_set1_epi16((short)dirty);
	const struct gabi_wide_load *load = t->loads;

	for (const struct gabi_wide_block *block = t->blocks, *end = block + t->block_count; block < end; load += block->loads, block++) {
		__mmask32 mask = _mm512_mask_test_epi16_mask(block->mask, _mm512_loadu_si512(block->group), wanted);

		_mm512_mask_storeu_epi16((uint8_t *)to + block->to, mask, gather(load, block->loads, from));
	}
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
