/* SPDX-License-Identifier: MIT */
/*
 * gabi-vsm [CPUS [VTLS]] [shim]: our suite for Virtual Secure Mode (guest/vsm) on this machine's KVM, with three trust levels or so many. Prints its
 * table. gabi-vsm secure [CPUS] [shim]: guest/secure, which tries each kind of access, with two. gabi-vsm tasks [shim]: guest/tasks.c, with two. shim: the
 * lower levels run under the shim, which can keep readable pages from being executed. Exit status: 0 if all holds, 1 if not, 77 if this kernel or its
 * KVM cannot have trust levels.
 */
#include "vmm/monitor.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, REFUSED = 4 };

static const unsigned char suite[] = {
#include "vsm_suite.inc"
};
static const unsigned char secure[] = {
#include "secure.inc"
};
static const unsigned char tasks[] = {
#include "tasks.inc"
};

static const struct {
	const char *name;
	const unsigned char *image;
	size_t len;
} guests[] = { { "", suite, sizeof(suite) }, { "secure", secure, sizeof(secure) }, { "tasks", tasks, sizeof(tasks) } };
enum { SUITE, SECURE, TASKS };

static int complain(int err, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-vsm: %s\n", diag->text);
	return err == GABI_ERR_UNSUPPORTED ? SKIPPED : REFUSED;
}

static bool is_intel(void)
{
	unsigned eax, ebx = 0, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_INTEL_ebx;
}

/* Intel's processors leave a switch of tasks to the shim, which says that it cannot. */
static bool ends_well(const struct vmm_result *result, bool refuses_tasks)
{
	if (refuses_tasks)
		return result->end == VMM_END_STUCK && strstr(result->text, "the guest switched tasks") && strstr(result->text, "TSS 0x28, at 0x");
	return result->end == VMM_END_EXIT && !result->value;
}

static int run(const struct vmm_options *options, bool refuses_tasks)
{
	struct vmm_monitor *monitor = NULL;
	struct vmm_result result;
	struct gabi_diag diag = { 0 };
	int err = vmm_new(options, &monitor, &diag);

	if (!err)
		err = vmm_run(monitor, &result, &diag);
	vmm_free(monitor);
	if (err)
		return complain(err, &diag);
	fprintf(stderr, "gabi-vsm: %s %u\n", result.text, result.value);
	return !ends_well(&result, refuses_tasks);
}

/* QEMU's emulated SVM lets XSETBV pass by. KVM's local APICs take INIT by themselves, but for a level under the shim. */
static void say_what(char *append, size_t len, size_t guest, unsigned cpus, bool shim)
{
	if (guest == SECURE)
		snprintf(append, len, "cpus=%u xcr0=%u execute=%u", cpus, is_intel(), shim);
	else
		snprintf(append, len, "cpus=%u init=%u", cpus, !shim);
}

static size_t guest_of(int argc, char **argv)
{
	for (size_t i = 1; argc > 1 && i < sizeof(guests) / sizeof(guests[0]); i++)
		if (!strcmp(argv[1], guests[i].name))
			return i;
	return SUITE;
}

static unsigned number(int argc, char **argv, int at, unsigned otherwise)
{
	return argc > at ? (unsigned)strtoul(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const bool shim = argc > 1 && !strcmp(argv[argc - 1], "shim");
	const int given = argc - shim;
	const size_t guest = guest_of(given, argv);
	const unsigned cpus = number(given, argv, guest == SUITE ? 1 : 2, 4), vtls = guest == SUITE ? number(given, argv, 2, 3) : 2;
	const struct vmm_wishes wishes = { .cpus = cpus, .hyperv = true, .vsm = true, .shim = shim };
	struct vmm_terms terms;
	struct gabi_diag diag = { 0 };
	char append[32];
	const struct vmm_options options = {
		.terms = &terms, .image = { guests[guest].image, guests[guest].len }, .append = append,
		.memory = 64 << 20, .cpus = cpus, .hyperv = true, .vtls = vtls,
		.shim = shim, .in = -1, .out = 1,
	};
	int err = vmm_terms_settle(&terms, NULL, &wishes, &diag);

	say_what(append, sizeof(append), guest, cpus, shim);
	if (err)
		return complain(err, &diag);
	err = run(&options, guest == TASKS && shim && is_intel());
	vmm_terms_free(&terms);
	return err;
}
