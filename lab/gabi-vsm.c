/* SPDX-License-Identifier: MIT */
/*
 * gabi-vsm [CPUS [VTLS]]: our suite for Virtual Secure Mode (guest/vsm) on this machine's KVM, with three trust levels or so many. Prints its
 * table. Exit status: 0 if all rules hold, 1 if not, 77 if this kernel or its KVM cannot have trust levels.
 */
#include "vmm/monitor.h"

#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77, REFUSED = 4 };

static const unsigned char suite[] = {
#include "vsm_suite.inc"
};

static int complain(int err, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-vsm: %s\n", diag->text);
	return err == GABI_ERR_UNSUPPORTED ? SKIPPED : REFUSED;
}

static int run(const struct vmm_options *options)
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
	return result.end != VMM_END_EXIT || result.value;
}

int main(int argc, char **argv)
{
	const unsigned cpus = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4, vtls = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
	const struct vmm_wishes wishes = { .cpus = cpus, .hyperv = true, .vsm = true };
	struct vmm_terms terms;
	struct gabi_diag diag = { 0 };
	char append[32];
	const struct vmm_options options = {
		.terms = &terms, .image = { suite, sizeof(suite) }, .append = append, .memory = 64 << 20, .cpus = cpus, .hyperv = true, .vtls = vtls,
		.in = -1, .out = 1,
	};
	int err = vmm_terms_settle(&terms, NULL, &wishes, &diag);

	snprintf(append, sizeof(append), "cpus=%u init=1", cpus); /* KVM's local APICs take INIT by themselves */
	if (err)
		return complain(err, &diag);
	err = run(&options);
	vmm_terms_free(&terms);
	return err;
}
