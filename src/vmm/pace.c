/* SPDX-License-Identifier: MIT */
#include "pace.h"

/*
 * Only what the processor's thread does itself is measured, 3,500 instructions of about 45,000 (on Bochs, with those of the kick, the exit and the
 * way back into the guest). So looks take a fifth of the time at the most.
 */
enum { TIMES = 64 };
#define SHORTEST_NS 1000000u
#define LONGEST_NS  64000000u

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

uint64_t vmm_pace_cost(uint64_t known, uint64_t last)
{
	return known ? at_most(last, at_most(known, UINT64_MAX / 2) * 2) : last;
}

uint64_t vmm_pace_shortest(uint64_t cost, unsigned cpus)
{
	uint64_t all = at_most(cost, LONGEST_NS) * TIMES * cpus;

	return all < SHORTEST_NS ? SHORTEST_NS : at_most(all, LONGEST_NS);
}

uint64_t vmm_pace_next(uint64_t last, uint64_t shortest)
{
	return last < shortest ? shortest : at_most(at_most(last, LONGEST_NS) * 2, LONGEST_NS);
}
