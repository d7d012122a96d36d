/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned long reached;

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
}
