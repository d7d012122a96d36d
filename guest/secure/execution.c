/* SPDX-License-Identifier: MIT */
/* The right to execute, apart from the right to read: under a shim. */
#include "secure.h"

/* Where the code begins: at the page, or so that its first instruction goes on there. */
static uint64_t run_shot(unsigned before)
{
	uint8_t *from = shot + PAGE - before;

	put_code(from);
	check("execution: can be forbidden", protect_shot(1, DATA), 0);
	check("a page that is not executed: is read and written", ++shot[PAGE + 64] == 1 && shot[PAGE + 64]++ == 1, 1);
	return run_code(from);
}

static void look_at_fetch(unsigned before)
{
	uint64_t intercepts = secure.intercepts;

	shot[PAGE + 64] = 0;
	check("execution: made once more, it has its effect", run_shot(before), CODE_RETURNS);
	check("execution: one intercept", secure.intercepts - intercepts, 1);
	check("execution: the access", secure.access, GABI_HV_ACCESS_EXECUTE);
	check("execution: the instruction", secure.rip, (uint64_t)shot + PAGE - before);
	check("execution: where it is forbidden", secure.gpa, (uint64_t)shot + PAGE);
	check("execution: its address for the guest", secure.gva, (uint64_t)shot + PAGE);
}

static void look_at_code(void)
{
	uint64_t intercepts = secure.intercepts;

	put_code(shot);
	protect_shot(0, READ);
	check("a page of code: is executed without an intercept", run_code(shot) == CODE_RETURNS && secure.intercepts == intercepts, 1);
	*(volatile uint64_t *)word(1) = 0xabcd;
	check("a page of code: a store is told", secure.intercepts - intercepts, 1);
	check("a page of code: as a store", secure.access, GABI_HV_ACCESS_WRITE);
}

/* What an overlay has below it is no concern of its own. */
static void look_at_overlay_of_data(void)
{
	uint64_t intercepts = secure.intercepts, before = rdmsr(GABI_HV_MSR_HYPERCALL);

	put_code(shot);
	protect_shot(0, DATA);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)shot | 1);
	check("the hypercall page over one that is not executed: is executed",
	      hypercall_by(UPPER_HALF + (uint64_t)shot, GABI_HV_CALL_SignalEvent | FAST, (const void *)1, 0) & 0xffff, GABI_HV_STATUS_INVALID_CONNECTION_ID);
	check("the hypercall page over one that is not executed: is not intercepted", secure.intercepts, intercepts);
	wrmsr(GABI_HV_MSR_HYPERCALL, before);
	check("and the page below, when it is seen again: is intercepted", run_code(shot) == CODE_RETURNS && secure.intercepts == intercepts + 1, 1);
}

/* Whoever does not flush is not noticed on an emulated processor, which flushes more often than it has to. */
static void look_at_flush(void)
{
	uint64_t *in = level[0].in;

	in[0] = 0;
	in[1] = 3; /* all processors, all address spaces */
	in[2] = 0;
	check("a flush of TLBs: is made", hypercall(0, GABI_HV_CALL_FlushVirtualAddressSpace, in, 0) & 0xffff, 0);
}

void look_at_execution(void)
{
	secure.rights_after = EVERYTHING;
	look_at_flush();
	look_at_fetch(0);
	look_at_fetch(1);
	look_at_fetch(4);
	look_at_code();
	look_at_overlay_of_data();
}
