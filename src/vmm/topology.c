/* SPDX-License-Identifier: MIT */
/* Intel SDM volume 2A, CPUID; AMD APM volume 3, E.3 and E.4. */
#include "topology.h"

enum { EAX, EBX, ECX, EDX, LEVEL_THREAD = 1, LEVEL_CORE = 2, HTT = 1 << 28 };

/* Bits of an APIC id that number so many processors. */
static uint32_t id_bits(unsigned cpus)
{
	uint32_t bits = 0;

	while (1u << bits < cpus)
		bits++;
	return bits;
}

static void levels(unsigned cpus, unsigned vp, uint32_t sub, uint32_t regs[4])
{
	static const uint8_t level_of[] = { LEVEL_THREAD, LEVEL_CORE };
	uint32_t level = sub < sizeof(level_of) ? level_of[sub] : 0;

	regs[EAX] = level == LEVEL_CORE ? id_bits(cpus) : 0;
	regs[EBX] = level == LEVEL_CORE ? cpus : level == LEVEL_THREAD;
	regs[ECX] = level << 8 | (sub & 0xff);
	regs[EDX] = vp;
}

void vmm_topology(unsigned cpus, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4])
{
	switch (leaf) {
	case 0x1:
		regs[EBX] = (regs[EBX] & 0x0000ffff) | cpus << 16 | vp << 24;
		regs[EDX] = cpus > 1 ? regs[EDX] | HTT : regs[EDX] & ~(uint32_t)HTT;
		break;
	case 0x4:
		if (regs[EAX] & 31) /* a cache: of its own core */
			regs[EAX] = (regs[EAX] & 0x3fff) | (cpus - 1 < 63 ? cpus - 1 : 63) << 26;
		break;
	case 0xb:
		levels(cpus, vp, sub, regs);
		break;
	case 0x80000008:
		regs[ECX] = (regs[ECX] & ~0xf0ffu) | (cpus - 1) | id_bits(cpus) << 12;
		break;
	case 0x8000001e:
		regs[EAX] = vp;
		regs[EBX] = (regs[EBX] & ~0xffffu) | vp;
		regs[ECX] = 0;
		break;
	default:
		break;
	}
}
