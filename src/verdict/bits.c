/* SPDX-License-Identifier: MIT */
#include "verdict/bits.h"

/*
 * A step (512 bits) is looked at as a whole before the loop may end: a branch for each word would cost more than the
 * loads that it saves.
 */
static bool meet_word(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i += GABI_BITS_STEP) {
		uint64_t common = 0;

		for (size_t j = i; j < i + GABI_BITS_STEP; j++)
			common |= a[j] & b[j];
		if (common)
			return true;
	}
	return false;
}

static void gather_word(uint64_t *into, const uint64_t *const *from, size_t count, size_t words)
{
	for (size_t i = 0; i < words; i += GABI_BITS_STEP)
		for (size_t at = 0; at < count; at++)
			for (size_t j = i; j < i + GABI_BITS_STEP; j++)
				into[j] |= from[at][j];
}

/* On arm64 the compiler turns these loops into NEON, which every arm64 has. */
static const struct gabi_bits_ops word_ops = { "word", meet_word, gather_word };

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

__attribute__((target("avx2"))) static inline __m256i common_avx2(const uint64_t *a, const uint64_t *b)
{
	return _mm256_and_si256(_mm256_loadu_si256((const __m256i_u *)a), _mm256_loadu_si256((const __m256i_u *)b));
}

__attribute__((target("avx2"))) static bool meet_avx2(const uint64_t *a, const uint64_t *b, size_t words)
{
	__m256i last = _mm256_setzero_si256();
	size_t i = 0;

	for (; i + 16 <= words; i += 16) {
		__m256i low = _mm256_or_si256(common_avx2(a + i, b + i), common_avx2(a + i + 4, b + i + 4));
		__m256i high = _mm256_or_si256(common_avx2(a + i + 8, b + i + 8), common_avx2(a + i + 12, b + i + 12));

		low = _mm256_or_si256(low, high);
		if (!_mm256_testz_si256(low, low))
			return true;
	}
	if (i < words) /* one step is left */
		last = _mm256_or_si256(common_avx2(a + i, b + i), common_avx2(a + i + 4, b + i + 4));
	return !_mm256_testz_si256(last, last);
}

__attribute__((target("avx2"))) static void gather_avx2(uint64_t *into, const uint64_t *const *from, size_t count, size_t words)
{
	for (size_t i = 0; i < words; i += 8) {
		__m256i low = _mm256_loadu_si256((const __m256i_u *)&into[i]);
		__m256i high = _mm256_loadu_si256((const __m256i_u *)&into[i + 4]);

		for (size_t at = 0; at < count; at++) {
			low = _mm256_or_si256(low, _mm256_loadu_si256((const __m256i_u *)&from[at][i]));
			high = _mm256_or_si256(high, _mm256_loadu_si256((const __m256i_u *)&from[at][i + 4]));
		}
		_mm256_storeu_si256((__m256i_u *)&into[i], low);
		_mm256_storeu_si256((__m256i_u *)&into[i + 4], high);
	}
}

/* So far, or in these two as well: truth table 0xf8. */
__attribute__((target("avx512f"))) static inline __m512i common_avx512(__m512i so_far, const uint64_t *a, const uint64_t *b)
{
	return _mm512_ternarylogic_epi64(so_far, _mm512_loadu_si512(a), _mm512_loadu_si512(b), 0xf8);
}

__attribute__((target("avx512f"))) static bool meet_avx512(const uint64_t *a, const uint64_t *b, size_t words)
{
	__m512i last = _mm512_setzero_si512();
	size_t i = 0;

	for (; i + 32 <= words; i += 32) {
		__m512i common = _mm512_and_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));

		common = common_avx512(common, a + i + 8, b + i + 8);
		common = common_avx512(common, a + i + 16, b + i + 16);
		common = common_avx512(common, a + i + 24, b + i + 24);
		if (_mm512_test_epi64_mask(common, common))
			return true;
	}
	for (; i < words; i += 8) /* up to three steps are left */
		last = common_avx512(last, a + i, b + i);
	return _mm512_test_epi64_mask(last, last);
}

__attribute__((target("avx512f"))) static void gather_avx512(uint64_t *into, const uint64_t *const *from, size_t count,
							     size_t words)
{
	size_t i = 0;

	for (; i + 16 <= words; i += 16) {
		__m512i low = _mm512_loadu_si512(&into[i]), high = _mm512_loadu_si512(&into[i + 8]);

		for (size_t at = 0; at < count; at++) {
			low = _mm512_or_si512(low, _mm512_loadu_si512(&from[at][i]));
			high = _mm512_or_si512(high, _mm512_loadu_si512(&from[at][i + 8]));
		}
		_mm512_storeu_si512(&into[i], low);
		_mm512_storeu_si512(&into[i + 8], high);
	}
	for (; i < words; i += 8) {
		__m512i sum = _mm512_loadu_si512(&into[i]);

		for (size_t at = 0; at < count; at++)
			sum = _mm512_or_si512(sum, _mm512_loadu_si512(&from[at][i]));
		_mm512_storeu_si512(&into[i], sum);
	}
}

static const struct gabi_bits_ops avx2_ops = { "avx2", meet_avx2, gather_avx2 };
static const struct gabi_bits_ops avx512_ops = { "avx512", meet_avx512, gather_avx512 };

const struct gabi_bits_ops *gabi_bits_ops_at(size_t at)
{
	if (__builtin_cpu_supports("avx512f") && at-- == 0)
		return &avx512_ops;
	if (__builtin_cpu_supports("avx2") && at-- == 0)
		return &avx2_ops;
	return at == 0 ? &word_ops : NULL;
}

#else

const struct gabi_bits_ops *gabi_bits_ops_at(size_t at)
{
	return at == 0 ? &word_ops : NULL;
}

#endif

const struct gabi_bits_ops *gabi_bits_ops_best(void)
{
	return gabi_bits_ops_at(0);
}
