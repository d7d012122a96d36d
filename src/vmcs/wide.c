/* SPDX-License-Identifier: MIT */
/*
 * 64 bytes at a time: each block of the target is put together from a few unaligned loads, whose words a permutation brings
 * into place, and stored under a mask. Which words a clean-fields word leaves out is one test of the block's groups, without a
 * branch.
 */
#include "translate.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,popcnt")))

bool gabi_wide_here(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt");
}

#define INLINE TARGET static inline __attribute__((always_inline))

/* Where the next block's loads are. */
struct place {
	const struct gabi_wide_load *load;
	const struct gabi_wide_pick *pick;
};

INLINE __m512i gather(const struct place *at, unsigned count, const uint8_t *from)
{
	__m512i words = _mm512_loadu_si512(from + at->load->from);

	if (count == 1)
		return _mm512_permutexvar_epi16(_mm512_load_si512(at->pick), words);
	for (unsigned i = 1; i < count; i++)
		words = _mm512_permutex2var_epi16(words, _mm512_load_si512(at->pick + i), _mm512_loadu_si512(from + at->load[i].from));
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

struct window {
	uint8_t at[WIDE_BYTES];
};

/* A load that stays in its place among the others, which go up: pages lie alike, so that a load waits for a store to the same
 * offset of another page, and those of the call before are done in that order, too. */
INLINE __m512i fetch(const uint8_t *from)
{
	const struct window *window = (const void *)from;
	__m512i words;

	__asm__ volatile("vmovdqu64 %1, %0" : "=v"(words) : "m"(*window));
	return words;
}

/* The same as straight code, for the pairs that are copied on every entry and exit; `masks` is NULL, or what is wanted of each
 * line. */
#define WIDE                          INLINE
#define LOAD(from)                    _mm512_loadu_si512(from)
#define FETCH(from)                   fetch(from)
#define STORE(to, mask, line, words)  _mm512_mask_storeu_epi16(to, masks ? masks[line] : (mask), words)
#include "wide.inc"

/* The lines' masks for a word of dirty groups. */
INLINE void masks_of(const uint32_t table[4][16][16], uint16_t dirty, uint32_t masks[16])
{
	__m512i low = _mm512_or_si512(_mm512_load_si512(table[0][dirty & 15]), _mm512_load_si512(table[1][dirty >> 4 & 15]));
	__m512i high = _mm512_or_si512(_mm512_load_si512(table[2][dirty >> 8 & 15]), _mm512_load_si512(table[3][dirty >> 12]));

	_mm512_store_si512(masks, _mm512_or_si512(low, high));
}

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

/* So few dirty groups that a branch for each costs less than to look at all of them. */
INLINE bool few(uint32_t clean)
{
	return __builtin_popcount(~clean & GABI_EVMCS_ALL_CLEAN) <= 3;
}

/* Apart, so that the way to few groups needs no room on an aligned stack. */
#define APART TARGET static __attribute__((noinline)) void

APART many_in(const void *from, void *to, uint32_t clean)
{
	uint32_t masks[16] __attribute__((aligned(64)));

	masks_of(wide_in_masks, (uint16_t)~clean, masks);
	wide_in(from, to, masks);
}

APART many_out(const void *from, void *to, uint32_t clean)
{
	uint32_t masks[16] __attribute__((aligned(64)));

	masks_of(wide_out_masks, (uint16_t)~clean, masks);
	wide_out(from, to, masks);
}

TARGET void gabi_wide_in_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	if (few(clean))
		gabi_direct_in_dirty(t, from, to, clean);
	else
		many_in(from, to, clean);
}

TARGET void gabi_wide_out_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	if (few(clean))
		gabi_direct_out_dirty(t, from, to, clean);
	else
		many_out(from, to, clean);
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

void gabi_wide_in_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	gabi_direct_in_dirty(t, from, to, clean);
}

void gabi_wide_out_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	gabi_direct_out_dirty(t, from, to, clean);
}
#endif
