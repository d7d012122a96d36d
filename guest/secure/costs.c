/* SPDX-License-Identifier: MIT */
/* What it costs: in ticks of the TSC, and in an emulator that counts instructions these are instructions. */
#include "secure.h"
#include "../unchanged.h"

enum { ROUNDS = 256 };

static unsigned rights; /* what VTL 0 has of a protected page */

static void one_out(void)
{
	out8(0x80, 0);
}

static void one_hypercall(void)
{
	hypercall(0, GABI_HV_CALL_SignalEvent | FAST, (const void *)1, 0); /* to a connection that there is not */
}

static void one_call_with_sse(void)
{
	__asm__ volatile("movq %0, %%xmm2" : : "r"(unchanged_now()));
	vtl_call();
}

static void one_execution(void)
{
	run_code(shot);
}

static void one_cpuid(void)
{
	uint32_t regs[4];

	cpuid(0, 0, regs);
}

static void one_store(void)
{
	*(volatile uint64_t *)word(1) = 1;
}

static void nothing(void)
{
}

static void protect_it(void)
{
	protect_shot(0, rights);
}

static void one_protection(void)
{
	protect_it();
	protect_shot(0, EVERYTHING);
}

/* The best of some rounds: between two of them the host has its own things to do. */
static uint64_t cost(void (*prepare)(void), void (*act)(void))
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start;

		prepare();
		start = unchanged_now();
		act();
		start = unchanged_now() - start;
		best = start < best ? start : best;
	}
	return best;
}

static void say_cost(const char *name, void (*prepare)(void), void (*act)(void), uint64_t cpus)
{
	uint64_t ticks = cost(prepare, act), out = cost(nothing, one_out);

	say("cost: ");
	say(name);
	if (cpus > 1) {
		say(", virtual processors: ");
		say_number(cpus);
	}
	say(": ");
	say_number(ticks);
	say(", an OUT: ");
	say_number(out);
	say("\n");
}

void look_at_costs(uint64_t cpus)
{
	rights = READ;
	secure.rights_after = EVERYTHING;
	say_cost("hypercall", nothing, one_hypercall, cpus);
	say_cost("VtlCall and VtlReturn", nothing, vtl_call, cpus);
	say_cost("VtlCall and VtlReturn, an XMM register changed", nothing, one_call_with_sse, cpus);
	say_cost("memory intercept to retry", protect_it, one_store, cpus);
	say_cost("a page protected and opened, each by a VTL call", nothing, one_protection, cpus);
	say_cost("CPUID", nothing, one_cpuid, cpus);
	if (!has_execute)
		return;
	put_code(shot);
	rights = DATA;
	say_cost("intercept of execution to retry", protect_it, one_execution, cpus);
	say_cost("a page kept from being executed and opened, each by a VTL call", nothing, one_protection, cpus);
}
