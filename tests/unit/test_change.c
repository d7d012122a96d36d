/* SPDX-License-Identifier: MIT */
/* src/vocab/change.c: which kernel has which change, what a change explains, and what a kernel without it implies. */
#include <gabi/change.h>
#include <gabi/host.h>
#include <gabi/vocab.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const struct gabi_change example = { .id = "example", .release = "6.2", .also = "5.10.230 5.15.173 6.1.120" };

static const struct {
	const char *name, *release;
	int in;
} in_cases[] = {
	{ "the release that brought it", "6.2", 1 },
	{ "a stable release of that line", "6.2.3", 1 },
	{ "a later line", "7.2.13", 1 },
	{ "the line before, without a backport", "6.0.19", 0 },
	{ "a stable release with the backport", "6.1.120", 1 },
	{ "a later one of that line", "6.1.176-1", 1 },
	{ "an earlier one of that line", "6.1.119", 0 },
	{ "a release candidate has what its line has", "6.2.0-rc4", 1 },
	{ "Amazon tells its stable release", "5.10.234-225.910.amzn2.x86_64", 1 },
	{ "an older Amazon too", "4.14.336-257.568.amzn2", 0 },
	{ "Debian 13 tells its stable release", "6.12.107+deb13-amd64", 1 },
	{ "Debian 12 hides it", "6.1.0-50-amd64", -1 },
	{ "so does Ubuntu", "5.15.0-91-generic", -1 },
	{ "what hides it in a line without a backport is known", "5.4.0-150-generic", 0 },
	{ "what hides it in a line that has it is known", "6.5.0-14-generic", 1 },
	{ "mainline's own release hides nothing", "6.1.0", 0 },
	{ "a distribution that carries back whole subsystems", "5.14.0-427.13.1.el9_4.x86_64", -1 },
	{ "numbers compare as numbers", "6.10.1", 1 },
	{ "an earlier major release", "4.19.300", 0 },
	{ "one number", "6", -1 },
	{ "one number and a point", "6.", -1 },
	{ "nothing", "", -1 },
	{ "no release", NULL, -1 },
	{ "words", "linux", -1 },
	{ "a sign", "-6.2", -1 },
	{ "a number no kernel will have", "99999999999999999999.1", -1 },
};

static void change_in__reads_each_distributions_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(in_cases) / sizeof(in_cases[0]); i++)
		if (gabi_change_in(&example, in_cases[i].release) != in_cases[i].in)
			fail_msg("%s: %d", in_cases[i].name, gabi_change_in(&example, in_cases[i].release));
}

static const struct {
	const char *name, *release, *build, *best;
} best_cases[] = {
	{ "Debian 12's package tells", "6.1.0-50-amd64", "6.1.176-1", "6.1.176-1" },
	{ "a release that tells by itself is kept", "6.12.107+deb13-amd64", "6.12.107-1", "6.12.107+deb13-amd64" },
	{ "a package of another line is not it", "6.1.0-50-amd64", "5.10.223-1", "6.1.0-50-amd64" },
	{ "a build number is no release", "5.15.0-91-generic", "101-Ubuntu", "5.15.0-91-generic" },
	{ "a package that hides it too", "5.15.0-91-generic", "5.15.0-91.101", "5.15.0-91-generic" },
	{ "no package", "6.1.0-50-amd64", NULL, "6.1.0-50-amd64" },
	{ "no release", NULL, "6.1.176-1", NULL },
	{ "junk stays junk", "junk", "6.1.176-1", "junk" },
};

static void change_release__takes_the_text_that_tells_the_stable_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(best_cases) / sizeof(best_cases[0]); i++) {
		const char *best = gabi_change_release(best_cases[i].release, best_cases[i].build);

		if (!best != !best_cases[i].best || (best && strcmp(best, best_cases[i].best) != 0))
			fail_msg("%s: %s", best_cases[i].name, best ? best : "none");
	}
}

static void host_release__is_made_of_its_facts(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	(void)state;
	assert_null(gabi_host_release(host));
	gabi_host_set_fact(host, "kernel.release", "6.1.0-50-amd64", NULL);
	assert_string_equal(gabi_host_release(host), "6.1.0-50-amd64");
	gabi_host_set_fact(host, "kernel.build", "6.1.176-1", NULL);
	assert_string_equal(gabi_host_release(host), "6.1.176-1");
	gabi_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_in__reads_each_distributions_release),
		cmocka_unit_test(change_release__takes_the_text_that_tells_the_stable_release),
		cmocka_unit_test(host_release__is_made_of_its_facts),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
