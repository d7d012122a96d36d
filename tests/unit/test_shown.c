/* SPDX-License-Identifier: MIT */
/* When a promise that held proves nothing: lab/shown.c, over manifests of real hosts. */
#include "../../lab/shown.h"

#include <gabi/formats.h>

#include "../data/manifest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

static struct gabi_host *read_host(const char *name)
{
	char file[128];

	snprintf(file, sizeof(file), "%s.json", name);
	return read_manifest(DATA_HOSTS, file);
}

/* The verdict on a guest of `from`, on `on`. */
static bool shown(const char *from, const char *on)
{
	struct gabi_host *first = read_host(from), *second = read_host(on);
	struct gabi_contract *contract = NULL;
	struct gabi_report *report = NULL;
	bool ret;

	assert_int_equal(gabi_contract_pin(first, NULL, NULL, &contract, NULL), 0);
	assert_int_equal(gabi_check(contract, second, &report, NULL), 0);
	ret = is_shown_only(report, second);
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(second);
	gabi_host_free(first);
	return ret;
}

static void a_verdict_that_fits__is_about_nothing(void **state)
{
	(void)state;
	assert_false(shown("amd-epyc-linux-7.2", "amd-epyc-linux-7.2"));
	assert_false(shown("amd-epyc-linux-5.10", "amd-epyc-linux-7.2"));
}

static void cpuid_and_settable_msr_bits__are_taken_unasked(void **state)
{
	(void)state;
	assert_true(shown("amd-epyc-milan-linux-7.2", "amd-epyc-linux-7.2"));
	assert_true(shown("amd-epyc-linux-6.12", "amd-phenom-linux-6.12"));
}

/* Linux 7.2 lets IA32_ARCH_CAPABILITIES be written where CPUID has its bit. That of a Phenom has not even the leaf. */
static void an_msr_behind_a_cpuid_bit_that_the_host_has_not__is_taken_unasked(void **state)
{
	(void)state;
	assert_true(shown("amd-epyc-linux-5.10", "amd-phenom-linux-7.2"));
	assert_true(shown("amd-epyc-milan-linux-7.2", "amd-phenom-linux-7.2"));
}

static void an_msr_behind_a_cpuid_bit_that_the_host_has__is_asked_for(void **state)
{
	(void)state;
	assert_false(shown("intel-haswell-linux-6.1", "intel-haswell-linux-5.10"));
}

static void what_is_not_cpuid_nor_an_msr__is_asked_for(void **state)
{
	(void)state;
	assert_false(shown("arm64-neoverse-n1-linux-7.2", "arm64-neoverse-n1-linux-5.10"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_that_fits__is_about_nothing),
		cmocka_unit_test(cpuid_and_settable_msr_bits__are_taken_unasked),
		cmocka_unit_test(an_msr_behind_a_cpuid_bit_that_the_host_has_not__is_taken_unasked),
		cmocka_unit_test(an_msr_behind_a_cpuid_bit_that_the_host_has__is_asked_for),
		cmocka_unit_test(what_is_not_cpuid_nor_an_msr__is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
