/* SPDX-License-Identifier: MIT */
#include "vmm/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000u
#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static void cost__of_one_look__is_what_it_took_but_at_most_twice_the_known(void **state)
{
	static const struct {
		uint64_t known, last, want;
	} rows[] = {
		{ 0, 3500, 3500 }, { 3500, 3400, 3400 }, { 3500, 7000, 7000 }, { 3500, 7001, 7000 }, { 3500, UINT64_MAX, 7000 }, { 3500, 0, 0 },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(vmm_pace_cost(rows[i].known, rows[i].last), rows[i].want);
}

static void shortest__of_a_quick_machine__is_a_millisecond_and_grows_with_cost_and_processors(void **state)
{
	static const struct {
		uint64_t cost;
		unsigned cpus;
		uint64_t want;
	} rows[] = {
		{ 0, 1, MS }, { 1000, 4, MS }, { 3500, 4, MS }, { 35000, 1, 2240000 }, { 35000, 4, 8960000 }, { 1000, 64, 4096000 },
		{ MS, 4, 64 * MS }, { UINT64_MAX, 240, 64 * MS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(vmm_pace_shortest(rows[i].cost, rows[i].cpus), rows[i].want);
}

static void next__while_looks_find_nothing__doubles_up_to_its_bound(void **state)
{
	static const uint64_t want[] = { MS, 2 * MS, 4 * MS, 8 * MS, 16 * MS, 32 * MS, 64 * MS, 64 * MS };
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		last = vmm_pace_next(last, MS);
		assert_int_equal(last, want[i]);
	}
	assert_int_equal(vmm_pace_next(2 * MS, 9 * MS), 9 * MS);
	assert_int_equal(vmm_pace_next(UINT64_MAX, MS), 64 * MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cost__of_one_look__is_what_it_took_but_at_most_twice_the_known),
		cmocka_unit_test(shortest__of_a_quick_machine__is_a_millisecond_and_grows_with_cost_and_processors),
		cmocka_unit_test(next__while_looks_find_nothing__doubles_up_to_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
