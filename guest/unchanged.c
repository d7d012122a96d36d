/* SPDX-License-Identifier: MIT */
#include "unchanged.h"

#include <gabi/hv_msr.h>

enum { PM_TIMER = 0x608 };

uint64_t unchanged_now(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

bool unchanged_is(const char *name, uint64_t seen, uint64_t wanted)
{
	if (seen != wanted)
		check(name, seen, wanted);
	return seen == wanted;
}

/* APIC ids and XSAVE's sizes are not looked at here: they are of the processor and of the moment. */
static void read_leaf(uint32_t leaf, uint32_t regs[4])
{
	regs[0] = regs[1] = regs[2] = regs[3] = 0;
	if (leaf != 1 && leaf != 0xb && leaf != 0xd && leaf != 0x8000001e)
		cpuid(leaf, 0, regs);
}

bool unchanged_abi(struct unchanged_abi *abi)
{
	static const uint32_t bases[] = { 0, 0x40000000, 0x80000000 };
	uint32_t regs[4];
	bool same = true;

	for (uint32_t at = 0; at < UNCHANGED_LEAVES; at++) {
		read_leaf(bases[at / 32] + at % 32, regs);
		for (unsigned part = 0; part < 4; part++) {
			if (abi->known)
				same = unchanged_is("CPUID: is as it was", regs[part], abi->seen[at][part]) && same;
			abi->seen[at][part] = regs[part];
		}
	}
	abi->known = true;
	return same;
}

bool unchanged_tsc(uint64_t *before)
{
	uint64_t now = unchanged_now(), last = *before;

	*before = now;
	return unchanged_is("TSC: never goes back", now >= last, 1);
}

/* Of 24 bits or 32; a guest that stands still for long may not tell. */
bool unchanged_pm_timer(uint32_t *before)
{
	uint32_t now = in32(PM_TIMER), last = *before;

	*before = now;
	return unchanged_is("PM timer: never goes back", now - last < 0x80000000u, 1);
}

static uint64_t page_time(const volatile uint64_t *page)
{
	uint64_t ticks = unchanged_now(), high;

	__asm__("mulq %2" : "+a"(ticks), "=d"(high) : "r"(page[1]) : "cc");
	return high + page[2];
}

bool unchanged_reference(uint64_t *before, const volatile void *tsc_page)
{
	uint64_t first = rdmsr(GABI_HV_MSR_TIME_REF_COUNT), between = page_time(tsc_page), second = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
	bool good = unchanged_is("reference counter: never goes back", first >= *before && second >= first, 1);

	*before = second;
	if (*(const volatile uint32_t *)tsc_page)
		good = unchanged_is("reference TSC: runs with the reference counter", first <= between + 1 && between <= second + 1, 1) && good;
	return good;
}
