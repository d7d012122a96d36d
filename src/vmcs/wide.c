/* SPDX-License-Identifier: MIT */
/*
 * 64 bytes at a time, as straight code: loads whose words a permutation brings into place, stored under a mask. Which words a
 * clean-fields word leaves out is one test of their groups, without a branch.
 */
#include "translate.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))

bool gabi_wide_here(void)
{
	return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt");
}

#define INLINE TARGET static inline __attribute__((always_inline))

/* The pairs that are copied on every entry and exit; `dirty` is NULL, or the dirty groups in each word. */
#define WIDE       INLINE
#define LOAD(from) _mm512_loadu_si512(from)
#define STORE(to, mask, groups, words) \
	_mm512_mask_storeu_epi16(to, dirty ? _mm512_test_epi16_mask(LOAD(groups), *dirty) : (mask), words)
#include "wide.inc"

/* Any other. */
#define PAIR(name)             UNSANITIZED TARGET static void name(const struct gabi_translation *t, const void *from, void *to)
#define MOVE(at, from_at, len) memcpy((uint8_t *)to + (at), (const uint8_t *)from + (from_at), len)
#define BLOCK(at, from_at, mask, ...)                                                                                       \
	do {                                                                                                                \
		static const uint16_t pick[] __attribute__((aligned(64))) = { __VA_ARGS__ };                                \
		_mm512_mask_storeu_epi16((uint8_t *)to + (at), mask,                                                        \
					 _mm512_permutexvar_epi16(LOAD(pick), LOAD((const uint8_t *)from + (from_at)))); \
	} while (0)
#include "wide_pairs.inc"

gabi_run_all *gabi_pair_wide(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to)
{
	return wide_pairs[gabi_vmcs_form(from)][gabi_vmcs_form(to)];
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

gabi_run_all *gabi_pair_wide(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to)
{
	return gabi_pair_narrow(from, to);
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
