/* SPDX-License-Identifier: MIT */
/* On its way: VTL 1 keeps a secret and looks after it, and VTL 0 tries to read it all the time, wherever the guest is moved. */
#include "secure.h"
#include "../unchanged.h"

#define SECRET 0x5ec12e7c0de15a1dull

static uint64_t keep_secret(void)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		*word(i) = SECRET * (i + 1);
	return protect(shot, 1, NONE);
}

static uint64_t travelled_tsc; /* of both levels: they have one */

/* In VTL 1: its memory, its ABI, its MSRs and how often it was called are as they were. */
static uint64_t look_at_secret(void)
{
	static struct unchanged_abi abi;
	static uint64_t called;
	bool first = !called;

	if (first)
		called = secure.calls;
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (*word(i) != SECRET * (i + 1))
			return 2;
	if (!unchanged_abi(&abi) || !unchanged_tsc(&travelled_tsc))
		return 5;
	if (rdmsr(LSTAR) != LSTAR_OF_VTL1 || rdmsr(GABI_HV_MSR_GUEST_OS_ID) != OS_ID_OF(1))
		return 3;
	return secure.calls == called++ ? 1 : 4;
}

/* VTL 0 tries to read it: VTL 1 is told, and passes over the instruction. */
static bool steal(void)
{
	uint64_t before = secure.intercepts, value = 0;

	secure.skip = 3;
	__asm__ volatile("mov (%1), %0" : "+a"(value) : "S"(word(1)) : "memory"); /* 48 8b 06 */
	secure.skip = 0;
	return value || secure.intercepts != before + 1;
}

/* VTL 0 tries to execute what is data: the last byte of a page, which VTL 1 passes over; behind it stands RET. */
static bool execute_data(void)
{
	uint64_t before = secure.intercepts;

	secure.skip = 1;
	__asm__ volatile("call *%0" : : "r"(shot + 2 * PAGE - 1) : "memory");
	secure.skip = 0;
	return secure.intercepts == before + 1 && secure.access == GABI_HV_ACCESS_EXECUTE;
}

static volatile uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));

/* In VTL 0; VTL 1 looks at what it sees itself. */
static bool look_at_own(void)
{
	static struct unchanged_abi abi;
	static uint64_t reference;

	return unchanged_abi(&abi) && unchanged_reference(&reference, tsc_page) &&
	       unchanged_is("VTL 0: its LSTAR is its own", rdmsr(LSTAR), LSTAR_OF_VTL0) &&
	       unchanged_is("VTL 0: GUEST_OS_ID is its own", rdmsr(GABI_HV_MSR_GUEST_OS_ID), OS_ID_OF(0));
}

void travel(void)
{
	enum { SERIAL = 0x3f8, SERIAL_STATUS = 0x3fd, EVERY = 8 };
	bool good = true;

	wrmsr(GABI_HV_MSR_REFERENCE_TSC, (uint64_t)tsc_page | 1);
	check("the secret is kept", ask(keep_secret), 0);
	shot[2 * PAGE - 1] = INT3;
	shot[2 * PAGE] = RET;
	check("data is kept from being executed, where that can be", protect_shot(1, DATA), has_execute ? 0 : GABI_HV_STATUS_INVALID_PARAMETER);
	for (uint64_t turns = 1; good && !(in8(SERIAL_STATUS) & 1 && in8(SERIAL) == 'q'); turns++) {
		good = unchanged_is("VTL 1: all is as it was", ask(look_at_secret), 1) &&
		       unchanged_is("the secret: VTL 0 cannot read it", steal(), 0) && unchanged_tsc(&travelled_tsc) && look_at_own() &&
		       (!has_execute || unchanged_is("data: VTL 0 cannot execute it", execute_data(), 1));
		if (turns % EVERY)
			continue;
		say("turn ");
		say_number(turns);
		say("\n");
	}
	check("the secret is there, and nobody saw it", good, 1);
}
