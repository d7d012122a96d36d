/* SPDX-License-Identifier: MIT */
#include <gabi/vocab.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void fields__are_sorted_and_do_not_overlap(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(field[i].bits >= 1 && field[i].lo + field[i].bits <= 64);
		if (i == 0)
			continue;
		if (gabi_key_compare(&field[i - 1].key, &field[i].key) == 0) {
			if (field[i - 1].lo + field[i - 1].bits > field[i].lo)
				fail_msg("%s overlaps %s", field[i - 1].name, field[i].name);
		} else if (gabi_key_compare(&field[i - 1].key, &field[i].key) > 0) {
			fail_msg("%s comes before %s", field[i - 1].name, field[i].name);
		}
	}
}

static void fields_of__finds_every_row_by_its_key(void **state)
{
	size_t count, found;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *of = gabi_fields_of(&field[i].key, &found);

		assert_non_null(of);
		assert_true(&field[i] >= of && &field[i] < of + found);
	}
}

static void emulated__names_features_of_cpuid(void **state)
{
	static const char *const names[] = {
#define GABI_EMULATED_ROW(name, how) name,
#include <gabi/emulated.def>
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names)[0]; i++) {
		const struct gabi_field *field = gabi_field_by_name(names[i], GABI_ARCH_X86);

		if (!field || !gabi_field_is_emulated(field))
			fail_msg("%s is no feature of CPUID", names[i]);
	}
}

/* A register behind a condition has no field that matters without it: each field's own conditions lead to the register's. */
static void when__of_a_field_leads_to_its_registers(void **state)
{
	size_t count, gated = 0;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_reg *reg = gabi_reg_of(&field[i].key);
		const struct gabi_field *gate = reg ? gabi_reg_when(reg) : NULL, *at = gabi_field_when(&field[i]);

		if (!gate || !at)
			continue; /* a field without a condition has its register's */
		for (unsigned steps = 0; at && at != gate && steps < 16; steps++)
			at = gabi_field_when(at);
		if (at != gate)
			fail_msg("%s matters when %s is promised, but its register %s only with %s", field[i].name, field[i].when,
				 reg->name, reg->when);
		gated++;
	}
	assert_true(gated > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields__are_sorted_and_do_not_overlap),
		cmocka_unit_test(fields_of__finds_every_row_by_its_key),
		cmocka_unit_test(emulated__names_features_of_cpuid),
		cmocka_unit_test(when__of_a_field_leads_to_its_registers),
	};

	return cmocka_run_group_tests_name("vocab", tests, NULL, NULL);
}
