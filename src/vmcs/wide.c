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
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt");
}

#define INLINE TARGET static inline __attribute__((always_inline))

/* The blocks of one kind; NULL for dirty means all words. Returns the next pick. */
INLINE const struct gabi_wide_pick *run(const struct gabi_translation *t, unsigned kind, const struct gabi_wide_pick *pick,
					const uint8_t *from, uint8_t *to, const __m512i *dirty)
{
	const struct gabi_wide_block *block = t->blocks + (kind ? t->kind_end[kind - 1] : 0), *end = t->blocks + t->kind_end[kind];

	for (; block < end; block++) {
		uint64_t head = block->head, more = block->more;
		__m512i words = _mm512_loadu_si512(from + (head >> 48));
		__mmask32 mask = (uint32_t)head;

		if (kind == 1)
			words = _mm512_permutexvar_epi16(_mm512_load_si512(pick++), words);
		for (unsigned n = 1; n < kind; n++, more >>= 16)
			words = _mm512_permutex2var_epi16(words, _mm512_load_si512(pick++), _mm512_loadu_si512(from + (more & 0xffff)));
		if (dirty)
			mask = _mm512_mask_test_epi16_mask(mask, _mm512_loadu_si512(t->groups + (block - t->blocks)), *dirty);
		_mm512_mask_storeu_epi16(to + (head >> 32 & 0xffff), mask, words);
	}
	return pick;
}

INLINE void run_all(const struct gabi_translation *t, const uint8_t *from, uint8_t *to, const __m512i *dirty)
{
	const struct gabi_wide_pick *pick = t->picks;

	pick = run(t, 0, pick, from, to, dirty);
	pick = run(t, 1, pick, from, to, dirty);
	pick = run(t, 2, pick, from, to, dirty);
	pick = run(t, 3, pick, from, to, dirty);
	pick = run(t, 4, pick, from, to, dirty);
	run(t, 5, pick, from, to, dirty);
}
_Static_assert(WIDE_KINDS == 6, "a kind more to run");

/* The same as straight code, for the pairs that are copied on every entry and exit; `dirty` is NULL, or the dirty groups in each
 * word. */
#define WIDE       INLINE
#define LOAD(from) _mm512_loadu_si512(from)
#define STORE(to, mask, groups, words) \
	_mm512_mask_storeu_epi16(to, dirty ? _mm512_test_epi16_mask(LOAD(groups), *dirty) : (mask), words)
#include "wide.inc"

TARGET void gabi_wide_any(const struct gabi_translation *t, const void *from, void *to)
{
	run_all(t, from, to, NULL);
}

TARGET void gabi_wide_any_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	const __m512i dirty = _mm512_set1_epi16((short)~clean);

	gabi_groups_copy(t, from, to, UINT32_C(1) << GABI_EVMCS_NONE);
	if (~clean & GABI_EVMCS_ALL_CLEAN)
		run_all(t, from, to, &dirty);
}

TARGET void gabi_wide_in(const struct gabi_translation *t, const void *from, void *to)
{
	(void)t;
	wide_in(from, to, NULL);
}

TARGET void gabi_wide_out(const struct gabi_translation *t, const void *from, void *to)
{
	(void)t;
	wide_out(from, to, NULL);
}

TARGET void gabi_wide_in_many(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	const __m512i dirty = _mm512_set1_epi16((short)~clean);

	(void)t;
	wide_in(from, to, &dirty);
}

TARGET void gabi_wide_out_many(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	const __m512i dirty = _mm512_set1_epi16((short)~clean);

	(void)t;
	wide_out(from, to, &dirty);
}
#else
bool gabi_wide_here(void)
{
	return false;
}

void gabi_wide_any(const struct gabi_translation *t, const void *from, void *to)
{
	gabi_runs_copy(t->runs, t->run_count, from, to);
}

void gabi_wide_any_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	(void)clean;
	gabi_wide_any(t, from, to);
}

void gabi_wide_in(const struct gabi_translation *t, const void *from, void *to)
{
	gabi_direct_in(t, from, to);
}

void gabi_wide_out(const struct gabi_translation *t, const void *from, void *to)
{
	gabi_direct_out(t, from, to);
}
#endif
