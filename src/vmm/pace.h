/* SPDX-License-Identifier: MIT */
/*
 * How often virtual processors are looked at for what nobody tells (vsm.c). A look stops its processor, so on a slow machine it happens
 * less often: what an emulated one needs for four of them is longer than the time between two looks of a real one.
 */
#ifndef GABI_VMM_PACE_H
#define GABI_VMM_PACE_H

#include <stdint.h>

/* What a look takes, in ns: from what is known of it and what the last one took. That one may have been interrupted. */
uint64_t vmm_pace_cost(uint64_t known, uint64_t last);

/* The shortest time between two looks at a processor where there are so many, in ns. */
uint64_t vmm_pace_shortest(uint64_t cost, unsigned cpus);

/* The time up to the next look at a processor when the last one, which came after so many ns, found nothing. */
uint64_t vmm_pace_next(uint64_t last, uint64_t shortest);

#endif
