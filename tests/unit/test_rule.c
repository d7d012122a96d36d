/* SPDX-License-Identifier: MIT */
/* What each rule of gabi/rule.def means, one row a statement. */
#include "verdict/rule.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#define NO    GABI_NO
#define MAYBE GABI_MAYBE
#define YES   GABI_YES

/* The answers from a host that KVM described, that a guest saw, and whose bare CPU was read. */
static const struct gives_case {
	const char *name;
	unsigned rule, kind, bits;
	uint64_t absent, want, have;
	enum gabi_answer kvm, guest, cpu;
} gives[] = {
	{ "all that is wanted is there", GABI_RULE_SUBSET, GABI_KIND_MASK, 4, 0, 0x5, 0x7, YES, YES, MAYBE },
	{ "one bit is not there", GABI_RULE_SUBSET, GABI_KIND_MASK, 4, 0, 0x5, 0x4, NO, MAYBE, NO },
	{ "nothing is wanted", GABI_RULE_SUBSET, GABI_KIND_MASK, 4, 0, 0, 0x7, YES, YES, YES },
	{ "what is asked for is there", GABI_RULE_ON_REQUEST, GABI_KIND_MASK, 4, 0, 0x1, 0x1, YES, YES, MAYBE },
	{ "the lengths up to the longest are the host's", GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 16, 0, 0x3, 0xb, YES, YES, MAYBE },
	{ "a length between cannot be hidden", GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 16, 0, 0xb, 0xf, NO, MAYBE, NO },
	{ "a length is not there", GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 16, 0, 0xf, 0xb, NO, MAYBE, NO },
	{ "a longer one is not there", GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 16, 0, 0x8b, 0xb, NO, MAYBE, NO },
	{ "no length at all", GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 16, 0, 0, 0xb, NO, MAYBE, NO },
	{ "the guest was told of all that is worse", GABI_RULE_SUPERSET, GABI_KIND_MASK, 4, 0, 0x3, 0x1, YES, YES, MAYBE },
	{ "the host is worse than the guest was told", GABI_RULE_SUPERSET, GABI_KIND_MASK, 4, 0, 0x1, 0x3, NO, MAYBE, NO },
	{ "a smaller number", GABI_RULE_AT_MOST, GABI_KIND_UINT, 8, 0, 40, 48, YES, YES, MAYBE },
	{ "a larger number", GABI_RULE_AT_MOST, GABI_KIND_UINT, 8, 0, 48, 40, NO, MAYBE, NO },
	{ "signed: minus one is less than zero", GABI_RULE_AT_MOST, GABI_KIND_INT, 4, 15, 15, 0, YES, YES, YES },
	{ "signed: zero is more than minus one", GABI_RULE_AT_MOST, GABI_KIND_INT, 4, 15, 0, 15, NO, MAYBE, NO },
	{ "unsigned: fifteen is more than zero", GABI_RULE_AT_MOST, GABI_KIND_UINT, 4, 0, 15, 0, NO, MAYBE, NO },
	{ "absent is never too much", GABI_RULE_AT_MOST, GABI_KIND_INT, 4, 15, 15, 15, YES, YES, YES },
	{ "higher is safe", GABI_RULE_AT_LEAST, GABI_KIND_UINT, 4, 0, 5, 4, YES, YES, MAYBE },
	{ "lower is not", GABI_RULE_AT_LEAST, GABI_KIND_UINT, 4, 0, 3, 4, NO, MAYBE, NO },
	{ "zero says nothing", GABI_RULE_AT_LEAST_0, GABI_KIND_UINT, 4, 0, 0, 4, YES, YES, YES },
	{ "higher is safe, where zero says nothing", GABI_RULE_AT_LEAST_0, GABI_KIND_UINT, 4, 0, 5, 4, YES, YES, MAYBE },
	{ "nothing is as high as a host that says nothing", GABI_RULE_AT_LEAST_0, GABI_KIND_UINT, 4, 0, 5, 0, NO, MAYBE, NO },
	{ "must be zero and is", GABI_RULE_ZERO, GABI_KIND_FLAG, 1, 0, 0, 1, YES, YES, YES },
	{ "must be zero and is not", GABI_RULE_ZERO, GABI_KIND_FLAG, 1, 0, 1, 1, NO, NO, NO },
	{ "equal", GABI_RULE_EQUAL, GABI_KIND_UINT, 32, 0, 7, 7, YES, YES, YES },
	{ "not equal", GABI_RULE_EQUAL, GABI_KIND_UINT, 32, 0, 7, 8, NO, MAYBE, MAYBE },
	{ "another vendor, however it was seen", GABI_RULE_VENDOR, GABI_KIND_TEXT, 32, 0, 7, 8, NO, NO, NO },
	{ "the host alone decides", GABI_RULE_IMPOSED, GABI_KIND_UINT, 32, 0, 1, 2, NO, MAYBE, MAYBE },
	{ "a lower level would not be what the guest sees", GABI_RULE_LEVEL, GABI_KIND_UINT, 4, 0, 1, 2, NO, MAYBE, MAYBE },
	{ "an older PSCI", GABI_RULE_PSCI, GABI_KIND_VERSION, 32, 0, 0x10000, 0x10001, YES, YES, MAYBE },
	{ "a newer PSCI", GABI_RULE_PSCI, GABI_KIND_VERSION, 32, 0, 0x10003, 0x10001, NO, MAYBE, NO },
	{ "250 ppm apart", GABI_RULE_FREQUENCY, GABI_KIND_HZ, 64, 0, 4001000, 4000000, YES, YES, YES },
	{ "just over 250 ppm apart", GABI_RULE_FREQUENCY, GABI_KIND_HZ, 64, 0, 4001001, 4000000, NO, MAYBE, MAYBE },
	{ "a frequency below a MHz", GABI_RULE_FREQUENCY, GABI_KIND_HZ, 64, 0, 10002, 10000, YES, YES, YES },
	{ "any value can be presented", GABI_RULE_PRESENTED, GABI_KIND_UINT, 32, 0, 1, 2, YES, YES, YES },
	{ "a derived value is for reading back", GABI_RULE_DERIVED, GABI_KIND_MASK, 64, 0, 1, 2, YES, YES, YES },
	{ "no one promised it", GABI_RULE_FREE, GABI_KIND_UINT, 32, 0, 1, 2, YES, YES, YES },
	{ "VMMs may look at it", GABI_RULE_OFFERED, GABI_KIND_UINT, 32, 0, 1, 2, YES, YES, YES },
	{ "state is there or not", GABI_RULE_STATE, GABI_KIND_FLAG, 1, 0, 1, 0, NO, MAYBE, MAYBE },
};

static struct gabi_span span_of(unsigned rule, unsigned kind, unsigned bits, uint64_t absent)
{
	return (struct gabi_span){ .rule = (uint8_t)rule, .kind = (uint8_t)kind, .bits = (uint8_t)bits, .absent = absent };
}

static void gives__answers_each_case_from_each_view(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(gives) / sizeof(gives)[0]; i++) {
		const struct gives_case *c = &gives[i];
		const struct gabi_span span = span_of(c->rule, c->kind, c->bits, c->absent);

		if (gabi_rule_gives(&span, c->want, c->have, GABI_VIEW_KVM) != c->kvm ||
		    gabi_rule_gives(&span, c->want, c->have, GABI_VIEW_OFFER) != c->kvm)
			fail_msg("%s, seen by KVM", c->name);
		if (gabi_rule_gives(&span, c->want, c->have, GABI_VIEW_GUEST) != c->guest)
			fail_msg("%s, seen by a guest", c->name);
		if (gabi_rule_gives(&span, c->want, c->have, GABI_VIEW_CPU) != c->cpu)
			fail_msg("%s, seen on the CPU", c->name);
	}
}

static void gives__what_kvm_makes_up_a_bare_cpu_need_not_have(void **state)
{
	const struct gabi_field *x2apic = gabi_field_by_name("x2apic", GABI_ARCH_X86), *avx = gabi_field_by_name("avx", GABI_ARCH_X86);
	struct gabi_span span = span_of(GABI_RULE_SUBSET, GABI_KIND_FLAG, 1, 0);

	(void)state;
	span.field = x2apic;
	assert_int_equal(gabi_rule_gives(&span, 1, 0, GABI_VIEW_CPU), MAYBE);
	assert_int_equal(gabi_rule_gives(&span, 1, 0, GABI_VIEW_KVM), NO);
	span.field = avx;
	assert_int_equal(gabi_rule_gives(&span, 1, 0, GABI_VIEW_CPU), NO);
}

static void gives__every_rule_has_a_case(void **state)
{
	(void)state;
	for (unsigned rule = 0; rule < GABI_RULE_COUNT; rule++) {
		bool found = false;

		for (size_t i = 0; i < sizeof(gives) / sizeof(gives)[0]; i++)
			found |= gives[i].rule == rule;
		if (!found)
			fail_msg("no case for the rule \"%s\"", gabi_rule_text(rule));
	}
}

/* The laws that make a baseline what it is, over every pair of four-bit values: a join fits both; nothing larger does;
 * the order of hosts does not matter; what fits the join fits both. */
static bool fits_both(const struct gabi_span *span, uint64_t value, uint64_t a, uint64_t b)
{
	return gabi_rule_gives(span, value, a, GABI_VIEW_KVM) == YES && gabi_rule_gives(span, value, b, GABI_VIEW_KVM) == YES;
}

static void join__is_the_largest_value_that_fits_both(void **state)
{
	static const struct { unsigned rule, kind; uint64_t absent; } rules[] = {
		{ GABI_RULE_SUBSET, GABI_KIND_MASK, 0 }, { GABI_RULE_SUPERSET, GABI_KIND_MASK, 0 },
		{ GABI_RULE_PREFIX, GABI_KIND_LENGTHS, 0 },
		{ GABI_RULE_AT_MOST, GABI_KIND_UINT, 0 }, { GABI_RULE_AT_MOST, GABI_KIND_INT, 15 },
		{ GABI_RULE_AT_LEAST, GABI_KIND_UINT, 0 }, { GABI_RULE_AT_LEAST_0, GABI_KIND_UINT, 0 },
		{ GABI_RULE_EQUAL, GABI_KIND_UINT, 0 }, { GABI_RULE_PSCI, GABI_KIND_UINT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules)[0]; i++) {
		const struct gabi_span span = span_of(rules[i].rule, rules[i].kind, 4, rules[i].absent);

		for (uint64_t a = 0; a < 16; a++)
			for (uint64_t b = 0; b < 16; b++) {
				uint64_t both = 0, other = 0;
				bool ok = gabi_rule_join(&span, a, b, &both);

				assert_int_equal(ok, gabi_rule_join(&span, b, a, &other));
				if (!ok)
					continue;
				assert_int_equal(both, other);
				if (!fits_both(&span, both, a, b))
					fail_msg("%s: the join of %u and %u fits not both", gabi_rule_text(span.rule), (unsigned)a,
						 (unsigned)b);
				for (uint64_t c = 0; c < 16; c++)
					if (fits_both(&span, c, a, b) && c != span.absent &&
					    gabi_rule_gives(&span, c, both, GABI_VIEW_KVM) != YES)
						fail_msg("%s: %u fits %u and %u, but not their join", gabi_rule_text(span.rule),
							 (unsigned)c, (unsigned)a, (unsigned)b);
			}
	}
}

static void spans__cover_every_bit_of_a_word_once(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		unsigned bits = field[i].key.space == GABI_SPACE_CPUID ? 32 : 64, at = 0;
		struct gabi_spans spans = gabi_spans_of(&field[i].key, bits);
		struct gabi_span span;

		while (gabi_spans_next(&spans, &span)) {
			assert_int_equal(span.lo, at);
			assert_true(span.bits > 0);
			at += span.bits;
		}
		assert_int_equal(at, bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives__answers_each_case_from_each_view),
		cmocka_unit_test(gives__what_kvm_makes_up_a_bare_cpu_need_not_have),
		cmocka_unit_test(gives__every_rule_has_a_case),
		cmocka_unit_test(join__is_the_largest_value_that_fits_both),
		cmocka_unit_test(spans__cover_every_bit_of_a_word_once),
	};

	return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
