/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned long reached;

/* A target with one law alone need not list it. */
__attribute__((weak)) struct fuzz_law fuzz_laws[] = { { NULL, 0 } };

void fuzz_reached(void)
{
	reached++;
}

unsigned long fuzz_reached_count(void)
{
	return reached;
}

void fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
	abort();
}

/* libFuzzer has no end that a target sees. */
__attribute__((destructor)) static void report(void)
{
	fprintf(stderr, "inputs that reached the property: %lu\n", reached);
	for (const struct fuzz_law *law = fuzz_laws; law->what; law++)
		fprintf(stderr, "  %8lu %s\n", law->reached, law->what);
}
