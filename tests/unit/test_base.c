/* SPDX-License-Identifier: MIT */
#include "base/base.h"

#include "short_mem.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

/* ---- errors ---- */

static void err__every_row_has_its_own_number_and_text(void **state)
{
	static const int numbers[] = {
#define GABI_ERR_ROW(name, number, text) GABI_ERR_##name,
#include <gabi/err.def>
	};

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(numbers); i++) {
		assert_true(numbers[i] < 0);
		assert_memory_equal(gabi_err_name(numbers[i]), "GABI_ERR_", 9);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(numbers[i], numbers[j]);
			assert_string_not_equal(gabi_err_text(numbers[i]), gabi_err_text(numbers[j]));
		}
	}
}

static void err__a_number_that_is_none_has_text_too(void **state)
{
	static const int none[] = { 0, 1, INT_MAX, INT_MIN, -1000 };

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(none); i++) {
		assert_string_equal(gabi_err_text(none[i]), "no error");
		assert_string_equal(gabi_err_name(none[i]), "0");
	}
}

static void fail__joins_its_pieces_and_fills_the_key(void **state)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = 0x10a };
	struct gabi_diag diag;

	(void)state;
	memset(&diag, 0xa5, sizeof(diag));
	assert_int_equal(gabi_fail_at(&diag, GABI_ERR_RANGE, &key, "one ", "two", (char *)NULL), GABI_ERR_RANGE);
	assert_int_equal(diag.err, GABI_ERR_RANGE);
	assert_int_equal(diag.sys_errno, 0);
	assert_int_equal(diag.line, 0);
	assert_string_equal(diag.where, "");
	assert_string_equal(diag.text, "one two");
	assert_int_equal(gabi_key_compare(&diag.key, &key), 0);
	assert_int_equal(gabi_fail(&diag, GABI_ERR_ARG, "three", (char *)NULL), GABI_ERR_ARG);
	assert_int_equal(diag.key.space, GABI_SPACE_NONE);
	assert_int_equal(gabi_fail(NULL, GABI_ERR_ARG, "nobody listens", (char *)NULL), GABI_ERR_ARG);
}

static void fail__cuts_a_sentence_that_is_too_long(void **state)
{
	char text[2 * sizeof(((struct gabi_diag *)0)->text)];
	struct gabi_diag diag;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	gabi_fail(&diag, GABI_ERR_ARG, text, text, (char *)NULL);
	assert_int_equal(strlen(diag.text), sizeof(diag.text) - 1);
}

/* ---- memory ---- */

static void mem_get__gives_zeroed_memory(void **state)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	unsigned char *got = gabi_mem_get(&mem, 4096);

	(void)state;
	assert_non_null(got);
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(got[i], 0);
	gabi_mem_put(&mem, got);
	gabi_mem_put(&mem, NULL);
}

static void mem_room__keeps_the_array_when_memory_is_short(void **state)
{
	struct short_mem count = { .fail_at = 2 };
	struct gabi_mem mem = short_mem_of(&count);
	void *array = NULL, *before;
	size_t cap = 0;

	(void)state;
	assert_int_equal(gabi_mem_room(&mem, &array, &cap, 0, sizeof(int)), 0);
	before = array;
	assert_true(cap > 0);
	assert_int_equal(gabi_mem_room(&mem, &array, &cap, cap - 1, sizeof(int)), 0);
	assert_int_equal(count.requests, 1);
	assert_int_equal(gabi_mem_room(&mem, &array, &cap, cap, sizeof(int)), GABI_ERR_NOMEM);
	assert_ptr_equal(array, before);
	gabi_mem_put(&mem, array);
	assert_int_equal(count.live, 0);
}

static void mem_room__refuses_a_size_that_overflows(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	size_t caps[] = { SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 16 };

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(caps); i++) {
		void *array = NULL;
		size_t cap = caps[i];

		assert_int_equal(gabi_mem_room(&mem, &array, &cap, cap, 64), GABI_ERR_NOMEM);
		assert_int_equal(cap, caps[i]);
	}
	assert_int_equal(count.requests, 0);
}

/* ---- text ---- */

static void out__counts_what_did_not_fit_and_ends_with_nul(void **state)
{
	static const char text[] = "guest ABI";

	(void)state;
	for (size_t cap = 0; cap <= sizeof(text) + 1; cap++) {
		char buf[sizeof(text) + 2];
		struct gabi_out out;

		memset(buf, '#', sizeof(buf));
		out = gabi_out_to(buf, cap);
		for (size_t i = 0; text[i]; i++)
			gabi_out_char(&out, text[i]);
		assert_int_equal(out.len, sizeof(text) - 1);
		if (cap) {
			size_t kept = cap < sizeof(text) ? cap - 1 : sizeof(text) - 1;

			assert_memory_equal(buf, text, kept);
			assert_int_equal(buf[kept], '\0');
		}
		assert_int_equal(buf[cap < sizeof(text) ? cap : sizeof(text)], '#');
	}
}

static void out__a_piece_is_cut_where_the_buffer_ends(void **state)
{
	char buf[8];
	struct gabi_out out = gabi_out_to(buf, sizeof(buf));

	(void)state;
	gabi_out_text(&out, "12345");
	gabi_out_text(&out, "67890");
	gabi_out_text(&out, "");
	assert_string_equal(buf, "1234567");
	assert_int_equal(out.len, 10);
}

static void out__writes_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		unsigned digits;
	} hex[] = {
		{ "0", 0, 0 }, { "0", 0, 1 }, { "0000", 0, 4 }, { "ff", 255, 1 }, { "00ff", 255, 4 }, { "12345", 0x12345, 4 },
		{ "ffffffffffffffff", UINT64_MAX, 1 }, { "0000000000000001", 1, 16 }, { "0000000000000001", 1, 99 },
	};
	static const struct {
		const char *text;
		int64_t value;
	} dec[] = {
		{ "0", 0 }, { "-1", -1 }, { "42", 42 }, { "9223372036854775807", INT64_MAX }, { "-9223372036854775808", INT64_MIN },
	};
	char buf[32];
	struct gabi_out out;

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(hex); i++) {
		out = gabi_out_to(buf, sizeof(buf));
		gabi_out_hex(&out, hex[i].value, hex[i].digits);
		assert_string_equal(buf, hex[i].text);
	}
	for (size_t i = 0; i < GABI_COUNT_OF(dec); i++) {
		out = gabi_out_to(buf, sizeof(buf));
		gabi_out_int(&out, dec[i].value);
		assert_string_equal(buf, dec[i].text);
	}
	out = gabi_out_to(buf, sizeof(buf));
	gabi_out_dec(&out, UINT64_MAX);
	assert_string_equal(buf, "18446744073709551615");
}

/* ---- words ---- */

static void space__text_and_number_are_one_another(void **state)
{
	(void)state;
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++) {
		const char *text = gabi_space_text(space);

		assert_non_null(text);
		assert_int_equal(gabi_space_of(text, strlen(text)), space);
		assert_int_equal(gabi_space_of(text, strlen(text) - 1), GABI_SPACE_NONE);
	}
	assert_null(gabi_space_text(GABI_SPACE_NONE));
	assert_null(gabi_space_text(GABI_SPACE_COUNT));
	assert_int_equal(gabi_space_of("", 0), GABI_SPACE_NONE);
	assert_int_equal(gabi_space_of("cpuidx", 6), GABI_SPACE_NONE);
	assert_int_equal(gabi_space_of("CPUID", 5), GABI_SPACE_NONE);
}

static void arch__of_every_space_is_known(void **state)
{
	(void)state;
	assert_int_equal(gabi_space_arch(GABI_SPACE_CPUID), GABI_ARCH_X86);
	assert_int_equal(gabi_space_arch(GABI_SPACE_MSR_STATE), GABI_ARCH_X86);
	assert_int_equal(gabi_space_arch(GABI_SPACE_ARM64_ACCEPTS), GABI_ARCH_ARM64);
	assert_int_equal(gabi_space_arch(GABI_SPACE_ARM64_STATE), GABI_ARCH_ARM64);
	assert_int_equal(gabi_space_arch(GABI_SPACE_VM), GABI_ARCH_ANY);
	assert_int_equal(gabi_space_arch(GABI_SPACE_CAP), GABI_ARCH_ANY);
	assert_int_equal(gabi_space_arch(GABI_SPACE_CAP_SYSTEM), GABI_ARCH_ANY);
	assert_string_equal(gabi_arch_text(GABI_ARCH_X86), "x86");
	assert_string_equal(gabi_arch_text(GABI_ARCH_ARM64), "arm64");
	assert_string_equal(gabi_arch_text(99), "unknown");
}

static void key_compare__orders_by_space_index_sub_part(void **state)
{
	static const struct gabi_key rising[] = {
		{ .space = 1 },
		{ .space = 1, .part = 1 },
		{ .space = 1, .sub = 1 },
		{ .space = 1, .sub = 1, .part = 1 },
		{ .space = 1, .index = 1 },
		{ .space = 1, .index = UINT64_MAX, .sub = UINT32_MAX, .part = UINT16_MAX },
		{ .space = 2 },
	};

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(rising); i++)
		for (size_t j = 0; j < GABI_COUNT_OF(rising); j++)
			assert_int_equal(gabi_key_compare(&rising[i], &rising[j]), i < j ? -1 : i > j);
}

static void word_valid__refuses_what_no_word_may_be(void **state)
{
	static const struct {
		const char *name;
		struct gabi_word word;
		int err;
	} rows[] = {
		{ "a CPUID register", { { GABI_SPACE_CPUID, GABI_EDX, 0, 7 }, UINT32_MAX, 0, 0, 32, 0 }, 0 },
		{ "an MSR", { { GABI_SPACE_MSR, 0, 0, 0x10a }, UINT64_MAX, UINT64_MAX, 0, 64, 0 }, 0 },
		{ "the last part of the widest arm64 register", { { GABI_SPACE_ARM64, 31, 0, 0x6080000000000001 }, 1, 0, 0, 64, 0 }, 0 },
		{ "an arm64 register of 8 bits", { { GABI_SPACE_ARM64, 0, 0, 1 }, 255, 255, 0, 8, 0 }, 0 },
		{ "no space", { { GABI_SPACE_NONE, 0, 0, 0 }, 0, 0, 0, 32, 0 }, GABI_ERR_ARG },
		{ "a space after the last", { { GABI_SPACE_COUNT, 0, 0, 0 }, 0, 0, 0, 32, 0 }, GABI_ERR_ARG },
		{ "a space far after the last", { { UINT16_MAX, 0, 0, 0 }, 0, 0, 0, 32, 0 }, GABI_ERR_ARG },
		{ "no bits", { { GABI_SPACE_ARM64, 0, 0, 1 }, 0, 0, 0, 0, 0 }, GABI_ERR_RANGE },
		{ "65 bits", { { GABI_SPACE_ARM64, 0, 0, 1 }, 0, 0, 0, 65, 0 }, GABI_ERR_RANGE },
		{ "a CPUID register of 64 bits", { { GABI_SPACE_CPUID, 0, 0, 0 }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "an MSR of 32 bits", { { GABI_SPACE_MSR, 0, 0, 0 }, 0, 0, 0, 32, 0 }, GABI_ERR_RANGE },
		{ "a value wider than its word", { { GABI_SPACE_CPUID, 0, 0, 0 }, 1ull << 32, 0, 0, 32, 0 }, GABI_ERR_RANGE },
		{ "a mask wider than its word", { { GABI_SPACE_ARM64, 0, 0, 1 }, 0, 256, 0, 8, 0 }, GABI_ERR_RANGE },
		{ "a fifth CPUID register", { { GABI_SPACE_CPUID, 4, 0, 0 }, 0, 0, 0, 32, 0 }, GABI_ERR_RANGE },
		{ "a leaf of more than 32 bits", { { GABI_SPACE_HYPERV, 0, 0, 1ull << 32 }, 0, 0, 0, 32, 0 }, GABI_ERR_RANGE },
		{ "an MSR of more than 32 bits", { { GABI_SPACE_MSR, 0, 0, 1ull << 32 }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "an MSR with a subleaf", { { GABI_SPACE_MSR, 0, 1, 0x10a }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "an MSR in parts", { { GABI_SPACE_MSR_DEFAULT, 1, 0, 0x10a }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "an arm64 register with a subleaf", { { GABI_SPACE_ARM64, 0, 1, 0x6030000000000001 }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "an arm64 register of 4096 bits", { { GABI_SPACE_ARM64_STATE, 0, 0, 0x6090000000000001 }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "a part beyond the register's width", { { GABI_SPACE_ARM64, 1, 0, 0x6030000000000001 }, 0, 0, 0, 64, 0 }, GABI_ERR_RANGE },
		{ "half of an arm64 register", { { GABI_SPACE_ARM64, 0, 0, 0x6030000000000001 }, 0, 0, 0, 32, 0 }, GABI_ERR_RANGE },
		{ "what an ID register's last bits accept", { { GABI_SPACE_ARM64_ACCEPTS, 3, 0, 0x6030000000000001 }, 0, 0, 0, 64, 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		struct gabi_diag diag = { 0 };
		int err = gabi_word_valid(&rows[i].word, &diag);

		if (err != rows[i].err)
			fail_msg("%s: %s", rows[i].name, gabi_err_name(err));
		assert_int_equal(diag.err, err);
		assert_int_equal(diag.text[0] != '\0', err != 0);
		assert_int_equal(gabi_word_valid(&rows[i].word, NULL), err);
	}
}

/* A stream of numbers that is the same on every run. */
static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void words__are_found_after_sorting_whatever_their_order(void **state)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	uint64_t seed = 1;

	(void)state;
	for (size_t count = 0; count < 200; count++) {
		struct gabi_words words = { 0 };
		struct gabi_key missing = { .space = GABI_SPACE_MSR, .index = UINT64_MAX };

		for (size_t i = 0; i < count; i++) {
			struct gabi_word word = { .key = { .space = GABI_SPACE_MSR, .index = next(&seed) << 8 | i }, .value = i,
						  .bits = 64, .vp = GABI_VP_ALL };

			assert_int_equal(gabi_words_add(&words, &mem, &word), 0);
		}
		assert_int_equal(gabi_words_sort(&words, NULL), 0);
		for (size_t i = 0; i < count; i++) {
			assert_ptr_equal(gabi_words_find(&words, &words.at[i].key, GABI_VP_ALL), &words.at[i]);
			assert_null(gabi_words_find(&words, &words.at[i].key, 0));
			assert_true(i == 0 || gabi_key_compare(&words.at[i - 1].key, &words.at[i].key) < 0);
		}
		assert_null(gabi_words_find(&words, &missing, GABI_VP_ALL));
		gabi_words_free(&words, &mem);
		assert_null(words.at);
	}
}

static void words__the_common_word_comes_before_those_of_one_vp(void **state)
{
	static const uint16_t vps[] = { 3, 0xfffe, 0, GABI_VP_ALL, 1 };
	static const uint16_t sorted[] = { GABI_VP_ALL, 0, 1, 3, 0xfffe };
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	struct gabi_words words = { 0 };

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(vps); i++)
		gabi_words_add(&words, &mem, &(struct gabi_word){ .key = { .space = GABI_SPACE_MSR }, .bits = 64, .vp = vps[i] });
	assert_int_equal(gabi_words_sort(&words, NULL), 0);
	for (size_t i = 0; i < GABI_COUNT_OF(sorted); i++) {
		assert_int_equal(words.at[i].vp, sorted[i]);
		assert_ptr_equal(gabi_words_find(&words, &words.at[i].key, sorted[i]), &words.at[i]);
	}
	gabi_words_free(&words, &mem);
}

static void words__a_word_that_is_there_twice_is_refused_and_named(void **state)
{
	/* Pairs that meet after sorting, and pairs that stand side by side already. */
	static const uint64_t rows[][4] = { { 1, 1, 2, 3 }, { 3, 2, 1, 3 }, { 1, 2, 3, 3 }, { 2, 1, 2, 1 }, { 1, 1, 1, 1 } };
	struct gabi_mem mem = gabi_mem_or_default(NULL);

	(void)state;
	for (size_t row = 0; row < GABI_COUNT_OF(rows); row++) {
		struct gabi_words words = { 0 };
		struct gabi_diag diag;

		for (size_t i = 0; i < 4; i++)
			gabi_words_add(&words, &mem, &(struct gabi_word){ .key = { .space = GABI_SPACE_MSR, .index = rows[row][i] },
									  .value = i, .bits = 64, .vp = GABI_VP_ALL });
		assert_int_equal(gabi_words_sort(&words, &diag), GABI_ERR_DUPLICATE);
		assert_int_equal(diag.key.space, GABI_SPACE_MSR);
		assert_int_equal(gabi_words_sort(&words, NULL), GABI_ERR_DUPLICATE);
		gabi_words_free(&words, &mem);
	}
}

static void words__stay_as_they_were_when_memory_is_short(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	struct gabi_words words = { 0 };
	struct gabi_word word = { .key = { .space = GABI_SPACE_MSR }, .bits = 64, .vp = GABI_VP_ALL };
	size_t kept;

	(void)state;
	while (words.count < 16)
		assert_int_equal(gabi_words_add(&words, &mem, &word), 0);
	kept = words.cap;
	count.fail_at = count.requests + 1;
	while (words.count < kept)
		assert_int_equal(gabi_words_add(&words, &mem, &word), 0);
	assert_int_equal(gabi_words_add(&words, &mem, &word), GABI_ERR_NOMEM);
	assert_int_equal(words.count, kept);
	assert_int_equal(gabi_words_add(&words, &mem, &word), 0);
	gabi_words_free(&words, &mem);
	assert_int_equal(count.live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err__every_row_has_its_own_number_and_text),
		cmocka_unit_test(err__a_number_that_is_none_has_text_too),
		cmocka_unit_test(fail__joins_its_pieces_and_fills_the_key),
		cmocka_unit_test(fail__cuts_a_sentence_that_is_too_long),
		cmocka_unit_test(mem_get__gives_zeroed_memory),
		cmocka_unit_test(mem_room__keeps_the_array_when_memory_is_short),
		cmocka_unit_test(mem_room__refuses_a_size_that_overflows),
		cmocka_unit_test(out__counts_what_did_not_fit_and_ends_with_nul),
		cmocka_unit_test(out__a_piece_is_cut_where_the_buffer_ends),
		cmocka_unit_test(out__writes_numbers),
		cmocka_unit_test(space__text_and_number_are_one_another),
		cmocka_unit_test(arch__of_every_space_is_known),
		cmocka_unit_test(key_compare__orders_by_space_index_sub_part),
		cmocka_unit_test(word_valid__refuses_what_no_word_may_be),
		cmocka_unit_test(words__are_found_after_sorting_whatever_their_order),
		cmocka_unit_test(words__the_common_word_comes_before_those_of_one_vp),
		cmocka_unit_test(words__a_word_that_is_there_twice_is_refused_and_named),
		cmocka_unit_test(words__stay_as_they_were_when_memory_is_short),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
