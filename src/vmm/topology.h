/* SPDX-License-Identifier: MIT */
/* What a contract leaves free in CPUID: which processors there are. One package, one thread a core; APIC ids count from 0. */
#ifndef GABI_VMM_TOPOLOGY_H
#define GABI_VMM_TOPOLOGY_H

#include <stdint.h>

/* Fills EAX to EDX in of one leaf of one of so many processors. */
void vmm_topology(unsigned cpus, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4]);

#endif
